"""Socket.IO: sockets in their namespaces, and the hub that delivers."""
