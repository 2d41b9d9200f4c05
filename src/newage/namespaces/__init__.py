"""One module per Socket.IO namespace: parse at the edge, one line of service, a view back."""
