"""Between transports and handlers: connections, dispatch, and the hub that delivers."""
