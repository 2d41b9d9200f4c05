"""Who reads an output without a socket stops reading when he is in its room no more (B15)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from attrs import define, field

from newage.domain.model import Room
from newage.services.events import RoomListener


@define(eq=False)
class Lookouts(RoomListener):
    """Readers by identity and room; bounded by how many may read at once."""

    _readers: defaultdict[tuple[str, str], dict[Callable[[], None], None]] = field(
        factory=lambda: defaultdict(dict), init=False
    )

    def __len__(self) -> int:
        return sum(map(len, self._readers.values()))

    def watch(self, identity: str, room_id: str, gone: Callable[[], None]) -> Callable[[], None]:
        """:param gone: called once, when the output is the reader's no more.

        :return: to be called when he reads no more; idempotent.
        """
        self._readers[identity, room_id][gone] = None
        return lambda: self._forget(identity, room_id, gone)

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        self._gone(identity, room.id)

    def room_deleted(self, room: Room) -> None:
        for identity, room_id in list(self._readers):
            if room_id == room.id:
                self._gone(identity, room_id)

    def _gone(self, identity: str, room_id: str) -> None:
        for gone in self._readers.pop((identity, room_id), {}):
            gone()

    def _forget(self, identity: str, room_id: str, gone: Callable[[], None]) -> None:
        readers = self._readers.get((identity, room_id))
        if readers is not None:
            readers.pop(gone, None)
            if not readers:
                del self._readers[identity, room_id]
