"""A room's history backwards, page by page, as it is asked for: GET_MESSAGES (contract 4.8, A36)."""

from __future__ import annotations

from attrs import define

from newage.domain.history import Earlier
from newage.domain.model import Caller
from newage.ports import IMessageStore
from newage.services.history.pushing import Pushing
from newage.services.history.reading import readable
from newage.services.rooms.registry import RoomRegistry


@define(eq=False, kw_only=True)
class EarlierMessages:
    """No page but the one that is asked for is read, however long the history is."""

    _rooms: RoomRegistry
    _store: IMessageStore
    _pushing: Pushing

    async def before(self, actor: Caller, name: str, seq: int | None, limit: int) -> Earlier:
        """The newest ``limit`` messages before ``seq``, or of all; fewer where these are long.

        :raises RoomMissing: no such room. :raises NotMember: not the caller's to read.
        """
        room = readable(self._rooms, actor, name)
        messages, more = await self._store.messages_before(room.id, seq, *self._pushing.page(actor.sid, limit))
        return Earlier(messages=messages, more=more, seq=room.seq)
