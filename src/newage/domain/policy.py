"""The rules as pure functions: what a mode does with a request, who serves a room, who may do what.

Contract 4.2, 5.4 and 6.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from newage.domain.model import Access, Agent, Caller, ConnectionPolicy, Kind, Peer, RequestMode, Role, Room, RoomKind

# ------------------------------------------------------------------------------------------------------ request modes


class Verdict(StrEnum):
    """What becomes of an accepted request; the value is the ``state`` of its ack."""

    FORWARD = "forwarded"
    QUEUE = "queued"
    IGNORE = "ignored"
    RECORD = "recorded"


def effective_role(server_role: Role, hint: Role | None) -> Role:
    """The server's role, lowered by the request's hint; ``special`` cannot be claimed by a guest (contract 4.2)."""
    return server_role if hint is None else min(server_role, hint)


def decide(mode: RequestMode, role: Role, *, has_target: bool) -> Verdict:
    """Contract 5.4, first table."""
    if mode in (RequestMode.DEFAULT, RequestMode.HOST_SUBMIT):
        return Verdict.FORWARD if role >= Role.MANAGER else Verdict.QUEUE
    if mode is RequestMode.MASTER_ONLY:
        return Verdict.FORWARD if role is Role.MASTER else Verdict.IGNORE
    if mode is RequestMode.CONVERSATIONAL:
        return Verdict.FORWARD if has_target else Verdict.RECORD
    return Verdict.FORWARD


def may_ask_again(actor: Caller, room: Room, author: str) -> bool:
    """One more answer to what that identity asked (A19): staff, administrators, and who asked where guests are answered
    without their host."""
    hosted = (RequestMode.DEFAULT, RequestMode.HOST_SUBMIT, RequestMode.MASTER_ONLY)
    return governs(actor, room) or (author == actor.identity and room.mode not in hosted)


def may_cancel(actor: Caller, room: Room | None, identity: str, client_id: str) -> bool:
    """Take back what that identity of that client asked (A20): itself, muted or not, staff, administrators.

    :param room: None: it was deleted.
    """
    own = (actor.identity, actor.client_id) == (identity, client_id)
    return own or administers(actor) or (room is not None and is_staff(room, actor.identity))


# ------------------------------------------------------------------------------------------------------- assignments

Assignments = dict[str, tuple[str, ...]]


def assign(
    policy: ConnectionPolicy,
    rooms: Sequence[str],
    extensions: Sequence[str],
    *,
    manual: Mapping[str, Sequence[str]],
    previous: Mapping[str, Sequence[str]],
    fresh: bool,
    choose: Callable[[Sequence[str]], str],
) -> Assignments:
    """Which extensions serve which room (contract 6.2).

    :param rooms: connected client rooms in order of registration.
    :param extensions: available extensions, earliest first; under Failover in the order in which they are asked.
    :param manual: the stored manual mapping; may name rooms and extensions that are away.
    :param previous: the assignments in force; kept where they are still valid unless ``fresh``.
    :param fresh: the policy was just set: draw and deal anew.
    :param choose: picks one of a non-empty sequence, uniformly.
    """
    if not extensions:
        return dict.fromkeys(rooms, ())
    if policy is ConnectionPolicy.MANUAL:
        return {room: tuple(e for e in manual.get(room, ()) if e in extensions) for room in rooms}
    if policy is ConnectionPolicy.FAILOVER:
        lists = {room: tuple(e for e in manual[room] if e in extensions) for room in rooms if manual.get(room)}
        return {room: lists.get(room, tuple(extensions)) for room in rooms}
    kept = {} if fresh else {r: tuple(previous[r]) for r in rooms if _single(previous.get(r, ()), extensions)}
    if policy is ConnectionPolicy.RANDOM:
        return {room: kept.get(room) or (choose(extensions),) for room in rooms}
    if policy is ConnectionPolicy.BALANCED:
        if fresh:
            return {room: (extensions[i % len(extensions)],) for i, room in enumerate(rooms)}
        return _rebalance(rooms, extensions, kept)
    return {room: tuple(extensions) for room in rooms}


def _single(assigned: Sequence[str], extensions: Sequence[str]) -> bool:
    return len(assigned) == 1 and assigned[0] in extensions


def _rebalance(rooms: Sequence[str], extensions: Sequence[str], kept: Assignments) -> Assignments:
    """Sticky: keep what is valid, give new rooms the least loaded, move the newest until max - min <= 1."""
    load: dict[str, list[str]] = {extension: [] for extension in extensions}
    for room in rooms:
        if room in kept:
            load[kept[room][0]].append(room)
    for room in rooms:
        if room not in kept:
            load[min(extensions, key=lambda e: len(load[e]))].append(room)
    order = {room: i for i, room in enumerate(rooms)}
    for served in load.values():
        served.sort(key=order.__getitem__)
    while True:
        least = min(extensions, key=lambda e: len(load[e]))
        most = max(extensions, key=lambda e: len(load[e]))
        if len(load[most]) - len(load[least]) <= 1:
            break
        insort(load[least], load[most].pop(), key=order.__getitem__)
    serves = {room: extension for extension, served in load.items() for room in served}
    return {room: (serves[room],) for room in rooms}


def default_targets(policy: ConnectionPolicy, assigned: Sequence[str]) -> tuple[str, ...]:
    """Whom a request without a target goes to: all under Broadcast, else the first (contract 5.4)."""
    return tuple(assigned) if policy is ConnectionPolicy.BROADCAST else tuple(assigned[:1])


# ------------------------------------------------------------------------------------------------------------- rights

MUTED = "You are currently muted and cannot send messages."  # what is refused wherever a mute holds (contract 4.5)


def granted(claimed: Kind, peer: Peer, *, proven: bool, keyless: bool, network_safe: bool) -> tuple[Kind, bool]:
    """What a peer is that says it is of this kind, and whether it may use sensitive APIs (contract 2.6, A1, B2).

    Without a credential they are for the hub's own system user on this machine, and administration is for programs of
    his alone. A proven administrator comes from loopback, a private address or ``admin_addresses``, and is no page of a
    foreign origin; a proven extension comes, with networkSafe on, from ``admin_addresses``. Who claims administration
    in vain is a client.

    :param proven: by a valid key or password.
    :param keyless: local peers need no credential.
    """
    if claimed is Kind.EXTENSION:
        return claimed, (proven and (peer.admin or not network_safe)) or (keyless and peer.local and peer.owned())
    if claimed is Kind.ADMIN:
        with_key = proven and peer.agent is not Agent.PAGE and (peer.near or peer.admin)
        if with_key or (keyless and peer.local and peer.agent is Agent.PROGRAM and peer.owned()):
            return claimed, True
    return Kind.CLIENT, False


def administers(actor: Caller) -> bool:
    """Admin kind with sensitive rights: what contract 3.5 marks A."""
    return actor.kind is Kind.ADMIN and actor.sensitive


def may_operate(actor: Caller) -> bool:
    """Keys of others, logs, the server's state: extensions and administrators with sensitive rights (contract 2.6)."""
    return actor.kind is not Kind.CLIENT and actor.sensitive


def is_staff(room: Room, identity: str) -> bool:
    return room.role_of(identity) >= Role.MANAGER


def governs(actor: Caller, room: Room) -> bool:
    """Its staff, and administrators: add and remove members, set the mode, change and clear what was said."""
    return administers(actor) or is_staff(room, actor.identity)


def may_read(actor: Caller, room: Room) -> bool:
    """What is said in a room is for its members and for administrators (contract 4.8); so is speaking there."""
    return actor.identity in room.members or administers(actor)


def may_create_rooms(actor: Caller, *, clients_may: bool) -> bool:
    """:param clients_may: the operator opened it to clients, too."""
    return administers(actor) or (clients_may and actor.kind is Kind.CLIENT)


def may_delete_room(actor: Caller, room: Room) -> bool:
    return administers(actor) or room.master == actor.identity


def may_set_access(actor: Caller, room: Room) -> bool:
    """As deleting it."""
    return may_delete_room(actor, room)


def may_see(actor: Caller, room: Room) -> bool:
    """That there is such a room: an invited one is as if it did not exist, but for members and administrators (A41),
    and for who left it empty: he inherits it at his return (A42).
    """
    return room.access is Access.OPEN or may_read(actor, room) or room.heir == actor.identity


def may_join(room: Room) -> bool:
    """Only open group rooms; into the others staff or an administrator adds (contract 3.5, A41)."""
    return room.kind is RoomKind.GROUP and room.access is Access.OPEN


def may_enter(actor: Caller, room: Room) -> bool:
    """By its own wish: an open room, the own one, one that it inherits, and any for an administrator."""
    return may_join(room) or may_read(actor, room) or room.heir == actor.identity


def may_appoint(actor: Caller, room: Room, role: Role) -> bool:
    """May one who governs a room add members in this role? Managers add no managers."""
    return role < Role.MANAGER or administers(actor) or room.master == actor.identity


def may_remove(actor: Caller, room: Room, member: str) -> bool:
    """May one who governs a room take this member out? Nobody of the same role or above."""
    return administers(actor) or room.role_of(member) < room.role_of(actor.identity)


def may_sanction(actor: Caller, room: Room, member: str) -> bool:
    """Kick, mute and unmute (contract 4.5)."""
    return administers(actor) or outranks(room.role_of(actor.identity), room.role_of(member))


def may_give_role(actor: Caller, room: Room, member: str, role: Role) -> bool:
    return administers(actor) or may_set_role(room.role_of(actor.identity), room.role_of(member), role)


def successor(room: Room, online: Callable[[str], bool]) -> str | None:
    """Who becomes master when a group room has none: longest-standing online manager, special, guest (contract 4.2)."""
    for role in (Role.MANAGER, Role.SPECIAL, Role.GUEST):
        for identity in room.with_role(role):
            if online(identity):
                return identity
    return None


def outranks(actor: Role, target: Role) -> bool:
    """May staff of that role act on a member of that role? A master on anybody, a manager on guests and specials."""
    return actor is Role.MASTER or (actor is Role.MANAGER and target < Role.MANAGER)


def may_set_role(actor: Role, current: Role, new: Role) -> bool:
    """Master any role; manager only between guest and special (contract 3.5)."""
    return outranks(actor, current) and outranks(actor, new)
