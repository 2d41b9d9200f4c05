"""When a history is sent to a socket, and how much of it: answers never wait behind it (contract A34)."""

from __future__ import annotations

from zope.interface.verify import verifyObject

from historykit import fill, say, texts
from hubkit import Kit, result_of
from newage.domain.model import RequestMode, Role
from newage.ports import ISessionListener, Said


def snapshots(kit: Kit, sid: str) -> list[list[str]]:
    return [texts(body["context"]) for body in kit.outbox.bodies(sid, "UPDATE_CONTEXT")]


def pump(kit: Kit, seconds: float) -> None:
    kit.clock.pump([0.05] * round(seconds / 0.05))


def test_it_listens(kit: Kit) -> None:
    assert verifyObject(ISessionListener, kit.pushing)
    assert verifyObject(ISessionListener, kit.snapshots)


def test_a_receiver_gets_one_a_second_however_much_is_said(kit: Kit) -> None:
    sid = kit.connect("web1")
    for number in range(40):
        say(kit, str(number))
        pump(kit, 0.1)
    assert 4 <= len(snapshots(kit, sid)) <= 5
    pump(kit, 1)
    assert snapshots(kit, sid)[-1][-1] == "39", "what was said last is shown, too"


def test_rooms_of_one_receiver_take_turns(kit: Kit) -> None:
    kit.connect("ann", incremental=True)
    sid = kit.connect("web1")
    for name in ("one", "two", "three"):
        kit.group(name, "ann", RequestMode.DEFAULT, web1=Role.GUEST)
    pump(kit, 5)
    kit.outbox.clear()
    for _ in range(60):
        for name in ("one", "two", "three"):
            say(kit, "busy", room=name)
        pump(kit, 0.1)
    shown = [body["roomName"] for body in kit.outbox.bodies(sid, "UPDATE_CONTEXT")]
    assert 6 <= len(shown) <= 7
    assert {*shown[:3]} == {*shown[3:6]} == {"one", "two", "three"}


def test_a_room_that_is_left_or_goes_does_not_keep_others_waiting(kit: Kit) -> None:
    kit.connect("ann", incremental=True)
    sid = kit.connect("web1")
    for name in ("one", "two", "three"):
        kit.group(name, "ann", RequestMode.DEFAULT, web1=Role.GUEST)
    pump(kit, 5)
    kit.outbox.away(sid)
    for name in ("one", "two", "three"):
        say(kit, "news", room=name)
    pump(kit, 1.5)
    result_of(kit.rooms.remove("one", "web1", "leave"))
    result_of(kit.rooms.delete("two"))
    kit.outbox.fetch(sid)
    kit.outbox.clear()
    pump(kit, 1)
    assert [body["roomName"] for body in kit.outbox.bodies(sid, "UPDATE_CONTEXT")] == ["three"]


def test_it_is_put_off_until_all_before_it_has_left_and_never_dropped(kit: Kit) -> None:
    sid = kit.connect("web1")
    kit.outbox.away(sid)
    say(kit, "a")
    pump(kit, 1)
    say(kit, "b")
    pump(kit, 20)
    kit.outbox.fetch(sid)
    assert snapshots(kit, sid) == []
    pump(kit, 0.3)
    assert snapshots(kit, sid) == [["a", "b"]], "as it is now"


def test_it_is_small_enough_and_says_what_is_missing(kit: Kit) -> None:
    sids = {transport: kit.connect("web1", transport=transport) for transport in ("websocket", "polling")}
    for _ in range(60):
        say(kit, "x" * 2_000)
    kit.outbox.clear()
    pump(kit, 2)
    for transport, most in (("websocket", 65_536), ("polling", 16_384)):
        (body,) = kit.outbox.bodies(sids[transport], "UPDATE_CONTEXT")
        size = sum(len(m["message"]) + len(m["data"]) for m in body["context"])
        assert most // 2 < size < most
        assert body["truncated"]
        assert body["context"][-1]["seq"] == body["seq"] == 60


def test_a_message_that_alone_is_larger_comes_as_new_message_only(kit: Kit) -> None:
    sid = kit.connect("web1", transport="polling")
    say(kit, "x" * 20_000)
    pump(kit, 1)
    assert kit.outbox.names(sid) == ["NEW_MESSAGE", "new_message"]
    pump(kit, 30)
    say(kit, "short")
    pump(kit, 1)
    (body,) = kit.outbox.bodies(sid, "UPDATE_CONTEXT")
    assert (texts(body["context"]), body["truncated"]) == (["short"], True)


def test_who_polls_gets_one_in_half_a_minute(kit: Kit) -> None:
    sid = kit.connect("web1", transport="polling")
    for number in range(61):
        say(kit, str(number))
        pump(kit, 1)
    assert len(snapshots(kit, sid)) == 3


def test_who_polls_gets_none_while_an_answer_is_on_its_way(kit: Kit) -> None:
    """It would be in front of the answer's events."""
    kit.extension()
    sid = kit.connect("web1", transport="polling")
    asked = kit.submit(sid, "how long?", targets=("SillyTavern-8000",))
    pump(kit, 5)
    kit.streams.answered(Said("SillyTavern-8000", request=asked["requestId"]), "that long")
    pump(kit, 0.1)
    assert "LLM_RESPONSE" in kit.outbox.names(sid)
    assert snapshots(kit, sid) == []
    pump(kit, 0.5)
    assert snapshots(kit, sid) == [["how long?", "that long"]]


def test_a_websocket_that_reads_slowly_is_like_one_that_polls(kit: Kit) -> None:
    sid = kit.connect("web1")
    for _ in range(60):
        say(kit, "x" * 2_000)
    kit.outbox.away(sid)
    pump(kit, 1)
    assert kit.pushing.max_bytes(sid) == 65_536
    pump(kit, 2)
    assert kit.pushing.max_bytes(sid) == 16_384
    kit.outbox.fetch(sid)
    pump(kit, 1)
    for _ in range(10):
        say(kit, "y")
        pump(kit, 1)
    assert len(snapshots(kit, sid)) == 1
    kit.disconnect(sid)
    assert kit.pushing.max_bytes(kit.connect("web1")) == 65_536, "its next one is another"


def test_who_is_found_behind_now_and_then_is_not_slow(kit: Kit) -> None:
    sid = kit.connect("web1")
    for _ in range(5):
        kit.outbox.away(sid)
        say(kit, "a")
        pump(kit, 0.5)
        kit.outbox.fetch(sid)
        pump(kit, 1.5)
    kit.group("hall", "web1")
    kit.outbox.away(sid)
    pump(kit, 0.5)
    result_of(kit.rooms.delete("hall"))  # nobody looks any more
    pump(kit, 10)
    say(kit, "a")
    pump(kit, 0.5)
    assert kit.pushing.max_bytes(sid) == 65_536


def test_pages_wait_until_what_is_before_them_has_left(kit: Kit) -> None:
    sid = kit.connect("web1", transport="polling", incremental=True)
    fill(kit, 20)
    ack = result_of(kit.pages.push(kit.caller(sid), "web1"))
    assert len(ack.pages) == 3, "8 KiB at most"
    kit.clock.advance(0)
    kit.outbox.away(sid)
    pump(kit, 10)
    kit.outbox.fetch(sid)
    assert len(kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")) == 1
    pump(kit, 1)
    pages = kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")
    assert [page["pageNumber"] for page in pages] == list(range(1, len(ack.pages) + 1))
    assert texts([m for page in pages for m in page["contextPage"]]) == [str(n) for n in range(20)]


def test_what_was_missed_is_told_in_pages_as_small(kit: Kit) -> None:
    sids = [kit.connect("web1", transport=transport) for transport in ("websocket", "polling")]
    for _ in range(40):
        say(kit, "x" * 2_000)
    pages = [result_of(kit.missed.missed(kit.caller(sid), "web1", 0, 500)) for sid in sids]
    assert [(len(page.messages), page.more) for page in pages] == [(32, True), (4, True)]


def test_pages_wait_for_answers_where_they_would_be_in_front(kit: Kit) -> None:
    kit.extension()
    sid = kit.connect("web1", transport="polling", incremental=True)
    asked = kit.submit(sid, "how long?", targets=("SillyTavern-8000",))
    result_of(kit.pages.push(kit.caller(sid), "web1"))
    pump(kit, 5)
    assert kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE") == []
    kit.streams.answered(Said("SillyTavern-8000", request=asked["requestId"]), "that long")
    pump(kit, 1)
    assert len(kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")) == 1
