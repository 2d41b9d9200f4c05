"""What stands above an engine connection and gets its messages."""

from __future__ import annotations

from typing import Protocol


class Upper(Protocol):
    """Socket.IO (``socketio.multiplex.Multiplex``), or plain messages (``plain.Plain``).

    ``text``, ``binary``, ``oversized`` and ``tick`` may raise ProtocolError: the peer broke the protocol, and the
    connection ends.
    """

    @property
    def cap(self) -> int:
        """Bytes of a message that is read at the moment, its kind included."""

    @property
    def deadline(self) -> float:
        """When ``tick`` is due, in seconds on the connection's clock; after a change call ``Connection.arm``."""

    @property
    def has_to_join(self) -> bool:
        """Whether the connection serves nobody until it is told of by ``Joinless.settle``."""

    def text(self, packet: bytes) -> None:
        """One MESSAGE packet of at most ``cap`` bytes, its kind included."""

    def binary(self, payload: bytes) -> None:
        """One binary packet."""

    def oversized(self, packet: bytes) -> None:
        """One MESSAGE packet beyond ``cap``, yet within the size that was announced."""

    def tick(self, now: float) -> None:
        """The deadline has passed, or something else was due."""

    def closed(self, reason: str) -> None:
        """The connection has ended; called once, last."""
