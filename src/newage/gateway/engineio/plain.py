"""Plain Engine.IO: what serves messages without Socket.IO above them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from newage.errors import ProtocolError
from newage.gateway.engineio.connection import Connection
from newage.protocol.engine_packet import MESSAGE
from newage.protocol.engine_session import NEVER

# (connection, payload without the packet's kind, is it binary)
MessageHandler: TypeAlias = Callable[[Connection, bytes, bool], None]


class Plain:
    """Gives each message of one connection to a function: ``make_upper=partial(Plain, on_message=handler)``."""

    __slots__ = ("_connection", "_on_message", "cap")
    deadline = NEVER
    has_to_join = False

    def __init__(self, connection: Connection, on_message: MessageHandler) -> None:
        self.cap = connection.context.engine.max_payload_bytes
        self._connection = connection
        self._on_message = on_message

    def text(self, packet: bytes) -> None:
        try:
            packet.decode()
        except UnicodeDecodeError as error:
            raise ProtocolError("text is not UTF-8") from error
        self._on_message(self._connection, packet[len(MESSAGE) :], False)

    def binary(self, payload: bytes) -> None:
        self._on_message(self._connection, payload, True)

    def oversized(self, packet: bytes) -> None:
        """Nothing that is permitted is too large."""

    def tick(self, now: float) -> None:
        """Nothing is ever due."""

    def closed(self, reason: str) -> None:
        """Nobody wants to know."""
