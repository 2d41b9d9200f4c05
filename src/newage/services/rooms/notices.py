"""Who is told what when rooms change (contract 4.4): on ``/`` and ``/rooms``, to exactly the receivers named there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from newage.domain.delivery import Audience, Emission
from newage.domain.model import Role, Room, RoomKind, Term
from newage.ports import IOutbox
from newage.services.events import RoomListener
from newage.services.sessions.sessions import SessionService
from newage.services.world import iso

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

    def master_changed(self, room: Room, master: str) -> None:
        self.role_changed(room, master, Role.MASTER)

    def role_changed(self, room: Room, identity: str, role: Role) -> None:
        """MEMBER_ROLE_CHANGED to the member, and with the member named to the staff."""
        body = {**self._who(room, identity), "role": role.wire}
        self._publish("MEMBER_ROLE_CHANGED", body, [Audience.identity(identity)])
        staff = [a for a in _staff(room) if a.name != identity]
        self._publish("MEMBER_ROLE_CHANGED", {**body, "targetIdentity": identity, "newRole": role.wire}, staff)

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

    def mode_changed(self, room: Room, by: str) -> None:
        body = {**_named(room), "mode": room.mode.value, "setter": by}
        self._publish("ROOM_MODE_CHANGED", body, [Audience.room(room.name)], (*BOTH, "/llm"))

    def _who(self, room: Room, identity: str) -> dict[str, str]:
        client_id = self._sessions.named(identity, room.clients.get(identity)).client_id
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


class MuteNotices(RoomListener):
    """Who is muted and who is no more, on ``/llm`` (contract 4.5); after what is withdrawn by that has been told."""

    def __init__(self, outbox: IOutbox, sessions: SessionService) -> None:
        self._outbox = outbox
        self._sessions = sessions

    def member_muted(self, room: Room, identity: str, by: str) -> None:
        self._publish(room, identity, "MEMBER_MUTED", {"mutedBy": by, **muted_until(room.muted[identity])})

    def member_unmuted(self, room: Room, identity: str, by: str) -> None:
        self._publish(room, identity, "MEMBER_UNMUTED", {"unmutedBy": by})

    def _publish(self, room: Room, identity: str, event: str, members: dict[str, object]) -> None:
        client_id = self._sessions.named(identity).client_id
        body = {"identity": identity, "clientId": client_id, **members, **_named(room)}
        to = (Audience.room(room.name), Audience.identity(identity))
        self._outbox.publish(Emission("/llm", event, (body,), to))


def muted_until(term: Term) -> dict[str, object]:
    """How long a mute holds, in its notice and in the ack."""
    return {"mutedUntil": iso(term.until), "duration": "permanent" if term.permanent else term.seconds}


def _named(room: Room) -> dict[str, str]:
    """Which room it is about: a name may be used again, an id is not (A24)."""
    return {"roomName": room.name, "roomId": room.id}


def _staff(room: Room) -> list[Audience]:
    return [Audience.identity(who) for who, role in room.members.items() if role >= Role.MANAGER]
