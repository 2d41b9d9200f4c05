"""Messages of rooms: stored first, then shown (contract 4.6, 4.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

from attrs import define, evolve, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.dialect import Event, messages
from newage.domain.delivery import Audience
from newage.domain.history import Selection
from newage.domain.model import Caller, Message, Role, Room, RoomKind
from newage.domain.open_request import OpenRequest
from newage.ports import IMessageListener, IMessageStore, IOutbox
from newage.services.events import RoomListener
from newage.services.history.limits import HistorySettings
from newage.services.history.snapshots import Snapshots
from newage.services.history.updates import Updates
from newage.services.rooms.registry import RoomRegistry
from newage.services.sessions.rates import EventRates
from newage.services.webhooks.events import WebhookEvents
from newage.services.world import World
from newage.settings import Live
from newage.telemetry.trouble import Trouble, trouble

# What is searched for the thread of one identity: so many messages, and so many times ``context_max_bytes``.
LOOK_BACK_MESSAGES, LOOK_BACK = 2_000, 8


@define(eq=False, kw_only=True)
class HistoryService(RoomListener):
    """
    :param serving: the extensions assigned to a room: they see its history change, too.
    :param listener: is told what is said.
    :param webhooks: what is told outside of it is stored with it.
    :param aliases: whether clients that declared no stream form hear NEW_MESSAGE in lower case, too (A9).
    """

    _log: ClassVar[Logger] = Logger()

    _world: World
    _outbox: IOutbox
    _rooms: RoomRegistry
    _store: IMessageStore
    _snapshots: Snapshots
    _serving: Callable[[str], Sequence[str]]
    _listener: IMessageListener
    _webhooks: WebhookEvents
    settings: Live[HistorySettings]
    _rates: EventRates
    _aliases: bool = True
    _trouble: Trouble = trouble()
    _updates: Updates = field(init=False)
    _coming: dict[str, set[int]] = field(factory=dict, init=False)  # room id -> seqs that are not shown yet

    @_updates.default
    def _make_updates(self) -> Updates:
        return Updates(self._world, self._show, self._rates, self.settings)

    def close(self) -> None:
        """No timer of its is left."""
        self._updates.close()

    def shown(self, room: Room) -> int:
        """The seq up to which all is shown to who is there: what is being stored, or put off, is not."""
        coming = [*self._coming.get(room.id, ()), *self._updates.unshown(room.id)]
        return min(coming) - 1 if coming else room.seq

    # ------------------------------------------------------------------------------------------------------- writing

    async def add(
        self,
        draft: Message,
        beside: Sequence[str] = (),
        on_stored: Callable[[], None] | None = None,
        *,
        opens: OpenRequest | None = None,
        closes: Sequence[int] = (),
    ) -> Message:
        """Number, date and store a message, then show it to the room (NEW_MESSAGE).

        Messages of a room are numbered in the order of the calls, and shown in that order.

        :param draft: with the ``room_id`` of the room that is meant, or "" for the one that has the name now.
        :param beside: as in ``IMessageStore.add_message``; so are ``opens`` and ``closes``.
        :param on_stored: called before anybody is shown it.
        :raises RoomMissing: that room is gone.
        """
        room_id = draft.room_id or self._rooms.require(draft.room).id
        settings = self.settings.value
        with self._numbered(room_id) as seq:
            self._rooms.ensure_stored(room_id, said=not draft.is_system)
            message = evolve(draft, room_id=room_id, seq=seq, timestamp=draft.timestamp or self._world.timestamp())
            told = self._webhooks.of(message)
            full = await self._store.add_message(
                message,
                settings.max_messages_per_room,
                beside,
                opens,
                closes,
                keep_bytes=settings.max_room_bytes,
                tells=told,
            )
            self._webhooks.stored(told, full)
            if on_stored is not None:
                on_stored()
            self._show(room_id, messages.added(message), alias=self._aliases)
        self._listener.message_added(message)
        return message

    async def replace(
        self,
        message: Message,
        was: Message,
        by: Caller | None = None,
        on_stored: Callable[[], None] | None = None,
    ) -> Message | None:
        """Store a changed message under its old number and show the change (MESSAGE_UPDATED).

        :param by: who has a rate at which others are shown what it changes.
        :param was: what it was made from; None is the result, and nothing changes, when it is another one by now.
        :param on_stored: called before anybody is shown it.
        """
        changed = evolve(message, last_edited=self._world.timestamp())
        with self._numbered(message.room_id) as seq:
            keep_bytes = self.settings.value.max_room_bytes
            if not await self._store.update_message(changed, seq, was, keep_bytes=keep_bytes):
                return None
            if on_stored is not None:
                on_stored()
            self._updates.changed(changed, seq, by)
        return changed

    async def remove(self, room: Room, message_ids: Sequence[str], origin: str = "") -> tuple[str, ...]:
        """Delete messages and show it (MESSAGES_DELETED); fires with the ids really deleted.

        :param origin: where that was done, as of a message.

        :raises RoomMissing: the room is gone.
        """
        with self._numbered(room.id) as seq:
            deleted = await self._store.delete_messages(room.id, message_ids, seq)
            if deleted:
                self._updates.gone(room.id, lambda each: each.message_id in deleted)
                self._show(room.id, messages.deleted(room, deleted, seq, origin))
        return deleted

    async def select(self, room: Room, answer: Message) -> Selection | None:
        """This answer counts of those to its question, and the room is told (RESPONSE_SELECTED).

        :return: None where it is none any more.
        :raises RoomMissing: the room is gone.
        """
        with self._numbered(room.id) as seq:
            answers = await self._store.select_answer(room.id, answer.message_id, seq)
            if not answers:
                return None
            chosen = Selection.of(answer, answers)
            self._show(room.id, messages.selected(room, chosen, seq))
        return chosen

    async def clear(self, room: Room, requests: bool, responses: bool) -> int:
        """Delete all of a kind and show it (MESSAGES_CLEARED); fires with how many there were.

        :raises RoomMissing: the room is gone.
        """
        with self._numbered(room.id) as seq:
            count = await self._store.clear_messages(room.id, requests, responses, seq)
            if count:
                self._updates.gone(room.id, lambda each: responses if each.is_response else requests)
                self._show(room.id, messages.cleared(room, seq, requests=requests, responses=responses))
        return count

    def note(self, room: str, text: str) -> None:
        """Store a system message; a failure is logged, nobody waits for it."""
        draft = Message(message_id=self._world.new_id(), room=room, seq=0, identity="System", role="system", text=text)
        d = Deferred.fromCoroutine(self.add(draft))
        d.addErrback(self._failed, room)

    # ------------------------------------------------------------------------------------------------------- reading

    async def context(self, room: Room, only: str | None = None) -> tuple[Message, ...]:
        """The last messages of a room, oldest first, as many as may be sent at once; of several answers to one question
        the selected one.

        :param only: keep just this identity's own thread: its messages and the answers to them (mode Separate).
        """
        limit, max_bytes = self.settings.value.context_forward_limit, self.settings.value.context_max_bytes
        if only is None:
            return await self._store.last_messages(room.id, limit, max_bytes, selected=True)
        recent = await self._store.last_messages(room.id, LOOK_BACK_MESSAGES, LOOK_BACK * max_bytes, selected=True)
        own = {m.message_id for m in recent if m.identity == only and not m.is_response}
        thread = [m for m in recent if m.identity == only or m.question_id in own]
        return tuple(messages.newest_within(thread[-limit:], 2 * max_bytes))

    async def said(self, room_id: str, message_ids: Sequence[str]) -> dict[str, Message]:
        """Those of these messages that are stored now, by id."""
        return {m.message_id: m for m in await self._store.find_messages(room_id, message_ids)}

    # ------------------------------------------------------------------------------------------------- rooms' changes

    def room_deleted(self, room: Room) -> None:
        self._updates.gone(room.id, lambda each: True)

    def member_joined(self, room: Room, identity: str, role: Role) -> None:
        if room.kind is RoomKind.GROUP or len(room.members) > 1:
            self.note(room.name, f"[System] {identity} has joined the room as {role.wire}.")

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        if room.members:
            self.note(room.name, f"[System] {identity} has left the room.")

    def member_muted(self, room: Room, identity: str, by: str) -> None:
        term = room.muted[identity]
        how = "permanently muted by " if term.permanent else "muted by "
        length = "" if term.permanent else f" for {_in_full(term.seconds)} seconds"
        self.note(room.name, f"[System] {identity} has been {how}{by}{length}.")

    def member_unmuted(self, room: Room, identity: str, by: str) -> None:
        self.note(room.name, f"[System] {identity} has been unmuted by {by}.")

    # ------------------------------------------------------------------------------------------------------ internals

    @contextmanager
    def _numbered(self, room_id: str) -> Iterator[int]:
        """The seq of a change that is stored and shown meanwhile."""
        seq = self._rooms.next_seq(room_id)
        coming = self._coming.setdefault(room_id, set())
        coming.add(seq)
        try:
            yield seq
        finally:
            coming.remove(seq)
            if not coming:
                self._coming.pop(room_id, None)

    def _show(self, room_id: str, event: Event, *, alias: bool = False) -> None:
        """Nobody sees what happened in a room that is gone, least of all the members of its successor."""
        room = self._rooms.with_id(room_id)
        if room is None:
            return
        serving = (Audience.identity(extension) for extension in self._serving(room.name))
        to = (Audience.room(room.name), *serving)
        self._outbox.publish(*event.to(*to))
        self._snapshots.changed(room)
        if alias:
            self._outbox.publish(*event.alias().to(Audience.aliases(room.name)))

    def _failed(self, failure: Failure, room: str) -> None:
        if not isinstance(failure.value, CancelledError):  # else the end of the daemon
            self._trouble.say("a system message of room {room} could not be stored", failure, room=room)


def _in_full(seconds: float) -> str:
    """Without an exponent, and without decimals where there are none."""
    return str(int(seconds)) if seconds == int(seconds) else str(round(seconds, 3))
