"""One connection's Socket.IO v5 session as a machine: which namespaces are joined, and attachments on their way.

The driver feeds MESSAGE packets and does what is returned. A namespace that is joined stands for a *member*: whatever
object the driver gave to ``join``; it comes back with every packet, so that the driver needs no table of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeAlias, TypeVar

from newage.errors import ProtocolError
from newage.protocol.engine_session import NEVER
from newage.protocol.json_text import TooMuch, loads
from newage.protocol.socket_packet import (
    ACK,
    BINARY_ACK,
    BINARY_EVENT,
    CONNECT,
    CONNECT_ERROR,
    DIGITS,
    DISCONNECT,
    EVENT,
    LONGEST_NAME,
    RESERVED_EVENTS,
    UNREAD,
    Slot,
    SocketPacket,
    decode,
    find_slots,
    prefix_of,
    unread,
    written,
)

_EVENT = 0x32
NO_TEXT_PACKET = "binary data without a text packet before it: is it another parser than Socket.IO's own?"

Member = TypeVar("Member")

# (CONNECT, path, auth or None, None): answer it; join, if it is to be.
# (DISCONNECT, member, None, None): the peer left.
# (EVENT, member, arguments with the name first, ack id or None)
# (ACK, member, arguments, ack id or None)
# (BINARY_EVENT, None, None, None): attachments are awaited; call ``expect_attachments``.
# A plain tuple: one is made for every packet.
Received: TypeAlias = tuple[int, Any, Any, bytes | None]


class _Partial:
    """A binary packet whose attachments are not all here; without a member they are swallowed."""

    __slots__ = ("ack_id", "data", "forgotten", "kind", "member", "missing", "parts", "size", "slots")

    def __init__(self, packet: SocketPacket, member: Any, slots: list[Slot], size: int) -> None:
        self.kind = EVENT if packet.kind == BINARY_EVENT else ACK
        self.member = member
        self.data = packet.data
        self.ack_id = packet.ack_id
        self.missing = packet.attachments
        self.slots = slots
        self.size = size
        self.forgotten = False
        self.parts: list[bytes] = []

    def forget(self) -> None:
        """It is too much: what is left of it is an event's name, so that it can be refused."""
        if self.member is not None:
            self.data = [*self.data[:1], UNREAD] if self.kind == EVENT else []
        self.slots = []
        self.parts = []
        self.forgotten = True


class SocketSession(Generic[Member]):
    """The machine. A namespace counts as joined from ``join``, which the driver calls when CONNECT arrives."""

    __slots__ = ("_joined", "_left", "_max_attachments", "_max_namespaces", "_partial", "deadline")

    def __init__(self, *, max_namespaces: int, max_attachments: int) -> None:
        self._max_namespaces = max_namespaces
        self._max_attachments = max_attachments
        self._joined: dict[bytes, Member] = {}  # by prefix
        self._left: frozenset[bytes] = frozenset()
        self._partial: _Partial | None = None
        self.deadline = NEVER  # of the attachments that are awaited

    @property
    def full(self) -> bool:
        return len(self._joined) >= self._max_namespaces

    @property
    def partial_bytes(self) -> int:
        """Of the packet whose attachments are awaited: what is here of it."""
        return self._partial.size if self._partial is not None else 0

    @property
    def members(self) -> Iterable[Member]:
        """A copy: members may be taken out meanwhile."""
        return tuple(self._joined.values())

    @property
    def empty(self) -> bool:
        return not self._joined

    def join(self, path: str, member: Member) -> None:
        self._joined[prefix_of(path)] = member

    def leave(self, path: str, member: Member) -> None:
        """The member is gone or refused: what the peer sent before it knew is ignored, not an error."""
        prefix = prefix_of(path)
        if self._joined.get(prefix) is member:
            del self._joined[prefix]
            self._left |= {prefix}
        if self._partial is not None and self._partial.member is member:
            self._drop_parts(self._partial)

    def receive(self, packet: bytes) -> Received | None:
        """Take one MESSAGE packet, its kind included. :return: None when there is nothing to do.

        Data that is too much is replaced by a stand-in (``socket_packet.unread``).

        What the attachments' rules forbid is refused like that, too, when they have come: a packet within the announced
        size ends no session (contract A30).

        :raises ProtocolError: it cannot be parsed, is for a namespace never joined, or attachments were due.
        """
        if self._partial is not None:
            raise ProtocolError("text where an attachment was due")
        if len(packet) < 3 or packet[1] != _EVENT:
            return self._receive_any(packet)
        # The way of nearly all packets. What is odd here (a bracket in a path, no data) is not found.
        start = packet.find(b"[")
        if start < 0:
            return self._receive_any(packet)
        head = packet[2:start]
        ack_id = None
        member = self._joined.get(head)
        if member is None:
            prefix = head.rstrip(DIGITS)
            member = self._joined.get(prefix)
            if member is None:
                return self._receive_any(packet)
            ack_id = head[len(prefix) :]
        try:
            args = loads(packet[start:])
        except TooMuch:
            args = unread(EVENT, packet[start:])
        if args and type(args[0]) is str and args[0] not in RESERVED_EVENTS:
            return (EVENT, member, args, ack_id)
        return None

    def receive_unread(self, packet: bytes) -> Received | None:
        """``receive`` for a packet that is too large to be read: with a stand-in for its data."""
        if self._partial is not None:
            raise ProtocolError("text where an attachment was due")
        return self._receive_any(packet, read=False)

    def _receive_any(self, packet: bytes, *, read: bool = True) -> Received | None:
        """Take a packet of any kind and form, decoded in full."""
        decoded = decode(packet, read=read)
        kind, path, ack_id, data, attachments = decoded
        prefix = prefix_of(path) if len(path) <= LONGEST_NAME else written(path)
        member = self._joined.get(prefix)
        if kind == CONNECT:
            if member is not None:
                raise ProtocolError("namespace joined twice")
            return (CONNECT, path, data, None)
        if member is None and prefix not in self._left:
            raise ProtocolError("namespace not joined")
        if attachments:
            slots = find_slots(data, attachments) if attachments <= self._max_attachments else None
            self._partial = partial = _Partial(decoded, member, slots or [], len(packet))
            if member is None or (kind == BINARY_EVENT and not _is_named(data)):
                self._drop_parts(partial)
            elif slots is None:
                partial.forget()
            return (BINARY_EVENT, None, None, None)
        if kind >= BINARY_EVENT:
            kind -= BINARY_EVENT - EVENT  # without any attachment, as the reference takes it
        if member is None or kind == CONNECT_ERROR:
            return None
        if kind == DISCONNECT:
            self.leave(path, member)
        elif kind == EVENT and not _is_named(data):
            return None
        return (kind, member, data, ack_id)

    def expect_attachments(self, due: float) -> None:
        """The attachments must be complete at that time."""
        self.deadline = due

    def receive_binary(self, payload: bytes, limit: int, readable: int | None = None) -> Received | None:
        """Take one attachment; the packet it completes is returned.

        :param limit: bytes that a packet may have with all its attachments.
        :param readable: bytes beyond which it is not read, if they are fewer.
        :return: for one that is too much, with a stand-in for its data.
        :raises ProtocolError: none was due.
        """
        partial = self._partial
        if partial is None:
            raise ProtocolError(NO_TEXT_PACKET)
        partial.size += len(payload)
        partial.missing -= 1
        if partial.size > (limit if readable is None else min(limit, readable)):
            partial.forget()
        elif partial.member is not None and not partial.forgotten:
            partial.parts.append(payload)
        if partial.missing:
            return None
        self._partial = None
        self.deadline = NEVER
        if partial.member is None:
            return None
        for container, key, number in partial.slots:
            container[key] = partial.parts[number]
        return (partial.kind, partial.member, partial.data, partial.ack_id)

    def tick(self, now: float) -> None:
        """:raises ProtocolError: the attachments did not arrive in time."""
        if now >= self.deadline:
            raise ProtocolError("attachments did not arrive in time")

    def close(self) -> None:
        """Forget everything."""
        self._joined = {}
        self._partial = None
        self.deadline = NEVER

    @staticmethod
    def _drop_parts(partial: _Partial) -> None:
        partial.member = partial.data = None
        partial.slots = []
        partial.parts = []


def _is_named(args: list[Any]) -> bool:
    """Whether somebody may handle it; anything else is ignored (contract C6)."""
    return bool(args) and type(args[0]) is str and args[0] not in RESERVED_EVENTS


__all__ = [
    "ACK",
    "BINARY_ACK",
    "BINARY_EVENT",
    "CONNECT",
    "DISCONNECT",
    "EVENT",
    "Member",
    "Received",
    "SocketSession",
]
