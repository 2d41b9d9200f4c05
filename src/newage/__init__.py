"""newage: a Socket.IO hub that opens SillyTavern to other clients."""

__version__ = "0.1.0"
