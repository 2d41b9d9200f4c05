"""Who is doing what: MEMBER_STATUS_UPDATE, and the notice that somebody went offline (contract 2.11, 4.9)."""

from __future__ import annotations

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
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live, limit


@frozen(kw_only=True)
class ActivitySettings:
    typing_idle_seconds: int = limit(15, "typing without a further sign ends after it")


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
        settings: Live[ActivitySettings],
    ) -> None:
        self._world = world
        self._outbox = outbox
        self._sessions = sessions
        self._rooms = rooms
        self._assignments = assignments
        self.settings = settings
        self._typing: dict[tuple[str, str], IDelayedCall] = {}  # (identity, room id); gone with either

    def close(self) -> None:
        for call in self._typing.values():
            call.cancel()
        self._typing.clear()

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
        for room in where:
            self.end_typing(room, actor.identity)

    def show_typing(self, room: Room, identity: str) -> None:
        """Shown once; each further call only prolongs it."""
        running = self._typing.get((identity, room.id))
        if running is not None:
            running.reset(self.settings.value.typing_idle_seconds)
            return
        delay = self.settings.value.typing_idle_seconds
        self._typing[identity, room.id] = self._world.clock.callLater(delay, self.end_typing, room.name, identity)
        self.show(room.name, identity, "typing")

    def end_typing(self, name: str, identity: str) -> None:
        """Not typing is fine."""
        room = self._rooms.get(name)
        running = self._typing.pop((identity, room.id), None) if room is not None else None
        if running is None:
            return
        if running.active():
            running.cancel()
        self.show(name, identity, "idle")

    def typing_in(self, identity: str) -> tuple[str, ...]:
        rooms = (self._rooms.with_id(room_id) for who, room_id in self._typing if who == identity)
        return tuple(room.name for room in rooms if room is not None)

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
        for key in [key for key in self._typing if key[1] == room.id]:
            running = self._typing.pop(key)
            if running.active():
                running.cancel()

    def session_appeared(self, session: Session) -> None:
        for room in self._rooms.rooms_of(session.identity):
            if len(self._rooms.require(room).members) > 1:
                self.show(room, session.identity, "online")

    def session_gone(self, session: Session) -> None:
        for typed in self.typing_in(session.identity):
            self.end_typing(typed, session.identity)
        for name in self._rooms.rooms_of(session.identity):
            room = self._rooms.require(name)
            if len(room.members) > 1:
                self._outbox.publish(*rooms.left(room, session, "disconnect").to(Audience.room(name)))
                self.show(name, session.identity, "offline")
