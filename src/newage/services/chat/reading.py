"""What stands in the chat that a room is served in: CHAT_SNAPSHOT (contract 5.9, B17)."""

from __future__ import annotations

from attrs import define

from newage.domain.chat import Snapshot
from newage.domain.model import Caller
from newage.domain.policy import governs
from newage.errors import NotAuthorised, NotFound
from newage.ports import IChatCalls
from newage.services.chat.asking import Asking
from newage.services.chat.links import NOT_LINKED, ChatLinks
from newage.services.rooms.registry import RoomRegistry

FEATURE = "snapshot"


@define(eq=False, kw_only=True)
class ChatReading:
    """The chat belongs to the desk: for the staff of its room alone."""

    _rooms: RoomRegistry
    _links: ChatLinks
    _asking: Asking
    _calls: IChatCalls

    async def snapshot(self, actor: Caller, name: str, limit: int) -> Snapshot:
        """Its newest messages.

        :raises NotAuthorised: not the room's staff, or there is none. :raises NotFound: no chat is the room's.
        :raises Unavailable: another chat is open there; or see ``IChatCalls``.
        """
        room = self._rooms.seen(actor, name)
        if room is None or not governs(actor, room):
            raise NotAuthorised("Permission denied to read the chat.")
        extension = self._links.linked(room)
        if extension is None:
            raise NotFound(NOT_LINKED)
        sid = self._asking.socket(extension, FEATURE)
        with self._asking.slot(actor):
            return await self._calls.snapshot(sid, room, limit)
