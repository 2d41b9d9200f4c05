"""Members of a room, their roles and who becomes master, as pure functions on rooms (contract 2.10, 4.1, 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import evolve, frozen

from newage.domain.model import RESERVED_IDS, Bar, Role, Room, RoomKind, Session
from newage.domain.names import is_clear
from newage.domain.policy import successor


@frozen(kw_only=True)
class Member:
    """One member as others see it; who is away has a session that says no more than its name.

    ``bot``: what it says here a program says, with a key of scope webhook (B22).
    """

    session: Session
    role: Role
    online: bool
    muted: bool
    bot: bool = False


@frozen(kw_only=True)
class Roster:
    """Who belongs to a room, as one of those who ask sees it."""

    room: Room
    members: tuple[Member, ...]
    barred: Mapping[str, Bar] | None = None  # by clientId; None: not for this one to see


def valid_room_name(name: str) -> bool:
    """1-128 characters that are seen, not reserved (contract 4.1): two names that look the same shall be the same room.

    Of a new room; those of before keep their names.
    """
    return 0 < len(name) <= 128 and is_clear(name) and name not in RESERVED_IDS


def role_is_open(room: Room, identity: str, role: Role) -> bool:
    """May that be the role of this one at all? Whoever a room is named after is its master for ever (contract 2.10)."""
    if room.kind not in (RoomKind.PERSONAL, RoomKind.EXTENSION):
        return True
    return (role is Role.MASTER) == (identity == room.name)


def tidy(room: Room) -> Room:
    """Without the clients of those who are neither members nor muted any more."""
    if all(who in room.members or who in room.muted for who in room.clients):
        return room
    return evolve(room, clients={w: c for w, c in room.clients.items() if w in room.members or w in room.muted})


def claimed(room: Room, identity: str, client_id: str) -> Room:
    """The room that knows whose identity this is; what bars it, bars its client from now on (A16)."""
    if identity not in room.clients and (identity in room.members or identity in room.muted):
        room = evolve(room, clients={**room.clients, identity: client_id})
    bar = room.barred.get(identity)
    if bar is not None and bar.identity == identity and client_id not in room.barred:
        others = {who: other for who, other in room.barred.items() if who != identity}
        room = evolve(room, barred={**others, client_id: bar})
    return room


def with_member(room: Room, identity: str, role: Role, client_id: str | None) -> Room:
    """:param client_id: whose identity it is, where that is known."""
    clients = room.clients if client_id is None else {**room.clients, identity: client_id}
    barred = room.barred
    if gone := room.bars_of(identity, client_id or room.clients.get(identity)):  # whoever adds somebody wants him there
        barred = {who: bar for who, bar in barred.items() if who not in gone}
    return evolve(room, members={**room.members, identity: role}, clients=clients, barred=barred)


def others_of_client(room: Room, client_id: str, identity: str, spared: Callable[[str], bool]) -> tuple[str, ...]:
    """The other members of that client, which a kick that lasts takes out with this one (A16).

    :param spared: who stays: whom the kicker may not kick. So does whoever the room is named after.
    """
    same = (who for who in room.of_client(client_id) if who in room.members and who not in (identity, room.name))
    return tuple(who for who in same if not spared(who))


def with_master(room: Room, online: Callable[[str], bool]) -> Room:
    """A group room with somebody in it who is there has a master (A25): who is next, if it has none."""
    heir = successor(room, online) if room.kind is RoomKind.GROUP and room.master is None else None
    return room if heir is None else evolve(room, members={**room.members, heir: Role.MASTER})


def without_member(room: Room, identity: str, online: Callable[[str], bool], *, forget_mute: bool) -> Room:
    """The room after that member left; a group room that lost its master has the next one.

    :param forget_mute: else who leaves and comes back is still muted.
    """
    members = {who: role for who, role in room.members.items() if who != identity}
    muted = {who: term for who, term in room.muted.items() if who != identity or not forget_mute}
    return with_master(tidy(evolve(room, members=members, muted=muted)), online)


def vacated(room: Room, before: Room, identity: str) -> Room:
    """The room after its last member, if it was that, went by itself: a master inherits it at return (A42).

    :param before: the room with that member.
    """
    if room.members or room.kind is not RoomKind.GROUP:
        return room
    return evolve(room, heir=identity if before.master == identity else before.heir)


def returned(room: Room, identity: str) -> Room:
    """The room, occupied again by this member: its heir is its master, and who kept the place is a manager (A42)."""
    occupied = evolve(room, vacant_since=None)
    if room.heir != identity:
        return occupied
    members = {who: Role.MANAGER if role is Role.MASTER else role for who, role in room.members.items()}
    return evolve(occupied, heir=None, members={**members, identity: Role.MASTER})


def with_role(room: Room, identity: str, role: Role, online: Callable[[str], bool]) -> Room | None:
    """The room after that member got this role: there is one master, and a group room that lost its own has another.

    The former master becomes a manager; who has just been demoted is not the next one.

    :return: None: nobody else is there to be master, so that the one there is stays it (A25).
    """
    members = {**room.members, identity: role}
    former = room.master
    if role is Role.MASTER and former is not None and former != identity:
        members[former] = Role.MANAGER
    changed = evolve(room, members=members)
    if former != identity or role is Role.MASTER or room.kind is not RoomKind.GROUP:
        return with_master(changed, online)
    heir = successor(changed, lambda who: who != identity and online(who))
    return None if heir is None else evolve(changed, members={**members, heir: Role.MASTER})
