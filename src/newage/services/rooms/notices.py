"""Who is told what when rooms change (contract 4.4): on ``/`` and ``/rooms``, to exactly the receivers named there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from newage.domain.delivery import Audience, Emission
from newage.domain.model import Role, Room, RoomKind
from newage.ports import IOutbox
from newage.services.listeners import RoomListener
from newage.services.sessions.sessions import SessionService

BOTH = ("/", "/rooms")


class RoomNotices(RoomListener):
    """Publishes; decides nothing. ``aliases`` adds the lower-case names of contract 1.8."""

    def __init__(self, outbox: IOutbox, sessions: SessionService, *, aliases: bool = True) -> None:
        self._outbox = outbox
        self._sessions = sessions
        self._aliases = aliases

    def member_joined(self, room: Room, identity: str, role: Role) -> None:
        body = {**self._who(room, identity), "role": role.wire}
        self._publish("MEMBER_JOINED", body, [Audience.room(room.name)])
        self.role_changed(room, identity, role)

    def role_changed(self, room: Room, identity: str, role: Role) -> None:
        """MEMBER_ROLE_CHANGED to the member, and with the member named to the staff."""
        body = {**self._who(room, identity), "role": role.wire}
        self._publish("MEMBER_ROLE_CHANGED", body, [Audience.identity(identity)])
        staff = [a for a in _staff(room) if a.name != identity]
        self._publish("MEMBER_ROLE_CHANGED", {**body, "targetIdentity": identity, "newRole": role.wire}, staff)

    def inherited(self, room: Room, heir: str) -> None:
        """The master left, and this member is the new one."""
        self.role_changed(room, heir, Role.MASTER)

    def role_set(self, room: Room, identity: str, role: Role) -> None:
        """The echo notice SET_MEMBER_ROLE to the staff."""
        body = {**self._who(room, identity), "role": role.wire}
        self._publish("SET_MEMBER_ROLE", body, _staff(room))

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        body = {**self._who(room, identity), "reason": reason}
        to = [Audience.room(room.name), Audience.identity(identity)]
        self._publish("MEMBER_LEFT", body, to)
        if reason == "kick":
            warning = {
                "type": "WARNING",
                "message": f"You have been kicked from room {room.name}.",
                "roomName": room.name,
            }
            self._publish("WARNING", warning, [Audience.identity(identity)], (*BOTH, "/llm"))

    def room_deleted(self, room: Room) -> None:
        if room.kind is not RoomKind.GROUP:
            return
        body = {**_named(room), "message": f'Room "{room.name}" has been deleted.'}
        self._publish("DELETE_ROOM", body, [Audience.identity(who) for who in room.members])

    def mode_changed(self, room: Room, setter: str) -> None:
        body = {**_named(room), "mode": room.mode.value, "setter": setter}
        self._publish("ROOM_MODE_CHANGED", body, [Audience.room(room.name)], (*BOTH, "/llm"))

    def _who(self, room: Room, identity: str) -> dict[str, str]:
        session = self._sessions.by_identity(identity)
        client_id = session.client_id if session is not None else room.clients.get(identity, identity)
        return {"clientId": client_id, "identity": identity, **_named(room)}

    def _publish(
        self, event: str, body: Mapping[str, Any], to: Iterable[Audience], namespaces: Iterable[str] = BOTH
    ) -> None:
        receivers = tuple(to)
        if not receivers:
            return
        for namespace in namespaces:
            self._outbox.publish(Emission(namespace, event, (body,), receivers))
            if self._aliases and event == "MEMBER_ROLE_CHANGED":
                self._outbox.publish(Emission(namespace, event.lower(), (body,), receivers))


def _named(room: Room) -> dict[str, str]:
    """Which room it is about: a name may be used again, an id is not (A24)."""
    return {"roomName": room.name, "roomId": room.id}


def _staff(room: Room) -> list[Audience]:
    return [Audience.identity(who) for who, role in room.members.items() if role >= Role.MANAGER]
