"""Which of several answers to one question counts: SELECT_RESPONSE (contract 5.1, A19)."""

from __future__ import annotations

from attrs import define

from newage.domain.history import Selection
from newage.domain.model import Caller
from newage.domain.policy import governs
from newage.errors import NotAuthorised, NotFound
from newage.ports import IMessageStore
from newage.services.history.log import HistoryService
from newage.services.rooms.registry import RoomRegistry


@define(eq=False, kw_only=True)
class Selecting:
    """Models and snapshots see the one that was selected last, by somebody or by being the newest."""

    _rooms: RoomRegistry
    _history: HistoryService
    _store: IMessageStore

    async def select(self, actor: Caller, name: str, any_id: str) -> Selection:
        """That answer counts from now on: who asked for it, staff and administrators decide.

        :raises NotFound: no such room, or no such answer in it. :raises NotAuthorised: it is not the actor's to say.
        """
        room = self._rooms.seen(actor, name)
        answer = None if room is None else await self._store.find_message(room.id, any_id)
        if room is None or answer is None or not answer.is_response or answer.question_id is None:
            raise NotFound("Message not found")
        asked = answer.asker == actor.identity and actor.identity in room.members
        if not (asked or governs(actor, room)):
            raise NotAuthorised("Permission denied to select this message.")
        chosen = await self._history.select(room, answer)
        if chosen is None:
            raise NotFound("Message not found")
        return chosen
