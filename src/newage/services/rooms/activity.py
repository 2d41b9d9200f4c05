"""Who is doing what: MEMBER_STATUS_UPDATE, and the notice that somebody went offline (contract 2.11, 4.9)."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from newage.dialect import rooms
from newage.domain.delivery import Audience
from newage.domain.model import Caller, Message, Room, Session
from newage.ports import IMessageListener, IOutbox
from newage.services.events import RoomListener, SessionListener
from newage.services.rooms.assignments import AssignmentService
from newage.services.rooms.registry import RoomRegistry
from newage.services.sessions.rates import EventRates, Pace
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live, limit


@frozen(kw_only=True)
class ActivitySettings:
    typing_idle_seconds: int = limit(15, "typing without a further sign ends after it")


_Sign: TypeAlias = "tuple[str, str]"  # identity, room id


@implementer(IMessageListener)
class ActivityService(SessionListener, RoomListener):
    def __init__(
        self,
        *,
        world: World,
        outbox: IOutbox,
        sessions: SessionService,
        rooms: RoomRegistry,
        assignments: AssignmentService,
        rates: EventRates,
        settings: Live[ActivitySettings],
    ) -> None:
        self._rates = rates
        self._world = world
        self._outbox = outbox
        self._sessions = sessions
        self._rooms = rooms
        self._assignments = assignments
        self.settings = settings
        self._typing: dict[_Sign, IDelayedCall] = {}  # until it ends by itself; gone with identity or room
        self._shown: set[_Sign] = set()  # whom others see typing
        self._late: dict[_Sign, IDelayedCall] = {}  # until others may see what has changed

    def close(self) -> None:
        for calls in (self._typing, self._late):
            for call in calls.values():
                call.cancel()
            calls.clear()

    def show(self, room: str, identity: str, status: str, *, room_id: str | None = None) -> None:
        """Tell a room what one identity is doing.

        :param room_id: says it to nobody when that room is gone, whether or not there is one of its name again.
        """
        if room_id is not None and self._rooms.with_id(room_id) is None:
            return
        event = rooms.status(room, self._sessions.named(identity), status, self._world.timestamp())
        self._outbox.publish(*event.to(Audience.room(room)))

    def start_typing(self, actor: Caller, name: str | None) -> None:
        """Of who is muted nothing is shown. :raises NotMember: as ``AssignmentService.taking_part``."""
        room = self._assignments.taking_part(actor, name)
        if not room.is_muted(actor.identity, actor.client_id):
            self.show_typing(room, actor.identity)

    def stop_typing(self, actor: Caller, name: str | None) -> None:
        """:param name: None: wherever it types. :raises NotMember: as ``AssignmentService.taking_part``."""
        where = self.typing_in(actor.identity) if name is None else (self._assignments.taking_part(actor, name).name,)
        for room in map(self._rooms.require, where):
            _cancel(self._typing, (actor.identity, room.id))
            self._changed((actor.identity, room.id), actor.client_id)

    def show_typing(self, room: Room, identity: str) -> None:
        """Shown once; each further call only prolongs it."""
        running = self._typing.get((identity, room.id))
        if running is not None:
            running.reset(self.settings.value.typing_idle_seconds)
            return
        delay = self.settings.value.typing_idle_seconds
        self._typing[identity, room.id] = self._world.clock.callLater(delay, self.end_typing, room.name, identity)
        self._changed((identity, room.id), self._rooms.client_of(identity) or identity)

    def end_typing(self, name: str, identity: str) -> None:
        """At once: something else has ended it. Not typing is fine."""
        room = self._rooms.get(name)
        if room is not None:
            sign = (identity, room.id)
            _cancel(self._typing, sign)
            _cancel(self._late, sign)
            if sign in self._shown:
                self._shown.discard(sign)
                self.show(name, identity, "idle")

    def typing_in(self, identity: str) -> tuple[str, ...]:
        rooms = (self._rooms.with_id(room_id) for who, room_id in self._typing if who == identity)
        return tuple(room.name for room in rooms if room is not None)

    def _changed(self, sign: _Sign, client_id: str) -> None:
        """Show it; soon, if it changes too often: what is shown then is how it is by then (A39)."""
        types = sign in self._typing
        if sign in self._late or types == (sign in self._shown):
            return
        identity, room_id = sign
        wait = self._rates.wait(identity, client_id, Pace.TYPING)
        if wait > 0:
            self._late[sign] = self._world.clock.callLater(wait, self._late_enough, sign, client_id)
            return
        self._shown.symmetric_difference_update((sign,))
        room = self._rooms.with_id(room_id)
        if room is not None:
            self.show(room.name, identity, "typing" if types else "idle")

    def _late_enough(self, sign: _Sign, client_id: str) -> None:
        del self._late[sign]
        self._changed(sign, client_id)

    def message_added(self, message: Message) -> None:
        """Who has said something types it no more."""
        self.end_typing(message.room, message.identity)

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        self.end_typing(room.name, identity)

    def member_muted(self, room: Room, identity: str, by: str) -> None:
        for who in dict.fromkeys((identity, *room.of_client(self._rooms.client_of(identity)))):
            self.end_typing(room.name, who)  # else it would look idle when that runs out
        self.show(room.name, identity, "muted")

    def member_unmuted(self, room: Room, identity: str, by: str) -> None:
        self.show(room.name, identity, "idle")

    def room_deleted(self, room: Room) -> None:
        for sign in [sign for sign in (*self._typing, *self._late, *self._shown) if sign[1] == room.id]:
            _cancel(self._typing, sign)
            _cancel(self._late, sign)
            self._shown.discard(sign)

    def session_appeared(self, session: Session) -> None:
        for room in self._rooms.rooms_of(session.identity):
            if len(self._rooms.require(room).members) > 1:
                self.show(room, session.identity, "online")

    def session_gone(self, session: Session) -> None:
        for name in self._rooms.rooms_of(session.identity):
            room = self._rooms.require(name)
            self.end_typing(name, session.identity)
            if len(room.members) > 1:
                self._outbox.publish(*rooms.left(room, session, "disconnect").to(Audience.room(name)))
                self.show(name, session.identity, "offline")


def _cancel(calls: dict[_Sign, IDelayedCall], sign: _Sign) -> None:
    """It is not there any more; its running out is what calls, maybe."""
    call = calls.pop(sign, None)
    if call is not None and call.active():
        call.cancel()
