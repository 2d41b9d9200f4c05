"""Rooms and their messages in dicts, for ``--ephemeral`` and for tests. Answers as SQLite does, at once."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence

import orjson
from attrs import define, evolve, field
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from newage.domain.history import KEPT_CHANGES, Behind
from newage.domain.model import Message, Room
from newage.domain.open_request import OpenRequest
from newage.domain.webhooks import Delivery
from newage.errors import BadParameter, NotFound, RoomMissing
from newage.ports import IMessageStore, IRoomStore


@define(eq=False)
class _StoredRoom:
    """A room and its messages: ids map to messages, ``order`` holds (seq, id) sorted."""

    room: Room
    messages: dict[str, Message] = field(factory=dict)
    order: list[tuple[int, str]] = field(factory=list)
    bytes: int = 0
    evicted: int = 0  # the greatest seq of a message that went because there were too many
    changes: list[tuple[int, int]] = field(factory=list)  # seq of an edit or deletion, least seq that it touched
    forgotten: int = 0  # of those up to this seq nothing is known any more

    def evict(self, spared: str, messages: int, size: int) -> None:
        """The oldest go, but for one, until so many messages and so many bytes have gone."""
        while messages > 0 or size > 0:
            oldest = next((message_id for _, message_id in self.order if message_id != spared), None)
            if oldest is None:
                break
            gone = self.drop(oldest)
            size -= _weight(gone)
            messages -= 1
            self.evicted = max(self.evicted, gone.seq)

    def note_change(self, seq: int, touched: int) -> None:
        insort(self.changes, (seq, touched))
        for gone, _ in self.changes[:-KEPT_CHANGES]:
            self.forgotten = max(self.forgotten, gone)
        del self.changes[:-KEPT_CHANGES]

    def raise_seq(self, seq: int) -> None:
        if seq > self.room.seq:
            self.room = evolve(self.room, seq=seq)

    def drop(self, message_id: str) -> Message:
        gone = self.messages.pop(message_id)
        self.order.remove((gone.seq, message_id))
        self.bytes -= _weight(gone)
        return gone

    def answers(self, question_id: str | None) -> list[Message]:
        """To that question."""
        return [m for m in self.messages.values() if m.is_response and m.question_id == question_id is not None]

    def select_again(self, question_id: str | None) -> None:
        """The newest answer that is left counts, a failed one only if there is no other."""
        left = sorted(self.answers(question_id), key=lambda m: (not m.failed, m.seq))
        if left and not any(m.selected for m in left):
            self.messages[left[-1].message_id] = evolve(left[-1], selected=True)


@implementer(IRoomStore)
@define(eq=False)
class MemoryRoomStore:
    rooms: dict[str, _StoredRoom] = field(factory=dict, init=False)  # by id
    requests: dict[int, OpenRequest] = field(factory=dict, init=False)  # open ones, by their keys
    deliveries: list[Delivery] = field(factory=list, init=False)  # those included whose message or room is gone
    _ids: dict[str, str] = field(factory=dict, init=False)  # name -> id

    def load_rooms(self) -> Deferred[tuple[Room, ...]]:
        return succeed(tuple(stored.room for stored in self.rooms.values()))

    def save_room(self, room: Room) -> Deferred[None]:
        namesake = self._ids.get(room.name)
        if namesake is not None and namesake != room.id:
            del self.rooms[namesake]
        self._ids[room.name] = room.id
        clients = {who: client for who, client in room.clients.items() if who in room.members or who in room.muted}
        stored = self.rooms.setdefault(room.id, _StoredRoom(room))
        said, seq = room.said or stored.room.said, max(room.seq, stored.room.seq)
        stored.room = evolve(room, clients=clients, said=said, seq=seq)
        return succeed(None)

    def delete_room(self, room_id: str) -> Deferred[None]:
        deleted = self.rooms.pop(room_id, None)
        if deleted is not None:
            del self._ids[deleted.room.name]
        return succeed(None)

    def waiting(self) -> list[Delivery]:
        """What goes with a message or a room that is gone is forgotten here."""
        self.deliveries = [each for each in self.deliveries if self._holds(each)]
        return self.deliveries

    def add_deliveries(self, deliveries: Iterable[Delivery]) -> tuple[str, ...]:
        """As ``IWebhookStore.add_deliveries``."""
        full: dict[str, None] = {}
        for each in deliveries:
            if sum(1 for other in self.waiting() if other.webhook == each.webhook) >= each.most:
                full[each.webhook] = None
                continue
            stored = self.rooms.get(each.room_id)
            if each.data is not None and (stored is None or each.message_id not in stored.messages):
                each = evolve(each, message_id="")
            if self._holds(each):
                self.deliveries.append(each)
        return tuple(full)

    def _holds(self, delivery: Delivery) -> bool:
        stored = self.rooms.get(delivery.room_id)
        if stored is None:
            return not delivery.room_id and delivery.data is not None
        if not delivery.message_id:
            return delivery.data is not None
        return delivery.message_id in stored.messages


@implementer(IMessageStore)
@define(eq=False)
class MemoryMessageStore:
    _store: MemoryRoomStore

    def add_message(
        self,
        message: Message,
        keep: int,
        beside: Sequence[str] = (),
        opens: OpenRequest | None = None,
        closes: Sequence[int] = (),
        *,
        keep_bytes: int | None = None,
        tells: Sequence[Delivery] = (),
    ) -> Deferred[tuple[str, ...]]:
        stored = self._store.rooms.get(message.room_id)
        if stored is None:
            return fail(RoomMissing("Room not found"))
        place = bisect_right(stored.order, (message.seq, ""))
        taken = place < len(stored.order) and stored.order[place][0] == message.seq
        if taken or message.message_id in stored.messages:
            return fail(BadParameter("A message of that id or seq exists."))
        if message.selected:
            for other in stored.answers(message.question_id):
                if other.response_id not in beside:
                    stored.messages[other.message_id] = evolve(other, selected=False)
        stored.messages[message.message_id] = message
        insort(stored.order, (message.seq, message.message_id))
        stored.raise_seq(message.seq)
        stored.room = evolve(stored.room, said=stored.room.said or not message.is_system)
        stored.bytes += _weight(message)
        excess = 0 if keep_bytes is None else stored.bytes - keep_bytes
        stored.evict(message.message_id, len(stored.order) - keep, excess)
        if opens is not None:
            self._store.requests[opens.key] = opens
        for key in closes:
            self._store.requests.pop(key, None)
        return succeed(self._store.add_deliveries(tells))

    def update_message(
        self, message: Message, seq: int, was: Message | None = None, *, keep_bytes: int | None = None
    ) -> Deferred[bool]:
        stored = self._store.rooms.get(message.room_id)
        if stored is None:
            return fail(RoomMissing("Room not found"))
        old = stored.messages.get(message.message_id)
        if was is not None and (old is None or _content(old) != _content(was)):
            return succeed(False)
        if old is None:
            return fail(NotFound("Message not found"))
        stored.messages[message.message_id] = evolve(message, seq=old.seq, selected=old.selected, name=old.name)
        stored.bytes += _weight(message) - _weight(old)
        stored.raise_seq(seq)
        stored.note_change(seq, old.seq)
        stored.evict(message.message_id, 0, 0 if keep_bytes is None else stored.bytes - keep_bytes)
        return succeed(True)

    def delete_messages(self, room_id: str, message_ids: Sequence[str], seq: int) -> Deferred[tuple[str, ...]]:
        stored = self._store.rooms.get(room_id)
        if stored is None:
            return fail(RoomMissing("Room not found"))
        deleted = tuple(any_id for any_id in dict.fromkeys(message_ids) if any_id in stored.messages)
        touched = [stored.messages[message_id].seq for message_id in deleted]
        for message_id in deleted:
            gone = stored.drop(message_id)
            if gone.selected:
                stored.select_again(gone.question_id)
        stored.raise_seq(seq)
        if touched:
            stored.note_change(seq, min(touched))
        return succeed(deleted)

    def clear_messages(self, room_id: str, requests: bool, responses: bool, seq: int) -> Deferred[int]:
        stored = self._store.rooms.get(room_id)
        if stored is None:
            return fail(RoomMissing("Room not found"))
        cleared = [m.message_id for m in stored.messages.values() if (responses if m.is_response else requests)]
        touched = [stored.drop(message_id).seq for message_id in cleared]
        stored.raise_seq(seq)
        if touched:
            stored.note_change(seq, min(touched))
        return succeed(len(cleared))

    def find_message(self, room_id: str, any_id: str) -> Deferred[Message | None]:
        stored = self._store.rooms.get(room_id)
        if stored is None:
            return succeed(None)
        found = stored.messages.get(any_id)
        return succeed(found or next((m for m in self._sorted(room_id) if m.response_id == any_id), None))

    def find_messages(self, room_id: str, message_ids: Sequence[str]) -> Deferred[tuple[Message, ...]]:
        wanted = set(message_ids)
        return succeed(tuple(m for m in self._sorted(room_id) if m.message_id in wanted))

    def find_outputs(self, room_ids: Sequence[str], output_ids: Sequence[str]) -> Deferred[tuple[Message, ...]]:
        wanted = set(output_ids)
        found = [m for room_id in room_ids for m in reversed(self._sorted(room_id)) if m.output_id in wanted]
        found.sort(key=lambda m: m.timestamp, reverse=True)
        return succeed(tuple(evolve(m, text="", data=None, target=None, extra={}, reasoning="") for m in found))

    def find_answers(self, room_id: str, question_id: str) -> Deferred[tuple[Message, ...]]:
        found = [m for m in self._sorted(room_id) if m.is_response and m.question_id == question_id]
        return succeed(tuple(found))

    def select_answer(self, room_id: str, message_id: str, seq: int) -> Deferred[tuple[str, ...]]:
        stored = self._store.rooms.get(room_id)
        if stored is None:
            return fail(RoomMissing("Room not found"))
        chosen = stored.messages.get(message_id)
        if chosen is None or not chosen.is_response or chosen.question_id is None:
            return succeed(())
        answers = sorted(stored.answers(chosen.question_id), key=lambda m: m.seq)
        for each in answers:
            stored.messages[each.message_id] = evolve(each, selected=each.message_id == message_id)
        stored.raise_seq(seq)
        stored.note_change(seq, answers[0].seq)
        return succeed(tuple(each.message_id for each in answers))

    def find_question(
        self, room_id: str, identity: str, request_id: str, text: str, limit: int
    ) -> Deferred[Message | None]:
        own = [
            m
            for m in self._sorted(room_id, newest=limit)
            if m.identity == identity and not (m.is_response or m.is_system)
        ]
        found = [m for m in own if m.request_id == request_id] or [m for m in own if m.text == text]
        return succeed(found[-1] if found else None)

    def last_messages(
        self, room_id: str, limit: int, max_bytes: int | None = None, *, selected: bool = False
    ) -> Deferred[tuple[Message, ...]]:
        if selected:
            shown = [m for m in self._sorted(room_id) if m.selected is not False]
            newest = tuple(shown[max(0, len(shown) - limit) :])
        else:
            newest = self._sorted(room_id, newest=limit)
        return succeed(tuple(reversed(_within(reversed(newest), max_bytes))))

    def messages_before(
        self, room_id: str, seq: int | None, limit: int, max_bytes: int | None = None, *, selected: bool = False
    ) -> Deferred[tuple[tuple[Message, ...], bool]]:
        older = [m for m in self._sorted(room_id, before=seq) if not selected or m.selected is not False]
        found = _within(reversed(older[-limit:]), max_bytes)
        return succeed((tuple(reversed(found)), len(older) > len(found)))

    def messages_after(
        self, room_id: str, seq: int, limit: int, max_bytes: int | None = None
    ) -> Deferred[tuple[tuple[Message, ...], bool]]:
        newer = self._sorted(room_id, after=seq)
        found = _within(newer[:limit], max_bytes)
        return succeed((tuple(found), len(newer) > len(found)))

    def message_weights(self, room_id: str) -> Deferred[tuple[int, ...]]:
        return succeed(tuple(_weight(message) for message in self._sorted(room_id)))

    def behind(self, room_id: str, seq: int) -> Deferred[Behind]:
        stored = self._store.rooms.get(room_id)
        if stored is None:
            return succeed(Behind(0, changed=False, truncated=False))
        changed = seq > 0 and (stored.forgotten > seq or any(at > seq >= low for at, low in stored.changes))
        return succeed(Behind(len(self._sorted(room_id, after=seq)), changed, stored.evicted > seq))

    def last_seq(self, room_id: str, timestamp: str) -> Deferred[int]:
        return succeed(max((m.seq for m in self._sorted(room_id) if m.timestamp <= timestamp), default=0))

    def _sorted(
        self, room_id: str, *, after: int = 0, before: int | None = None, newest: int | None = None
    ) -> tuple[Message, ...]:
        stored = self._store.rooms.get(room_id)
        if stored is None:
            return ()
        start = bisect_right(stored.order, (after + 1, ""))
        if newest is not None:
            start = max(start, len(stored.order) - newest)
        end = len(stored.order) if before is None else bisect_right(stored.order, (before, ""))
        return tuple(stored.messages[message_id] for _, message_id in stored.order[start:end])


def _weight(message: Message) -> int:
    parts = [orjson.dumps(part) for part in (message.data, dict(message.extra) or None) if part is not None]
    return len(message.text.encode()) + len(message.reasoning.encode()) + sum(map(len, parts))


def _within(messages: Iterable[Message], max_bytes: int | None) -> list[Message]:
    """The first ones that fit; one always does."""
    found: list[Message] = []
    weight = 0
    for message in messages:
        weight += _weight(message) if max_bytes is not None else 0
        if found and max_bytes is not None and weight > max_bytes:
            break
        found.append(message)
    return found


def _content(message: Message) -> tuple[object, ...]:
    """What changes of a message while it is stored."""
    return message.text, message.data, message.extra, message.last_edited
