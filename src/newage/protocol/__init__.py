"""Engine.IO v4 and Socket.IO v5, sans-I/O: bytes and times in, values and bytes out."""
