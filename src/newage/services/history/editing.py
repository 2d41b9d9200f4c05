"""Changing what was said: edit, delete, clear, each with its right (contract 4.7)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from attrs import define

from newage.dialect.messages import carried_bytes
from newage.domain.history import UNNAMED, Change
from newage.domain.model import Caller, Message, Room
from newage.domain.policy import MUTED, governs, may_read
from newage.errors import InvalidRequest, NotAuthorised, NotFound, NotMember, Unavailable
from newage.ports import IMessageStore
from newage.services.history.log import HistoryService
from newage.services.rooms.registry import RoomRegistry
from newage.services.sessions.rates import EventRates

TRIES = 5  # of an edit whose message is changed by another one between its reading and its writing


@define(eq=False, kw_only=True)
class EditingService:
    """
    :param taken_back: told of messages that are no more, by ids, or None for all that members said.
    :param overwritten: they are told of messages that were changed or are no more, by ids, or None for all answers.
    :param max_bytes: of a message's text, data and further members after an edit.
    """

    _rooms: RoomRegistry
    _history: HistoryService
    _store: IMessageStore
    _taken_back: Callable[[Room, Collection[str] | None], None]
    _overwritten: Sequence[Callable[[Room, Collection[str] | None], None]]
    _max_bytes: Callable[[], int]
    _rates: EventRates

    async def edit(self, actor: Caller, name: str, any_id: str, change: Change | None) -> Message:
        """Change a message's text or further members; what identifies it stays.

        :param change: None: the edit names nothing to be changed.
        :raises NotFound: no such room or message. :raises NotAuthorised: muted, or not the actor's to change.
        :raises InvalidRequest: nothing to change, or it would become too large.
        :raises Unavailable: it is changed again and again meanwhile, or the actor has told others too much lately.
        """
        words = "Failed to edit message. It might not exist."
        room = self._rooms.seen(actor, name)
        if room is None:
            raise NotFound(words)
        if room.is_muted(actor.identity, actor.client_id):
            raise NotAuthorised(MUTED)
        for tried in range(TRIES):
            message = await self._store.find_message(room.id, any_id)
            if message is None:
                raise NotFound(words)
            if not self._may_change(actor, room, [message]):
                raise NotAuthorised("Permission denied to edit this message.")
            if change is None:
                raise InvalidRequest("Missing required fields for editing message.")
            changed = change.applied_to(message)
            grown = carried_bytes(changed.text, changed.data, changed.extra)
            if grown > max(self._max_bytes(), carried_bytes(message.text, message.data, message.extra)):
                raise InvalidRequest("The message would be too large.")
            if not tried:
                self._rates.tell(actor, _said(change), "an edit")
            stored = await self._history.replace(changed, message, by=actor)
            if stored is not None:
                self._tell(room, [stored.message_id])
                return stored
        raise Unavailable("Somebody else is changing this message.")

    async def delete(self, actor: Caller, name: str, any_ids: Sequence[str]) -> tuple[str, ...]:
        """Delete what exists of these; if one may not be deleted, none is.

        :return: the message ids really deleted.
        """
        room = self._rooms.seen(actor, name)
        found: dict[str, Message] = {}
        if room is None:
            return ()
        for any_id in any_ids:
            message = await self._store.find_message(room.id, any_id)
            if message is not None:
                found[message.message_id] = message
        if not found:
            self._check_member(actor, room, "Permission denied to delete these messages.")
            return ()
        if not self._may_change(actor, room, list(found.values())):
            raise NotAuthorised("Permission denied to delete these messages.")
        self._rates.tell(actor, sum(map(len, found)), "a deletion")
        return await self.withdraw(room, list(found))

    async def clear(self, actor: Caller, name: str, requests: bool, responses: bool) -> int:
        """:return: how many messages went. :raises NotAuthorised: neither staff nor administrator."""
        room = self._rooms.seen(actor, name)
        if room is None or not governs(actor, room):
            raise NotAuthorised("Permission denied to clear messages.")
        count = await self._history.clear(room, requests, responses)
        if requests:
            self._taken_back(room, None)
        if responses:
            self._tell(room, None)
        return count

    # ------------------------------------------------------------------------------ what nobody has to be asked about

    async def withdraw(self, room: Room, message_ids: Sequence[str], origin: str = "") -> tuple[str, ...]:
        """Delete what exists of these.

        :param origin: as of a message: where it was deleted. :return: the ids really deleted.
        :raises RoomMissing: the room is gone.
        """
        deleted = await self._history.remove(room, message_ids, origin)
        self._taken_back(room, deleted)
        self._tell(room, deleted)
        return deleted

    async def rewrite(self, room: Room, message_id: str, rewritten: Callable[[Message], Message]) -> Message | None:
        """Change a message as whoever it came from says.

        :param rewritten: makes the new one of the old one; the same: nothing happens.
        :return: as it is now; None where there is none. :raises Unavailable: it is changed again and again meanwhile.
        """
        for _ in range(TRIES):
            message = await self._store.find_message(room.id, message_id)
            if message is None:
                return None
            changed = rewritten(message)
            if changed == message:
                return message
            stored = await self._history.replace(changed, message)
            if stored is not None:
                self._tell(room, [stored.message_id])
                return stored
        raise Unavailable("Somebody else is changing this message.")

    def _tell(self, room: Room, message_ids: Collection[str] | None) -> None:
        for overwritten in self._overwritten:
            overwritten(room, message_ids)

    def _check_member(self, actor: Caller, room: Room, words: str) -> None:
        if not may_read(actor, room):
            raise NotMember(words)

    def _may_change(self, actor: Caller, room: Room, messages: Sequence[Message]) -> bool:
        """Author, or who asked for the response, as long as they are members; staff; administrator (A17)."""
        if governs(actor, room):
            return True
        if actor.identity not in room.members:
            return False  # who was kicked has no more say, not even in what he said
        return all(actor.identity in (m.identity, m.asker) for m in messages)


def _said(change: Change) -> int:
    """Bytes of what an edit says."""
    return carried_bytes(change.text or "", None if change.data is UNNAMED else change.data, change.extra)
