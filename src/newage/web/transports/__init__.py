"""The two transports of Engine.IO: long-polling and WebSocket."""
