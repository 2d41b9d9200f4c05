"""The process: start, stop, ports, signals, home, threads, console."""
