"""Functions: those of the hub, and those that clients offer each other."""
