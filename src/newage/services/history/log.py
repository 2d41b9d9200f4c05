"""Messages of rooms: stored first, then shown; pages, snapshots, what was missed (contract 4.6-4.8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.dialect import Event, messages
from newage.domain.delivery import Audience
from newage.domain.history import Update
from newage.domain.model import Caller, Kind, Message, Role, Room, RoomKind
from newage.domain.policy import may_read
from newage.errors import NotMember, RoomMissing
from newage.ports import IMessageListener, IMessageStore, IOutbox
from newage.services.events import RoomListener
from newage.services.rooms.registry import RoomRegistry
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live, limit


@frozen(kw_only=True)
class HistorySettings:
    context_page_size: int = limit(50, "messages in one UPDATE_CONTEXT_PAGE")
    context_send_delay: int = limit(100, "milliseconds between pages", zero="none")
    context_snapshot_max: int = limit(200, "messages in one UPDATE_CONTEXT snapshot")
    context_snapshot_delay_ms: int = limit(150, "a room's changes within it share a snapshot")
    context_forward_limit: int = limit(50, "messages of context given to an extension")
    max_messages_per_room: int = limit(2000, "stored messages of a room; older ones go")
    context_max_bytes: int = limit(
        524_288, "bytes of text and data in a page, snapshot or forwarded context; one message always fits"
    )
    max_page_pushes: int = limit(1000, "histories being sent page by page at once")


LOOK_BACK = 8  # times ``context_max_bytes`` that are searched for the thread of one identity


class HistoryService(RoomListener):
    """
    :param serving: the extensions assigned to a room: they see its history change, too.
    """

    _log = Logger()

    def __init__(
        self,
        world: World,
        outbox: IOutbox,
        sessions: SessionService,
        rooms: RoomRegistry,
        store: IMessageStore,
        settings: Live[HistorySettings],
        serving: Callable[[str], Sequence[str]],
        *,
        aliases: bool = True,
    ) -> None:
        self._world = world
        self._outbox = outbox
        self._sessions = sessions
        self._rooms = rooms
        self._store = store
        self.settings = settings
        self._serving = serving
        self._aliases = aliases
        self._snapshots: dict[str, IDelayedCall] = {}  # room id -> when it is due
        self._reading: set[Deferred[None]] = set()  # snapshots under way
        self._pushes: dict[tuple[str, str], Deferred[None]] = {}  # (sid, room id) -> the running push
        self._listeners: list[IMessageListener] = []

    def add_listener(self, listener: IMessageListener) -> None:
        self._listeners.append(listener)

    def close(self) -> None:
        for call in self._snapshots.values():
            call.cancel()
        self._snapshots.clear()
        for under_way in (*self._pushes.values(), *self._reading):
            under_way.cancel()

    # ------------------------------------------------------------------------------------------------------- writing

    async def add(self, draft: Message) -> Message:
        """Number, date and store a message, then show it to the room (NEW_MESSAGE).

        Messages of a room are numbered in the order of the calls, and shown in that order.

        :param draft: with the ``room_id`` of the room that is meant, or "" for the one that has the name now.
        :raises RoomMissing: that room is gone.
        """
        room_id = draft.room_id or self._rooms.require(draft.room).id
        seq = self._rooms.next_seq(room_id)
        self._rooms.ensure_stored(room_id)
        message = evolve(draft, room_id=room_id, seq=seq, timestamp=draft.timestamp or self._world.timestamp())
        await self._store.add_message(message, self.settings.value.max_messages_per_room)
        self._show(room_id, messages.added(message), alias=self._aliases)
        for listener in self._listeners:
            listener.message_added(message)
        return message

    async def replace(self, message: Message) -> Message:
        """Store a changed message under its old number and show the change (MESSAGE_UPDATED)."""
        seq = self._rooms.next_seq(message.room_id)
        changed = evolve(message, last_edited=self._world.timestamp())
        await self._store.update_message(changed, seq)
        self._show(changed.room_id, messages.updated(changed, seq))
        return changed

    async def remove(self, room: Room, message_ids: Sequence[str]) -> tuple[str, ...]:
        """Delete messages and show it (MESSAGES_DELETED); fires with the ids really deleted.

        :raises RoomMissing: the room is gone.
        """
        seq = self._rooms.next_seq(room.id)
        deleted = await self._store.delete_messages(room.id, message_ids, seq)
        if deleted:
            self._show(room.id, messages.deleted(room, deleted, seq))
        return deleted

    async def clear(self, room: Room, requests: bool, responses: bool) -> int:
        """Delete all of a kind and show it (MESSAGES_CLEARED); fires with how many there were.

        :raises RoomMissing: the room is gone.
        """
        seq = self._rooms.next_seq(room.id)
        count = await self._store.clear_messages(room.id, requests, responses, seq)
        if count:
            self._show(room.id, messages.cleared(room, seq, requests=requests, responses=responses))
        return count

    def note(self, room: str, text: str) -> None:
        """Store a system message; a failure is logged, nobody waits for it."""
        draft = Message(message_id=self._world.new_id(), room=room, seq=0, identity="System", role="system", text=text)
        d = Deferred.fromCoroutine(self.add(draft))
        d.addErrback(self._failed, "a system message", room)

    # ------------------------------------------------------------------------------------------------------- reading

    async def context(self, room: Room, only: str | None = None) -> tuple[Message, ...]:
        """The last messages of a room, oldest first, as many as may be sent at once.

        :param only: keep just this identity's own thread: its messages and the answers to them (mode Separate).
        """
        limit, max_bytes = self.settings.value.context_forward_limit, self.settings.value.context_max_bytes
        if only is None:
            return await self._store.last_messages(room.id, limit, max_bytes)
        recent = await self._store.last_messages(
            room.id, self.settings.value.max_messages_per_room, LOOK_BACK * max_bytes
        )
        own = {m.message_id for m in recent if m.identity == only and not m.is_response}
        thread = [m for m in recent if m.identity == only or m.question_id in own]
        return tuple(messages.newest_within(thread[-limit:], 2 * max_bytes))

    async def said(self, room_id: str, message_ids: Sequence[str]) -> dict[str, Message]:
        """Those of these messages that are stored now, by id."""
        return {m.message_id: m for m in await self._store.find_messages(room_id, message_ids)}

    async def push_context(self, caller: Caller, name: str) -> Update:
        """Begin to send a room's whole history to one socket, page by page (contract 4.8).

        A second request for the same room restarts it. The pages follow the ack.

        :raises RoomMissing: no such room. :raises NotMember: not the caller's to read.
        """
        room = self._rooms.get(name)
        if room is None:
            raise RoomMissing(f"Could not retrieve context for room {name}.")
        if not may_read(caller, room):
            raise NotMember(f"You are not a member of room {name}.")
        weights = await self._store.message_weights(room.id)
        pages = paged(weights, self.settings.value.context_page_size, self.settings.value.context_max_bytes)
        update = Update(update_id=self._world.new_id(), room=name, pages=pages, messages=len(weights))
        self._start_push(caller.sid, room, update)
        return update

    def _start_push(self, sid: str, room: Room, update: Update) -> None:
        key = (sid, room.id)
        superseded = self._pushes.pop(key, None)
        if superseded is None and len(self._pushes) >= self.settings.value.max_page_pushes:
            superseded = self._pushes.pop(next(iter(self._pushes)))
        if superseded is not None:
            superseded.cancel()
        d = self._pushes[key] = Deferred.fromCoroutine(self._push(sid, room, update))
        d.addErrback(self._failed, "a context push", room.name)
        d.addBoth(self._push_over, key, d)

    def _push_over(self, result: None, key: tuple[str, str], push: Deferred[None]) -> None:
        if self._pushes.get(key) is push:
            del self._pushes[key]

    async def _push(self, sid: str, begun: Room, update: Update) -> None:
        after = 0
        for number, count in enumerate(update.pages, start=1):
            await self._pause(self.settings.value.context_send_delay / 1000 if number > 1 else 0)
            page = await self._store.messages_after(begun.id, after, count)
            caller, room = self._sessions.caller(sid), self._rooms.current(begun)
            if caller is None or room is None or not may_read(caller, room):
                return
            after = page[-1].seq if page else after
            event = messages.page(update, number, page, room.seq)
            self._outbox.emit(sid, event.name, event.body)

    def _pause(self, seconds: float) -> Deferred[None]:
        d: Deferred[None] = Deferred(lambda _: call.cancel())
        call = self._world.clock.callLater(seconds, d.callback, None)
        return d

    # ------------------------------------------------------------------------------------------------- rooms' changes

    def member_joined(self, room: Room, identity: str, role: Role) -> None:
        if room.kind is RoomKind.GROUP or len(room.members) > 1:
            self.note(room.name, f"[System] {identity} has joined the room as {role.wire}.")
        for caller in self._sessions.callers(identity, "/llm"):
            d = Deferred.fromCoroutine(self.push_context(caller, room.name))
            d.addErrback(self._failed, "a context push", room.name)

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

    def room_deleted(self, room: Room) -> None:
        snapshot = self._snapshots.pop(room.id, None)
        if snapshot is not None:
            snapshot.cancel()

    # ------------------------------------------------------------------------------------------------------ internals

    def _show(self, room_id: str, event: Event, *, alias: bool = False) -> None:
        """Nobody sees what happened in a room that is gone, least of all the members of its successor."""
        room = self._rooms.with_id(room_id)
        if room is None:
            return
        serving = (Audience.identity(extension) for extension in self._serving(room.name))
        to = (Audience.room(room.name), *serving)
        self._outbox.publish(*event.to(*to))
        self._snapshot_soon(room)
        if alias:
            self._outbox.publish(*event.alias().to(Audience.aliases(room.name)))

    def _snapshot_soon(self, room: Room) -> None:
        if room.id in self._snapshots or not self._wants_snapshots(room):
            return
        delay = self.settings.value.context_snapshot_delay_ms / 1000
        self._snapshots[room.id] = self._world.clock.callLater(delay, self._snapshot, room)

    def _wants_snapshots(self, room: Room) -> bool:
        return any(
            not caller.incremental and caller.kind is not Kind.EXTENSION
            for identity in room.members
            for caller in self._sessions.callers(identity, "/llm")
        )

    def _snapshot(self, room: Room) -> None:
        del self._snapshots[room.id]
        d = Deferred.fromCoroutine(self._send_snapshot(room))
        self._reading.add(d)
        d.addErrback(self._failed, "a snapshot", room.name)
        d.addBoth(lambda _: self._reading.discard(d))

    async def _send_snapshot(self, due: Room) -> None:
        limit, max_bytes = self.settings.value.context_snapshot_max, self.settings.value.context_max_bytes
        newest = await self._store.last_messages(due.id, limit, max_bytes)
        total = await self._store.count_messages(due.id, 0)
        room = self._rooms.current(due)
        if room is None:
            return
        event = messages.snapshot(room, newest, truncated=total > len(newest))
        self._outbox.publish(*event.to(Audience.snapshots(room.name)))

    def _failed(self, failure: Failure, what: str, room: str) -> None:
        if not isinstance(failure.value, CancelledError):  # else superseded, or the end of the daemon
            self._log.failure("{what} of room {room} failed", failure, what=what, room=room)


def paged(weights: Sequence[int], page_size: int, max_bytes: int) -> tuple[int, ...]:
    """How many messages go on each page: full ones, but none heavier than ``max_bytes`` unless it is one message."""
    pages: list[int] = [0]
    filled = 0
    for weight in weights:
        if pages[-1] and (pages[-1] >= page_size or filled + weight > max_bytes):
            pages.append(0)
            filled = 0
        pages[-1] += 1
        filled += weight
    return tuple(pages)


def _in_full(seconds: float) -> str:
    """Without an exponent, and without decimals where there are none."""
    return str(int(seconds)) if seconds == int(seconds) else str(round(seconds, 3))
