"""``/api/v1``: the hub's own API over HTTP, for programs that do not speak Socket.IO."""
