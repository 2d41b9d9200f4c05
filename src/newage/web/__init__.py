"""HTTP and WebSocket transports, static files, virtual modules."""
