"""The stores behind ``newage.ports``: SQLite, and plain memory."""
