"""The desk of an extension: the chat that a room is served in, and the characters it offers (contract 5.9)."""
