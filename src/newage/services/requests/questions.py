"""Which stored question a request asks once more, and whose right that is (contract 5.1, A19)."""

from __future__ import annotations

from attrs import define

from newage.domain.model import Caller, Message, Room
from newage.domain.policy import may_ask_again
from newage.domain.request import Ask
from newage.errors import NotAuthorised, NotFound
from newage.ports import IMessageStore

LOOK_BACK = 50  # messages among which the room's last answer is looked for
ASKED_BACK = 200  # and those among which a question is that is named by its requestId or its text


@define(eq=False)
class Questions:
    _store: IMessageStore

    async def asked_again(self, caller: Caller, ask: Ask, room: Room) -> Message | None:
        """The message meant: by its id or an answer's, else one's own by requestId, else one's last of that text; these
        two among the room's newest.

        :return: None when nobody has asked that before: it is a new question.
        :raises NotFound: no such message, and no text to ask instead.
        :raises NotAuthorised: it is not the caller's to ask again.
        """
        question = await (self._own(caller, ask, room) if ask.message_id is None else self._named(ask.message_id, room))
        if question is not None and not may_ask_again(caller, room, question.identity):
            raise NotAuthorised("Permission denied to ask this message again.")
        return question

    async def continued(self, caller: Caller, ask: Ask, room: Room) -> Message:
        """The answer that shall grow: the one named, the one that counts of the question named, else the room's last.

        :raises NotFound: there is none, or its question is no more. :raises NotAuthorised: as ``asked_again``.
        """
        if ask.message_id is None:
            newest = await self._store.last_messages(room.id, LOOK_BACK, selected=True)
        else:
            named = await self._store.find_message(room.id, ask.message_id)
            newest = () if named is None else (named,)
            if named is not None and not (named.is_response or named.is_system):
                newest = await self._store.find_answers(room.id, named.message_id)
                newest = tuple(sorted(newest, key=lambda each: each.selected is not False))
        answer = next((each for each in reversed(newest) if each.is_response), None)
        question = await self._store.find_message(room.id, answer.question_id or "") if answer is not None else None
        if answer is None or question is None:
            raise NotFound("Message not found")
        if not may_ask_again(caller, room, answer.asker or ""):
            raise NotAuthorised("Permission denied to ask this message again.")
        return answer

    async def _own(self, caller: Caller, ask: Ask, room: Room) -> Message | None:
        own = await self._store.find_question(room.id, caller.identity, ask.request_id or "", ask.text, ASKED_BACK)
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
