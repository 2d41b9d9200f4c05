"""Who is told what when rooms change (contract 4.4, 4.5): exactly the receivers named there."""

from __future__ import annotations

from newage.dialect import Event, rooms
from newage.domain.delivery import Audience
from newage.domain.model import Role, Room, RoomKind, Session
from newage.ports import IOutbox
from newage.services.events import RoomListener
from newage.services.sessions.sessions import SessionService


class RoomNotices(RoomListener):
    """Publishes; decides nothing. ``aliases`` adds the lower-case names of contract 1.8."""

    def __init__(self, outbox: IOutbox, sessions: SessionService, *, aliases: bool = True) -> None:
        self._outbox = outbox
        self._sessions = sessions
        self._aliases = aliases

    def member_joined(self, room: Room, identity: str, role: Role) -> None:
        who, online = self._who(room, identity), self._sessions.is_online(identity)
        self._publish(rooms.joined(room, who, role, online=online), Audience.room(room.name))
        self.role_changed(room, identity, role)

    def member_came(self, room: Room, identity: str, rejoin: bool) -> None:
        """Whoever was told that it went, and whoever has seen it in no list yet, hears that it is there (A26)."""
        if len(room.members) > 1:
            who, role = self._who(room, identity), room.members[identity]
            self._publish(rooms.joined(room, who, role, rejoin=rejoin), Audience.room(room.name))

    def master_changed(self, room: Room, master: str) -> None:
        self.role_changed(room, master, Role.MASTER)

    def role_changed(self, room: Room, identity: str, role: Role) -> None:
        """To the member, and with the member named to the staff."""
        who = self._who(room, identity)
        staff = [audience for audience in _staff(room) if audience.name != identity]
        for event, to in (
            (rooms.role_changed(room, who, role), [Audience.identity(identity)]),
            (rooms.role_changed_of(room, who, role), staff),
        ):
            self._publish(event, *to)
            if self._aliases:
                self._publish(event.alias(), *to)

    def role_set(self, room: Room, identity: str, role: Role) -> None:
        self._publish(rooms.role_set(room, self._who(room, identity), role), *_staff(room))

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        leaver = Audience.identity(identity)
        self._publish(rooms.left(room, self._who(room, identity), reason), Audience.room(room.name), leaver)
        if reason == "kick":
            self._publish(rooms.kicked(room), leaver)

    def room_deleted(self, room: Room) -> None:
        if room.kind is RoomKind.GROUP:
            self._publish(rooms.deleted(room), *(Audience.identity(who) for who in room.members))

    def mode_changed(self, room: Room, by: str) -> None:
        self._publish(rooms.mode_changed(room, by), Audience.room(room.name))

    def access_changed(self, room: Room, by: str) -> None:
        self._publish(rooms.access_changed(room, by), Audience.room(room.name))

    def _who(self, room: Room, identity: str) -> Session:
        return self._sessions.named(identity, room.clients.get(identity))

    def _publish(self, event: Event, *to: Audience) -> None:
        self._outbox.publish(*event.to(*to))


class MuteNotices(RoomListener):
    """Who is muted and who is no more (contract 4.5); after what is withdrawn by that has been told."""

    def __init__(self, outbox: IOutbox, sessions: SessionService) -> None:
        self._outbox = outbox
        self._sessions = sessions

    def member_muted(self, room: Room, identity: str, by: str) -> None:
        self._publish(room, identity, rooms.muted(room, self._sessions.named(identity), room.muted[identity], by))

    def member_unmuted(self, room: Room, identity: str, by: str) -> None:
        self._publish(room, identity, rooms.unmuted(room, self._sessions.named(identity), by))

    def _publish(self, room: Room, identity: str, event: Event) -> None:
        self._outbox.publish(*event.to(Audience.room(room.name), Audience.identity(identity)))


def _staff(room: Room) -> list[Audience]:
    return [Audience.identity(who) for who, role in room.members.items() if role >= Role.MANAGER]
