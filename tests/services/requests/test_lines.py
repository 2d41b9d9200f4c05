"""What waits, for what, and who sees it: GET_QUEUE (contract 5.4)."""

from __future__ import annotations

import pytest

from hubkit import OPERATOR, Kit, failure_of
from newage.domain.model import RequestMode, Role
from newage.domain.times import iso

X = "SillyTavern-8000"


async def seen_of(kit: Kit, sid: str, room: str) -> object:
    return kit.talk.lines.seen(kit.caller(sid), room)


def places(kit: Kit, sid: str, room: str = "lounge") -> list[tuple[str, str, int, int, str]]:
    found = kit.talk.lines.seen(kit.caller(sid), room)
    return [
        (each.request_id, each.waiting.what, each.waiting.position, each.waiting.of, each.waiting.extension)
        for each in found
    ]


@pytest.fixture
def lounge(kit: Kit) -> dict[str, str]:
    sids = {who: kit.connect(who, name=f"Name of {who}") for who in ("mas", "g1", "g2")}
    kit.group("lounge", "mas", g1=Role.GUEST, g2=Role.GUEST)
    return sids


def test_for_the_host_in_order_of_arrival(kit: Kit, lounge: dict[str, str]) -> None:
    kit.extension(X)
    for n, who in enumerate(("g1", "g2", "g1"), start=1):
        kit.submit(lounge[who], f"q{n}", f"r{n}", room="lounge")
        kit.clock.advance(1)
    assert places(kit, lounge["g2"]) == [
        ("r1", "host", 1, 3, ""),
        ("r2", "host", 2, 3, ""),
        ("r3", "host", 3, 3, ""),
    ]
    first = kit.talk.lines.seen(kit.caller(lounge["mas"]), "lounge")[0]
    assert (first.identity, first.name, iso(first.since)) == ("g1", "Name of g1", iso(kit.wall() - 3))
    assert first.message_id == kit.stored("lounge")[-3].message_id


def test_for_a_turn_among_all_rooms_and_for_an_extension_that_went(kit: Kit, lounge: dict[str, str]) -> None:
    kit.extension(X)
    kit.set_mode("lounge", RequestMode.IMMEDIATE)
    kit.submit(lounge["mas"], "mine", "r0")
    kit.submit(lounge["mas"], "mine, too", "r1")
    kit.submit(lounge["g1"], "q", "r2", room="lounge")
    kit.submit(lounge["g2"], "q", "r3", room="lounge")
    assert places(kit, lounge["g1"]) == [("r2", "turn", 1, 3, X), ("r3", "turn", 2, 3, X)]
    assert places(kit, lounge["mas"], "mas") == [("r1", "turn", 3, 3, X)]
    kit.disconnect_all(X)
    kit.submit(lounge["g2"], "q", "r4", room="lounge")
    assert places(kit, lounge["mas"], "mas") == [("r0", "extension", 1, 4, X), ("r1", "extension", 4, 4, X)]
    assert places(kit, lounge["g1"]) == [
        ("r2", "extension", 2, 4, X),
        ("r3", "extension", 3, 4, X),
        ("r4", "extension", 1, 1, ""),
    ]


def test_what_is_merged_stands_where_its_whole_does(kit: Kit, lounge: dict[str, str]) -> None:
    kit.extension(X)
    kit.submit(lounge["mas"], "mine", "r0")
    kit.submit(lounge["g1"], "q", "r1", room="lounge")
    kit.submit(lounge["mas"], "go", "r2", room="lounge")
    assert places(kit, lounge["g2"]) == [("r1", "turn", 1, 1, X), ("r2", "turn", 1, 1, X)]


def test_at_several_extensions_where_it_comes_soonest(kit: Kit, lounge: dict[str, str]) -> None:
    for each in (X, "SillyTavern-8001"):
        kit.extension(each)
    kit.set_mode("lounge", RequestMode.IMMEDIATE)
    kit.submit(lounge["mas"], "q", "r0", room="lounge", targets=(X, "SillyTavern-8001"))
    kit.submit(lounge["g1"], "q", "r1", room="lounge", targets=(X,))
    kit.submit(lounge["g2"], "q", "r2", room="lounge", targets=(X, "SillyTavern-8001"))
    assert places(kit, lounge["mas"]) == [("r1", "turn", 1, 2, X), ("r2", "turn", 1, 1, "SillyTavern-8001")]


def test_words_for_oneself_are_seen_by_oneself(kit: Kit, lounge: dict[str, str]) -> None:
    kit.extension(X)
    kit.set_mode("lounge", RequestMode.IMMEDIATE)
    kit.submit(lounge["mas"], "mine", "r0")
    kit.submit(lounge["g1"], "", "r1", room="lounge", request_type="impersonate")
    assert [place[0] for place in places(kit, lounge["g1"])] == ["r1"]
    assert places(kit, lounge["mas"]) == []


def test_only_for_who_reads_the_room(kit: Kit, lounge: dict[str, str]) -> None:
    out = kit.connect("out")
    for room in ("lounge", "nowhere"):
        error = failure_of(seen_of(kit, out, room))
        assert (str(error), error.error_code) == ("Room not found", 302)
    assert kit.talk.lines.seen(OPERATOR, "lounge") == []
