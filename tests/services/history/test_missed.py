"""What was missed while away: marks, the hint on return, the cursor, restarts (contract 4.8; scenario 56)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from hubkit import EPOCH, Kit, failure_of, faults, result_of
from newage.dialect import messages
from newage.domain.history import Missed
from newage.domain.model import Message, RequestMode, Role
from newage.errors import BadParameter, NotMember, RoomMissing
from newage.namespaces.llm import parse_since
from newage.ports import IRoomListener, ISessionListener
from newage.services.history.limits import HistorySettings

AWAY = 2.0  # seconds until a session without sockets is gone


@pytest.fixture
def hub(kit: Kit) -> Kit:
    """``mas`` speaks in the lounge, ``web`` listens on ``/llm`` and ``/rooms``."""
    kit.connect("mas", incremental=True)
    kit.connect("web", incremental=True)
    kit.connect("web", "/rooms")
    kit.group("lounge", "mas", RequestMode.MASTER_ONLY, web=Role.GUEST)
    kit.outbox.clear()
    return kit


def say(kit: Kit, *texts: str, room: str = "lounge") -> None:
    for text in texts:
        kit.submit(kit.sessions.sids("mas", "/llm")[0], text, room=room, role_hint=Role.GUEST)
    kit.settle()


def leave(kit: Kit, who: str = "web", seconds: float = AWAY) -> None:
    kit.disconnect_all(who)
    kit.clock.advance(seconds)


def back(kit: Kit, namespace: str = "/llm", who: str = "web") -> str:
    return kit.connect(who, namespace, incremental=True)


def missed(kit: Kit, sid: str, since: object = None, limit: int = 50, room: str = "lounge") -> dict[str, Any]:
    """What the ack and the event say of it together."""
    page: Missed = result_of(kit.missed.missed(kit.caller(sid), room, parse_since(since), limit))
    return {**messages.missed(page).body, **messages.missed_ack(page)}


def texts(page: dict[str, Any]) -> list[str]:
    return [message["message"] for message in page["messages"] if not message.get("isSystem")]


def hints(kit: Kit, sid: str) -> list[tuple[str, int]]:
    found = []
    for body in kit.outbox.bodies(sid, "OFFLINE_MESSAGES"):
        assert (body["messages"], body["hasMore"]) == ([], body["count"] > 0)
        found.append((body["roomName"], body["count"]))
    return found


# ------------------------------------------------------------------------------------------------------------- hinting


def test_who_returns_hears_how_much_was_missed_and_gets_it(hub: Kit) -> None:
    say(hub, "seen")
    leave(hub)
    say(hub, "one", "two", "three")
    sid = back(hub)
    assert hints(hub, sid) == [("lounge", 3)]
    page = missed(hub, sid)
    assert texts(page) == ["one", "two", "three"]
    seqs = [message["seq"] for message in page["messages"]]
    assert (page["count"], page["hasMore"], page["nextSince"], page["seq"]) == (3, False, seqs[-1], seqs[-1])
    assert page["since"] == seqs[0] - 1
    assert missed(hub, sid) == page, "reading changes nothing"


def test_each_room_is_hinted_at_once_to_the_first_socket(hub: Kit) -> None:
    hub.group("garden", "mas", RequestMode.MASTER_ONLY, web=Role.GUEST)
    leave(hub)
    say(hub, "a", "b")
    say(hub, "c", room="garden")
    rooms = back(hub, "/rooms")
    first, second = back(hub), back(hub)
    assert [hints(hub, sid) for sid in (rooms, first, second)] == [[], [("lounge", 2), ("garden", 1)], []]


def test_who_missed_nothing_hears_nothing(hub: Kit) -> None:
    say(hub, "seen")
    leave(hub)
    assert hints(hub, back(hub)) == []
    leave(hub)
    say(hub, "deleted")
    result_of(hub.history.remove(hub.rooms.require("lounge"), [hub.stored("lounge")[-1].message_id]))
    assert hints(hub, back(hub)) == [], "what is deleted is not missed"


def test_what_is_said_right_after_the_last_socket_went_is_missed_too(hub: Kit) -> None:
    """The session is still there for its grace; its sockets are not."""
    hub.disconnect_all("web")
    hub.clock.advance(AWAY / 2)
    say(hub, "into the grace")
    hub.clock.advance(AWAY / 2)
    say(hub, "after it")
    sid = back(hub)
    assert hints(hub, sid) == [("lounge", 2)]
    assert texts(missed(hub, sid)) == ["into the grace", "after it"]


def test_who_returns_within_the_grace_hears_what_was_missed_meanwhile(hub: Kit) -> None:
    say(hub, "seen")
    leave(hub, seconds=1)
    say(hub, "gap")
    sid = back(hub)
    assert hints(hub, sid) == [("lounge", 1)]
    (hint,) = hub.outbox.bodies(sid, "OFFLINE_MESSAGES")
    assert texts(missed(hub, sid, hint["since"])) == ["gap"]
    assert "gap" in texts(missed(hub, sid))


def test_a_connection_that_flaps_loses_nothing(hub: Kit) -> None:
    leave(hub)
    say(hub, "one")
    for _ in range(3):
        sid = back(hub)
        hub.disconnect(sid)
        hub.clock.advance(AWAY / 2)
    assert texts(missed(hub, back(hub))) == ["one"]


def test_without_llm_nothing_is_seen(hub: Kit) -> None:
    """Messages are shown on ``/llm``: who is only on ``/rooms`` still has them to come."""
    leave(hub)
    say(hub, "one")
    back(hub, "/rooms")
    leave(hub)
    say(hub, "two")
    sid = back(hub)
    assert hints(hub, sid) == [("lounge", 2)]
    assert texts(missed(hub, sid)) == ["one", "two"]


def test_who_leaves_only_llm_misses_what_follows(hub: Kit) -> None:
    hub.disconnect(hub.sessions.sids("web", "/llm")[0])
    hub.clock.advance(10)
    say(hub, "unseen")
    assert hints(hub, back(hub)) == [("lounge", 1)]


def test_who_has_another_socket_on_llm_misses_nothing(hub: Kit) -> None:
    other = back(hub)
    hub.disconnect(other)
    say(hub, "seen by the first")
    assert hints(hub, back(hub)) == []


def test_extensions_are_not_hinted_at(hub: Kit) -> None:
    hub.extension()
    result_of(hub.rooms.add("lounge", "SillyTavern-8000"))
    leave(hub, "SillyTavern-8000")
    say(hub, "one")
    hub.extension()
    assert hints(hub, hub.sessions.sids("SillyTavern-8000", "/llm")[0]) == []


def test_who_was_added_while_away_missed_what_was_said_since(hub: Kit) -> None:
    hub.group("garden", "mas", RequestMode.MASTER_ONLY)
    say(hub, "before", room="garden")
    leave(hub)
    result_of(hub.rooms.add("garden", "web"))
    say(hub, "after", room="garden")
    sid = back(hub)
    assert ("garden", 2) in hints(hub, sid)  # the note of its coming, and what followed
    assert texts(missed(hub, sid, room="garden")) == ["after"]


def test_rooms_that_were_left_or_deleted_are_not_hinted_at(hub: Kit) -> None:
    hub.group("garden", "mas", RequestMode.MASTER_ONLY, web=Role.GUEST)
    leave(hub)
    say(hub, "one")
    say(hub, "two", room="garden")
    result_of(hub.rooms.remove("lounge", "web", "remove"))
    result_of(hub.rooms.delete("garden"))
    assert hints(hub, back(hub)) == []


def test_a_hint_that_fails_is_logged(hub: Kit) -> None:
    leave(hub)
    say(hub, "one")
    hub.gate.broken = True

    def come() -> None:
        back(hub)

    assert len(faults(come)) == 1


def test_a_mark_that_cannot_be_stored_is_logged_and_kept(hub: Kit) -> None:
    hub.mark_gate.broken = True
    assert len(faults(lambda: leave(hub))) == 1
    say(hub, "one")
    assert hints(hub, back(hub)) == [("lounge", 1)]


# ------------------------------------------------------------------------------------------------ edits and deletions


def changes(kit: Kit, sid: str) -> list[tuple[int, bool]]:
    return [(body["count"], body.get("changed", False)) for body in kit.outbox.bodies(sid, "OFFLINE_MESSAGES")]


def edit(kit: Kit, text: str, to: str) -> None:
    (message,) = [m for m in kit.stored("lounge") if m.text == text]
    assert result_of(kit.history.replace(evolve(message, text=to, data=to), message)) is not None


def delete(kit: Kit, text: str) -> None:
    gone = [m.message_id for m in kit.stored("lounge") if m.text == text]
    assert result_of(kit.history.remove(kit.rooms.require("lounge"), gone))


@pytest.mark.parametrize("seconds", [0.1, 5.0])
def test_who_has_seen_what_changed_is_told_that_it_did(hub: Kit, seconds: float) -> None:
    say(hub, "wrong number", "password")
    leave(hub, seconds=seconds)
    edit(hub, "wrong number", "right number")
    sid = back(hub)
    assert changes(hub, sid) == [(0, True)]
    (hint,) = hub.outbox.bodies(sid, "OFFLINE_MESSAGES")
    page = missed(hub, sid, hint["since"])
    assert (page["changed"], page["messages"], page["hasMore"]) == (True, [], False)
    leave(hub, seconds=seconds)
    delete(hub, "password")
    say(hub, "new")
    assert changes(hub, back(hub)) == [(1, True)]
    leave(hub, seconds=seconds)
    result_of(hub.history.clear(hub.rooms.require("lounge"), True, True))
    assert changes(hub, back(hub)) == [(0, True)]


def test_what_changed_and_was_never_seen_is_no_change(hub: Kit) -> None:
    say(hub, "seen")
    leave(hub)
    say(hub, "one", "two")
    edit(hub, "one", "eins")
    delete(hub, "two")
    sid = back(hub)
    assert changes(hub, sid) == [(1, False)]
    page = missed(hub, sid)
    assert texts(page) == ["eins"]
    assert "changed" not in page


def test_changes_outlive_a_restart(make_kit: Callable[..., Kit], hub: Kit) -> None:
    say(hub, "wrong")
    leave(hub)
    edit(hub, "wrong", "right")
    after = restarted(make_kit, hub)
    assert changes(after, back(after)) == [(0, True)]


def test_what_is_gone_of_what_was_missed_is_said(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(history=HistorySettings(max_messages_per_room=3))
    kit.connect("mas", incremental=True)
    kit.connect("web", incremental=True)
    kit.group("lounge", "mas", RequestMode.MASTER_ONLY, web=Role.GUEST)
    leave(kit)
    say(kit, "1", "2", "3")
    assert "truncated" not in missed(kit, back(kit)), "only what was seen is gone"
    leave(kit)
    say(kit, "4", "5", "6", "7")
    page = missed(kit, back(kit))
    assert (texts(page), page["truncated"]) == (["5", "6", "7"], True)


def test_an_edit_that_was_put_off_as_one_went_is_told(hub: Kit) -> None:
    say(hub, "one")
    edit(hub, "one", "two")
    edit(hub, "two", "three")  # is shown a little later, together with what follows
    hub.disconnect_all("web")
    assert changes(hub, back(hub)) == [(0, True)]


def test_what_was_being_stored_as_one_went_is_missed(hub: Kit) -> None:
    """It had its number, and nobody had seen it: an absence of no time at all lost it."""
    say(hub, "seen")
    hub.gate.shut = True
    said = Message(message_id="m", room="lounge", seq=0, identity="mas", text="in between")
    saying = Deferred.fromCoroutine(hub.history.add(said))
    hub.disconnect_all("web")
    hub.gate.open()
    result_of(saying)
    assert hints(hub, back(hub)) == [("lounge", 1)]


# -------------------------------------------------------------------------------------------------------------- cursor


def test_the_cursor_reads_page_by_page_to_the_end(hub: Kit) -> None:
    leave(hub)
    said = [f"m{n}" for n in range(7)]
    say(hub, *said)
    sid = back(hub)
    found: list[str] = []
    since: object = None
    pages = 0
    while True:
        page = missed(hub, sid, since, limit=3)
        found += texts(page)
        pages += 1
        since = page["nextSince"]
        if not page["hasMore"]:
            break
    assert (found, pages) == (said, 3)
    end = missed(hub, sid, since)
    assert (end["messages"], end["count"], end["hasMore"], end["nextSince"]) == ([], 0, False, since)


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (0, ["early", "middle", "late"]),
        (-5, ["early", "middle", "late"]),
        (2, ["early", "middle", "late"]),
        (3, ["middle", "late"]),
        (3.9, ["middle", "late"]),
        ("3", ["middle", "late"]),
        (10**15, []),
        ("999999999999999", []),
        ("2023-11-14T22:13:20.000Z", ["middle", "late"]),
        ("2023-11-14T22:13:29.999Z", ["middle", "late"]),
        ("2023-11-14T22:13:30.000Z", ["late"]),
        ("2023-11-14T23:13:30+01:00", ["late"]),
        ("2023-11-14 22:13:30", ["late"]),
        ("2023-11-15", []),
        ("1970-01-01T00:00:00Z", ["early", "middle", "late"]),
        ("0001-01-01T00:00:00Z", ["early", "middle", "late"]),
        ("0999-06-01T00:00:00Z", ["early", "middle", "late"]),
        ("9999-12-31T23:59:59.999Z", []),
    ],
)
def test_since_is_a_seq_or_a_time(hub: Kit, since: object, expected: list[str]) -> None:
    """Seqs 1 and 2 are the notes of the two who joined; ``early`` is 3, said at the start, then 10 s between each."""
    say(hub, "early")
    hub.clock.advance(10)
    say(hub, "middle")
    hub.clock.advance(10)
    say(hub, "late")
    assert texts(missed(hub, hub.sessions.sids("web", "/llm")[0], since)) == expected


@pytest.mark.parametrize(
    "since",
    [
        "yesterday",
        "",
        "2023-13-01",
        "9999-12-31T23:59:59-23:00",
        "-3",
        "١٢",
        [],
        {},
        True,
        float("inf"),
        1e300,
        -1e300,
        2**53,
        2**63,
        2**64 - 1,
    ],
)
def test_what_is_neither_is_refused(since: object) -> None:
    with pytest.raises(BadParameter, match=re.escape("since must be a seq or an ISO-8601 time.")):
        parse_since(since)


def test_a_time_is_found_in_all_of_a_long_history(kit: Kit) -> None:
    sid = kit.connect("web", incremental=True)
    for n in range(3_000):
        kit.history.note("web", f"note {n}")
        kit.clock.advance(1)
    page = missed(kit, sid, "2023-11-14T22:13:21.000Z", room="web")
    assert page["messages"][0]["message"] == "note 2"
    assert missed(kit, sid, "2023-11-14T22:13:19.000Z", room="web")["messages"][0]["message"] == "note 0"


def test_only_members_and_administrators_read(hub: Kit) -> None:
    outsider, weak = hub.connect("out"), hub.connect("weak", client_type="monitor", sensitive=False)
    for sid in (outsider, weak):
        error = failure_of(hub.missed.missed(hub.caller(sid), "lounge", None, 50))
        assert (type(error), str(error)) == (NotMember, "You are not a member of room lounge.")
    admin = hub.connect("monitor", client_type="monitor")
    say(hub, "open to me")
    assert texts(missed(hub, admin)) == ["open to me"]
    error = failure_of(hub.missed.missed(hub.caller(admin), "nowhere", None, 50))
    assert (type(error), str(error)) == (RoomMissing, "Could not retrieve context for room nowhere.")


# ------------------------------------------------------------------------------------------------------------- restart


def restarted(make_kit: Callable[..., Kit], before: Kit) -> Kit:
    after = make_kit(with_stores_of=before)
    after.connect("mas", incremental=True)
    return after


def test_marks_outlive_a_restart(make_kit: Callable[..., Kit], hub: Kit) -> None:
    leave(hub)
    say(hub, "before the stop")
    after = restarted(make_kit, hub)
    say(after, "after it")
    sid = back(after)
    assert hints(after, sid) == [("lounge", 2)]
    assert texts(missed(after, sid)) == ["before the stop", "after it"]


def test_who_was_there_until_the_stop_missed_only_what_came_after(make_kit: Callable[..., Kit], hub: Kit) -> None:
    leave(hub)
    say(hub, "missed once")
    back(hub)
    say(hub, "seen")
    after = restarted(make_kit, hub)
    say(after, "new")
    sid = back(after)
    assert hints(after, sid) == [("lounge", 1)]
    assert texts(missed(after, sid)) == ["new"]


def test_what_somebody_has_left_is_not_hinted_at_after_a_restart(make_kit: Callable[..., Kit], hub: Kit) -> None:
    leave(hub)
    say(hub, "one")
    result_of(hub.rooms.remove("lounge", "web", "remove"))
    after = restarted(make_kit, hub)
    say(after, "two")
    sid = back(after)
    assert hints(after, sid) == []
    result_of(after.rooms.add("lounge", "web"))
    assert texts(missed(after, sid)) == []


def test_who_was_added_while_away_is_remembered(make_kit: Callable[..., Kit], hub: Kit) -> None:
    leave(hub)
    hub.group("garden", "mas", RequestMode.MASTER_ONLY, web=Role.GUEST)
    say(hub, "unseen", room="garden")
    after = restarted(make_kit, hub)
    assert texts(missed(after, back(after), room="garden")) == ["unseen"]


def test_marks_go_with_the_membership(hub: Kit) -> None:
    """What is remembered is bounded by memberships: after the retention nothing is left of who does not return."""
    leave(hub)
    hub.clock.advance(86_400)
    hub.clock.advance(60)
    assert hub.wall() - EPOCH > 86_400
    assert "web" not in result_of(hub.mark_store.load_marks()) or hub.rooms.rooms_of("web") == ()
    sid = back(hub)
    assert hints(hub, sid) == []


def test_it_listens(kit: Kit) -> None:
    assert verifyObject(ISessionListener, kit.missed)
    assert verifyObject(IRoomListener, kit.missed)
