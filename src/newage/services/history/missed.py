"""What was said while somebody was away: marks, the hint on return, paging with a cursor (contract 4.8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.dialect import messages
from newage.domain.history import Missed
from newage.domain.model import Caller, Kind, Role, Room, Session
from newage.ports import IMarkStore, IMessageStore, IOutbox
from newage.services.events import RoomListener, SessionListener
from newage.services.history.pushing import Pushing
from newage.services.history.reading import readable
from newage.services.rooms.registry import RoomRegistry
from newage.telemetry.trouble import Trouble, trouble


@define(eq=False, kw_only=True)
class MissedService(SessionListener, RoomListener):
    """What was missed is what was said, edited or deleted since a mark.

    A mark says up to which ``seq`` of a room an identity had seen it when it went. Bounded by memberships.

    Messages are shown on ``/llm``: who has no socket there sees nothing, even while its session lasts. Marks take
    effect when the session is gone; who returns before is hinted at what it missed and keeps its older ones.

    :param shown: up to which seq all of a room was shown to who is there.
    """

    _log: ClassVar[Logger] = Logger()

    _outbox: IOutbox
    _rooms: RoomRegistry
    _messages: IMessageStore
    _store: IMarkStore
    _pushing: Pushing
    _shown: Callable[[Room], int]
    _trouble: Trouble = trouble()
    _marks: dict[str, dict[str, int]] = field(factory=dict, init=False)  # identity -> room id -> seq
    _stored: set[str] = field(factory=set, init=False)  # identities that have marks in the store
    _here: dict[str, int] = field(factory=dict, init=False)  # identity -> number of its sockets on /llm
    # What was seen when the last of these went, until the session goes.
    _left: dict[str, dict[str, int]] = field(factory=dict, init=False)

    async def load(self) -> None:
        """Whoever has no mark was there when the hub last stopped: it saw everything until then.

        Marks of rooms that somebody has left since are still stored; they count no more.
        """
        stored = await self._store.load_marks()
        self._stored = set(stored)
        for room in self._rooms.all():
            for identity in room.members:
                seq = stored.get(identity, {}).get(room.id, room.seq)
                self._marks.setdefault(identity, {})[room.id] = seq

    # --------------------------------------------------------------------------------------------------------- asking

    async def missed(self, caller: Caller, name: str, since: int | str | None, limit: int) -> Missed:
        """The messages after ``since``, oldest first; reading them changes nothing.

        :param since: a seq, a time as messages have it, or None for the moment this identity went offline.
        :raises NotMember: no member. :raises RoomMissing: no such room.
        """
        room = readable(self._rooms, caller, name)
        seq = await self._seq_of(caller.identity, room.id, since)
        page, more = await self._messages.messages_after(room.id, seq, *self._pushing.page(caller.sid, limit))
        behind = await self._messages.behind(room.id, seq)
        return Missed(
            room=name,
            messages=page,
            since=seq,
            more=more,
            seq=room.seq,
            changed=behind.changed,
            truncated=behind.truncated,
        )

    async def _seq_of(self, identity: str, room_id: str, since: int | str | None) -> int:
        if since is None:
            return self._marks.get(identity, {}).get(room_id, 0)
        if isinstance(since, str):
            return await self._messages.last_seq(room_id, since)
        return since

    # ------------------------------------------------------------------------------------------------------ listening

    def socket_attached(self, caller: Caller) -> None:
        """The first ``/llm`` socket after an absence hears how much was missed, room by room."""
        if caller.namespace != "/llm" or caller.kind is Kind.EXTENSION:
            return
        identity = caller.identity
        self._here[identity] = self._here.get(identity, 0) + 1
        if self._here[identity] > 1:
            return
        left = self._left.pop(identity, {})
        marks = self._marks.get(identity, {})
        for room in self._rooms_of(identity):
            seq = left.get(room.id, marks.get(room.id, room.seq))
            if room.seq > seq:
                d = Deferred.fromCoroutine(self._hint(caller.sid, room, seq))
                d.addErrback(self._failed, "a hint")
        if identity in self._stored:  # from now on it sees everything: a restart must not find it away
            self._stored.discard(identity)
            self._store.save_marks(identity, {}).addErrback(self._failed, "a mark")

    def socket_detached(self, caller: Caller) -> None:
        identity = caller.identity
        if caller.namespace != "/llm" or identity not in self._here:
            return
        self._here[identity] -= 1
        if self._here[identity] == 0:
            del self._here[identity]
            self._left[identity] = {room.id: self._shown(room) for room in self._rooms_of(identity)}

    def _rooms_of(self, identity: str) -> list[Room]:
        return [self._rooms.require(name) for name in self._rooms.rooms_of(identity)]

    async def _hint(self, sid: str, room: Room, seq: int) -> None:
        behind = await self._messages.behind(room.id, seq)
        if behind.count or behind.changed:
            event = messages.missed_hint(room, seq, behind)
            self._outbox.emit(sid, event.name, event.body)

    def session_gone(self, session: Session) -> None:
        identity = session.identity
        left, marks = self._left.pop(identity, {}), self._marks.setdefault(identity, {})
        for room in self._rooms_of(identity):
            marks[room.id] = left.get(room.id, marks.get(room.id, room.seq))
        self._keep(identity)

    def member_joined(self, room: Room, identity: str, role: Role) -> None:
        self._marks.setdefault(identity, {})[room.id] = room.seq
        if identity not in self._here:
            self._keep(identity)

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        self._forget(room.id, identity)

    def room_deleted(self, room: Room) -> None:
        for identity in room.members:
            self._forget(room.id, identity)

    # ------------------------------------------------------------------------------------------------------ internals

    def _keep(self, identity: str) -> None:
        self._stored.add(identity)
        self._store.save_marks(identity, dict(self._marks[identity])).addErrback(self._failed, "a mark")

    def _forget(self, room_id: str, identity: str) -> None:
        for kept in (self._marks, self._left):
            seqs = kept.get(identity)
            if seqs is not None:
                seqs.pop(room_id, None)
        if not self._marks.get(identity, True):
            del self._marks[identity]
            self._stored.discard(identity)

    def _failed(self, failure: Failure, what: str) -> None:
        self._trouble.say("{what} failed", failure, what=what)
