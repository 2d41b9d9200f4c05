"""Who is doing what: MEMBER_STATUS_UPDATE, and the notice that somebody went offline (contract 2.11, 4.9)."""

from __future__ import annotations

from attrs import field, frozen
from twisted.internet.interfaces import IDelayedCall

from newage.domain.model import Audience, Emission, Session
from newage.ports import IOutbox
from newage.services.clock import World
from newage.services.listeners import SessionListener
from newage.services.rooms import RoomService
from newage.services.sessions import SessionService


@frozen(kw_only=True)
class PresenceSettings:
    typing_idle_seconds: int = field(default=15, metadata={"doc": "typing without a further sign ends after it"})


class PresenceService(SessionListener):
    def __init__(
        self, world: World, outbox: IOutbox, sessions: SessionService, rooms: RoomService, settings: PresenceSettings
    ) -> None:
        self._world = world
        self._outbox = outbox
        self._sessions = sessions
        self._rooms = rooms
        self.settings = settings
        self._typing: dict[tuple[str, str], IDelayedCall] = {}  # (identity, room); bounded by memberships

    def close(self) -> None:
        for call in self._typing.values():
            call.cancel()
        self._typing.clear()

    def show(self, room: str, identity: str, status: str) -> None:
        """Tell a room what one identity is doing."""
        session = self._sessions.by_identity(identity)
        body = {
            "identity": identity,
            "clientId": session.client_id if session is not None else identity,
            "roomName": room,
            "status": status,
            "timestamp": self._world.timestamp(),
        }
        self._outbox.publish(Emission("/llm", "MEMBER_STATUS_UPDATE", (body,), (Audience("room", room),)))

    def start_typing(self, room: str, identity: str) -> None:
        """Shown once; each further call only prolongs it."""
        running = self._typing.get((identity, room))
        if running is not None:
            running.reset(self.settings.typing_idle_seconds)
            return
        delay = self.settings.typing_idle_seconds
        self._typing[identity, room] = self._world.clock.callLater(delay, self.stop_typing, room, identity)
        self.show(room, identity, "typing")

    def stop_typing(self, room: str, identity: str) -> None:
        """Not typing is fine."""
        running = self._typing.pop((identity, room), None)
        if running is None:
            return
        if running.active():
            running.cancel()
        self.show(room, identity, "idle")

    def typing_in(self, identity: str) -> tuple[str, ...]:
        return tuple(room for who, room in self._typing if who == identity)

    def session_appeared(self, session: Session) -> None:
        for room in self._rooms.rooms_of(session.identity):
            if len(self._rooms.require(room).members) > 1:
                self.show(room, session.identity, "online")

    def session_gone(self, session: Session) -> None:
        for room in self.typing_in(session.identity):
            self.stop_typing(room, session.identity)
        body = {"clientId": session.client_id, "identity": session.identity, "reason": "disconnect"}
        for room in self._rooms.rooms_of(session.identity):
            if len(self._rooms.require(room).members) == 1:
                continue
            for namespace in ("/", "/rooms"):
                left = {**body, "roomName": room}
                self._outbox.publish(Emission(namespace, "MEMBER_LEFT", (left,), (Audience("room", room),)))
            self.show(room, session.identity, "offline")
