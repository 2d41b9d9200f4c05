"""Whether there is a place for one more: what others hold never gives way (A38, B25)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.logger import capturedLogs, formatEvent
from zope.interface.verify import verifyObject

from hubkit import OPERATOR, Kit, Link, result_of
from newage.domain.model import MONITOR_ROOM, Role, Room, RoomKind, Session
from newage.errors import AuthenticationFailed, NewAgeError, Unavailable
from newage.ports import ISessionListener
from newage.services.rooms.limits import RoomSettings


def come_and_go(kit: Kit, client_id: str, identity: str = "", *, says: bool = False) -> None:
    sid = kit.connect(client_id, identity=identity)
    if says:
        speak(kit, sid)
    kit.disconnect(sid)
    kit.clock.advance(3)


def gave_way(run: Callable[[], None]) -> list[str]:
    """The lines about it that were logged meanwhile."""
    with capturedLogs() as events:
        run()
    return [line for line in map(formatEvent, events) if "gave way" in line]


def speak(kit: Kit, sid: str) -> None:
    with pytest.raises(NewAgeError, match="No connected"):  # stored nevertheless (A12)
        kit.submit(sid)


def names(kit: Kit) -> set[str]:
    return {room.name for room in kit.rooms.all()}


def test_it_listens(kit: Kit) -> None:
    assert verifyObject(ISessionListener, kit.talk.places)


# --------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["carl ", "carl\u3164", "\u2800", "ca\u034frl"])
def test_a_newcomer_whose_name_is_not_seen_whole_is_refused(kit: Kit, name: str) -> None:
    """A27."""
    with pytest.raises(AuthenticationFailed, match="Invalid client id"):
        kit.connect(name)
    with pytest.raises(AuthenticationFailed, match="Invalid client id"):
        kit.connect(name, identity=f"{name}-2")
    kit.connect("ann")
    with pytest.raises(AuthenticationFailed, match="Invalid identity"):
        kit.connect("ann", identity=f"ann{name}")
    assert names(kit) == {MONITOR_ROOM, "ann"}


def test_names_of_before_stay_valid(kit: Kit) -> None:
    """Of clients that are trusted, of identities that are members of a room, and of rooms (A27)."""
    kit.known_clients.add("old ")
    kit.connect("old ")
    kit.connect("old ", identity="old -2")
    with pytest.raises(AuthenticationFailed, match="Invalid identity"):
        kit.connect("old ", identity="old - ")
    hall = Room(name="hall\u3164", id="hall", members={"carl ": Role.MASTER}, created_at=1.0)
    own = Room(name="carl ", id="own", kind=RoomKind.PERSONAL, members={"carl ": Role.MASTER}, created_at=1.0)
    for room in (hall, own):
        result_of(kit.room_store.save_room(room))
    kit.close()
    later = Kit(with_stores_of=kit)
    later.connect("carl ", "/rooms")
    assert later.rooms.require("hall\u3164").master == "carl "
    later.close()


# ----------------------------------------------------------------------------------------------- identities of a client


def test_identities_of_one_client(make_kit: Callable[..., Kit]) -> None:
    """A38: one that is away and owns nothing gives way; what the others hold stays, and the newcomer is refused."""
    kit = make_kit(rooms=RoomSettings(identities_per_client=3))
    come_and_go(kit, "rc", "rc-said", says=True)
    come_and_go(kit, "rc", "rc-silent")
    come_and_go(kit, "rc", "rc-said-too", says=True)
    come_and_go(kit, "rc", "rc-new", says=True)
    assert names(kit) == {MONITOR_ROOM, "rc-said", "rc-said-too", "rc-new"}
    with pytest.raises(Unavailable, match="Too many identities of this client"):
        kit.connect("rc", identity="rc-newer")
    assert names(kit) == {MONITOR_ROOM, "rc-said", "rc-said-too", "rc-new"}
    kit.connect("rc", identity="rc-said")  # who has a place comes in
    kit.connect("other")  # and so does everybody else
    assert [message.text for message in kit.stored("rc-said-too")] == ["hi"]


def test_reload_40_times_new_identity_still_in(kit: Kit) -> None:
    """A38, B25: a page that makes up an identity with every load is not locked out by its own past."""
    for number in range(40):
        sid = kit.connect("page", identity=f"page-{number}")
        kit.disconnect(sid)  # at once: the one before is still in its grace
    kit.connect("page", identity="page-40")
    assert len([name for name in names(kit) if name.startswith("page-")]) <= 32


def test_reloading_in_a_group_room_gives_way_as_well(kit: Kit) -> None:
    kit.connect("ann")
    kit.group("lounge", "ann")
    for number in range(40):
        sid = kit.connect("page", identity=f"page-{number}")
        result_of(kit.rooms.add("lounge", f"page-{number}"))
        kit.disconnect(sid)
        kit.clock.advance(3)
    assert 30 < len(kit.rooms.require("lounge").members) <= 33
    assert "page-39" in kit.rooms.require("lounge").members


def test_those_that_are_here_do_not_give_way(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(identities_per_client=2))
    kit.connect("rc", identity="rc-1")
    kit.connect("rc", identity="rc-2")
    with pytest.raises(Unavailable):
        kit.connect("rc", identity="rc-3")
    kit.connect("rc", "/rooms", identity="rc-2")  # a further socket is no newcomer


def test_the_limit_is_known_after_a_restart(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(identities_per_client=2))
    come_and_go(kit, "rc", "rc-1", says=True)
    come_and_go(kit, "rc", "rc-2", says=True)
    later = make_kit(with_stores_of=kit, rooms=RoomSettings(identities_per_client=2))
    with pytest.raises(Unavailable):
        later.connect("rc", identity="rc-3")
    later.change("rooms", identities_per_client=3)
    later.connect("rc", identity="rc-3")


def test_who_gave_way_is_told_in_the_log_within_a_quota(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(identities_per_client=1))

    def reload() -> None:
        for number in range(20):
            kit.disconnect(kit.connect("page", identity=f"page-{number}"))

    lines = gave_way(reload)
    assert lines[0] == "'page-0', which is away and owned nothing, gave way to 'page-1' (identities_per_client)"
    assert len(lines) == 5
    kit.clock.advance(2)
    lines = gave_way(reload)
    assert "(14 more were not logged)" in lines[0]


# ------------------------------------------------------------------------------------------------------ without a key


def test_all_ids_without_a_key_share_one_cap(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(keyless_identities=3))
    kit.known_clients.update({"friend", "other-friend"})
    come_and_go(kit, "friend", says=True)
    come_and_go(kit, "one", says=True)
    come_and_go(kit, "silent")
    come_and_go(kit, "other-friend")  # is silent, too, but no place of theirs
    come_and_go(kit, "two", says=True)
    come_and_go(kit, "three", says=True)
    assert names(kit) == {MONITOR_ROOM, "friend", "other-friend", "one", "two", "three"}
    with pytest.raises(Unavailable, match="Too many identities of clients that are not trusted"):
        kit.connect("four")
    kit.known_clients.add("five")
    kit.connect("five")
    kit.connect("one")


# ---------------------------------------------------------------------------------------------------------- all rooms


def test_the_room_of_who_is_away_longest_and_owns_nothing_makes_place(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(max_rooms=5))
    come_and_go(kit, "old", says=True)
    come_and_go(kit, "silent")
    come_and_go(kit, "silent-too")
    kit.connect("here")
    kit.connect("new")
    assert names(kit) == {MONITOR_ROOM, "old", "silent-too", "here", "new"}
    kit.connect("newer")
    assert names(kit) == {MONITOR_ROOM, "old", "here", "new", "newer"}
    with pytest.raises(Unavailable, match="Too many rooms"):
        kit.connect("newest")
    assert kit.stored("old"), "nobody's words make place"
    kit.connect("old")


def test_a_guest_in_it_keeps_a_room(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(max_rooms=3))
    kit.connect("ann")
    kit.connect("bob")
    result_of(kit.rooms.add("ann", "bob", Role.GUEST))
    kit.disconnect_all("ann")
    kit.clock.advance(3)
    with pytest.raises(Unavailable):
        kit.connect("new")
    assert kit.rooms.get("ann") is not None


def test_who_lost_his_room_keeps_his_memberships_and_comes_in(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(max_rooms=4))
    kit.connect("ann")
    kit.group("lounge", "ann")
    kit.connect("bob")
    result_of(kit.rooms.add("lounge", "bob"))
    kit.disconnect_all("bob")
    kit.clock.advance(3)
    kit.connect("new")
    assert kit.rooms.get("bob") is None
    assert "bob" in kit.rooms.require("lounge").members
    kit.connect("bob")
    assert kit.rooms.get("bob") is not None


def test_a_group_room_finds_a_place_in_the_same_way(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(max_rooms=3))
    kit.connect("operator", client_type="monitor")
    come_and_go(kit, "silent")
    result_of(kit.room_service.create(OPERATOR, "lounge"))
    assert kit.rooms.get("silent") is None
    with pytest.raises(Unavailable, match="Too many rooms"):
        result_of(kit.room_service.create(OPERATOR, "den"))


def test_those_who_are_away_are_not_looked_through_for_every_newcomer(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(max_rooms=3))
    kit.connect("here")
    sid = kit.connect("going")
    with pytest.raises(Unavailable):
        kit.connect("new")
    kit.disconnect(sid)
    kit.sessions.end_grace("going")
    with pytest.raises(Unavailable):
        kit.connect("new")
    kit.clock.advance(1)
    kit.connect("new")


def test_the_hubs_own_extension_finds_a_place(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(max_rooms=1))
    with pytest.raises(Unavailable):
        kit.connect("web1")
    kit.sessions.attach_extension(Session(client_id="demo", identity="demo", client_type="SillyTavern"), Link())
    assert kit.rooms.get("demo") is not None


def test_a_crowd_that_comes_and_goes_leaves_no_more_than_the_limit(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(max_rooms=5))
    for number in range(30):
        come_and_go(kit, f"passer-{number}")
    assert len(names(kit)) <= 5
    assert len(kit.retention.absences) <= 5
