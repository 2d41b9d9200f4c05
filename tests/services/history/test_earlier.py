"""GET_MESSAGES: a history backwards, page by page (contract 4.8, A36)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from historykit import fill, say, texts
from hubkit import Kit, failure_of, result_of
from newage.dialect import messages
from newage.domain.history import Earlier
from newage.errors import NotMember, RoomMissing
from newage.namespaces.llm import parse_earlier


def page(kit: Kit, sid: str, before: int | None = None, limit: int = 50) -> Earlier:
    found: Earlier = result_of(kit.earlier.before(kit.caller(sid), "web1", before, limit))
    return found


def test_pages_go_backwards_oldest_first(kit: Kit) -> None:
    sid = kit.connect("web1")
    fill(kit, 5)
    newest = page(kit, sid, limit=2)
    assert (texts(messages.bodies(newest.messages)), newest.more, newest.seq) == (["3", "4"], True, 5)
    older = page(kit, sid, newest.messages[0].seq, 2)
    assert (texts(messages.bodies(older.messages)), older.more) == (["1", "2"], True)
    oldest = page(kit, sid, older.messages[0].seq, 2)
    assert (texts(messages.bodies(oldest.messages)), oldest.more) == (["0"], False)
    assert page(kit, sid, 1).messages == page(kit, sid, 0).messages == ()


def test_long_messages_make_short_pages(kit: Kit) -> None:
    sids = [kit.connect("web1", transport=transport) for transport in ("websocket", "polling")]
    for _ in range(40):
        say(kit, "x" * 2_000)
    assert [(len(found.messages), found.more) for found in (page(kit, sid) for sid in sids)] == [(32, True), (4, True)]


def test_who_may_not_read_is_refused(kit: Kit) -> None:
    kit.connect("web1")
    stranger = kit.caller(kit.connect("stranger"))
    assert isinstance(failure_of(kit.earlier.before(stranger, "web1", None, 50)), NotMember)
    missing = failure_of(kit.earlier.before(stranger, "nowhere", None, 50))
    assert (type(missing), str(missing)) == (RoomMissing, "Could not retrieve context for room nowhere.")
    monitor = kit.caller(kit.connect("monitor", client_type="monitor"))
    assert result_of(kit.earlier.before(monitor, "web1", None, 50)).messages == ()


def test_a_history_is_read_whole_while_it_changes() -> None:
    """No gap and nothing twice, whatever is said and deleted between two pages."""

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(st.tuples(st.integers(0, 2), st.lists(st.integers(1, 60), max_size=4)), max_size=30), st.integers(1, 7)
    )
    def read(meanwhile: list[tuple[int, list[int]]], limit: int) -> None:
        kit = Kit()
        sid = kit.connect("web1")
        fill(kit, 60)
        stored = {m.seq: m.message_id for m in kit.stored("web1")}
        deleted: set[int] = set()
        seen: list[int] = []
        before = None
        while True:
            found = page(kit, sid, before, limit)
            seqs = [m.seq for m in found.messages]
            seen[:0] = seqs
            assert seqs == sorted(seqs)
            assert before is None or all(seq < before for seq in seqs)
            if not found.more:
                break
            before = seqs[0]
            said, gone = meanwhile.pop() if meanwhile else (0, [])
            for number in range(said):
                say(kit, f"new {number}")
            if gone:
                result_of(kit.history.remove(kit.rooms.require("web1"), [stored[seq] for seq in gone]))
                deleted.update(gone)
        assert len(set(seen)) == len(seen)
        assert set(stored) - deleted <= set(seen) <= set(stored)
        kit.close()

    read()


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"roomName": "den", "before": 7, "limit": 200}, ("den", 7, 200)),
        ({"room": "den", "before": None, "limit": None}, ("den", None, 50)),
        ("den", ("den", None, 50)),
        (None, (None, None, 50)),
    ],
)
def test_what_is_asked(payload: object, expected: tuple[object, ...]) -> None:
    asked = parse_earlier(payload)
    assert (asked.room, asked.before, asked.limit) == expected
