"""In-process extensions: they enter by the same ports as a connected one."""
