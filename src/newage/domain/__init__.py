"""Pure values and rules: no Twisted, no I/O, no clock."""
