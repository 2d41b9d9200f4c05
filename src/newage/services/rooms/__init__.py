"""Where people meet: rooms, roles, who serves whom."""
