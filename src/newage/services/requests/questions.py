"""Which stored question a request asks once more, and whose right that is (contract 5.1, A19)."""

from __future__ import annotations

from attrs import define

from newage.domain.model import Caller, Message, Room
from newage.domain.policy import may_ask_again
from newage.domain.request import Ask
from newage.errors import NotAuthorised, NotFound
from newage.ports import IMessageStore


@define(eq=False)
class Questions:
    _store: IMessageStore

    async def asked_again(self, caller: Caller, ask: Ask, room: Room) -> Message | None:
        """The message meant: by its id or an answer's, else one's own by requestId, else one's last of that text.

        :return: None when nobody has asked that before: it is a new question.
        :raises NotFound: no such message, and no text to ask instead.
        :raises NotAuthorised: it is not the caller's to ask again.
        """
        question = await (self._own(caller, ask, room) if ask.message_id is None else self._named(ask.message_id, room))
        if question is not None and not may_ask_again(caller, room, question.identity):
            raise NotAuthorised("Permission denied to ask this message again.")
        return question

    async def _own(self, caller: Caller, ask: Ask, room: Room) -> Message | None:
        own = await self._store.find_question(room.id, caller.identity, ask.request_id or "", ask.text)
        if own is None and not ask.text:
            raise NotFound("Message not found")
        return own

    async def _named(self, message_id: str, room: Room) -> Message:
        found = await self._store.find_message(room.id, message_id)
        if found is not None and found.is_response:
            found = await self._store.find_message(room.id, found.question_id or "")
        if found is None or found.is_response or found.is_system:
            raise NotFound("Message not found")
        return found
