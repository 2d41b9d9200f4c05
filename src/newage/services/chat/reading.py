"""What stands in the chat that a room is served in: CHAT_SNAPSHOT (contract 5.9, B17)."""

from __future__ import annotations

from attrs import define

from newage.domain.chat import Snapshot
from newage.domain.model import Caller
from newage.ports import IChatCalls
from newage.services.chat.asking import Asking
from newage.services.chat.links import ChatLinks

FEATURE = "snapshot"


@define(eq=False, kw_only=True)
class ChatReading:
    """The chat belongs to the desk: for the staff of its room alone."""

    _links: ChatLinks
    _asking: Asking
    _calls: IChatCalls

    async def snapshot(self, actor: Caller, name: str, limit: int) -> Snapshot:
        """Its newest messages.

        :raises NotAuthorised: not the room's staff, or there is none. :raises NotFound: no chat is the room's.
        :raises Unavailable: another chat is open there; or see ``IChatCalls``.
        """
        room, extension = self._links.of_staff(actor, name, "Permission denied to read the chat.")
        sid = self._asking.socket(extension, FEATURE)
        with self._asking.slot(actor):
            return await self._calls.snapshot(sid, room, limit)
