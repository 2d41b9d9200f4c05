"""The queue of a room in Default mode (contract 5.4)."""

from __future__ import annotations

from collections.abc import Iterator

from newage.domain.model import Role
from newage.domain.request import Request


class RoomQueue:
    """What guests said in Default mode and nobody has submitted yet: FIFO, bounded per room and per identity.

    It refers to stored messages; what is said in them is read when they are sent (A18).
    """

    __slots__ = ("_entries", "_per_identity", "_size")

    def __init__(self, size: int, per_identity: int) -> None:
        self._size = size
        self._per_identity = per_identity
        self._entries: list[Request] = []

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Request]:
        """In the order of arrival."""
        return iter(self._entries)

    def push(self, request: Request) -> list[Request]:
        """:return: what had to go for it: the identity's oldest, or the room's oldest."""
        dropped = []
        own = [entry for entry in self._entries if entry.identity == request.identity]
        if len(own) >= self._per_identity:
            dropped.append(own[0])
        elif len(self._entries) >= self._size:
            dropped.append(self._entries[0])
        self._entries = [entry for entry in self._entries if entry not in dropped]
        self._entries.append(request)
        return dropped

    def remove(self, request: Request) -> None:
        """Not waiting is fine."""
        self._entries = [entry for entry in self._entries if entry is not request]

    def take_all(self) -> list[Request]:
        """Everything in the order of arrival; the queue is empty afterwards."""
        entries, self._entries = self._entries, []
        return entries

    def take_for_merge(self) -> list[Request]:
        """Everything, specials first, each group in the order of arrival."""
        entries = self.in_merge
        self._entries = []
        return entries

    @property
    def in_merge(self) -> list[Request]:
        """As ``take_for_merge`` would give it."""
        specials = [entry for entry in self._entries if entry.role >= Role.SPECIAL]
        return specials + [entry for entry in self._entries if entry.role < Role.SPECIAL]

    def expire(self, before: float) -> list[Request]:
        """Take out what arrived at or before that time."""
        old = [entry for entry in self._entries if entry.created_at <= before]
        self._entries = [entry for entry in self._entries if entry.created_at > before]
        return old
