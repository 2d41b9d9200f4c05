"""QUEUE_UPDATE: how what waits comes nearer (contract 5.4)."""

from __future__ import annotations

from hubkit import Kit
from newage.domain.model import RequestMode, Role
from newage.ports import Said

X = "SillyTavern-8000"


def told(kit: Kit, sid: str) -> list[tuple[str, str, int, int, str | None]]:
    bodies = kit.outbox.bodies(sid, "QUEUE_UPDATE")
    return [(b["requestId"], b["waitsFor"], b["position"], b["of"], b.get("extension")) for b in bodies]


def test_positions_go_down_once_a_second_for_who_follows(kit: Kit) -> None:
    kit.extension(X)
    follows, other = kit.connect("web1", outputs=True), kit.connect("web1")
    stranger = kit.connect("web1", identity="web2", outputs=True)
    for n in range(4):
        kit.submit(follows, "q", f"r{n}")
    assert told(kit, follows) == []
    kit.clock.advance(1)
    assert told(kit, follows) == [(f"r{n}", "turn", n, 3, X) for n in (1, 2, 3)]
    kit.clock.pump([1] * 3)
    assert len(told(kit, follows)) == 3
    kit.outbox.clear()
    kit.streams.answered(Said(X, request="r0"), "so")
    kit.streams.answered(Said(X, request="r1"), "so")
    assert told(kit, follows) == []
    kit.clock.advance(1)
    assert told(kit, follows) == [("r3", "turn", 1, 1, X)]
    assert (told(kit, other), told(kit, stranger)) == ([], [])
    assert kit.outbox.bodies(follows, "QUEUE_UPDATE")[0]["roomName"] == "web1"


def test_who_comes_back_is_told_anew_and_nothing_that_is_over(kit: Kit) -> None:
    kit.connect("mas")
    sid = kit.connect("g1", outputs=True)
    kit.group("lounge", "mas", g1=Role.GUEST)
    kit.extension(X)
    kit.submit(sid, "q", "r1", room="lounge")
    kit.submit(sid, "q", "r2", room="lounge")
    kit.clock.advance(1)
    kit.disconnect_all("g1")
    back = kit.connect("g1", outputs=True)
    kit.clock.advance(1)
    assert told(kit, back) == [("r1", "host", 1, 2, None), ("r2", "host", 2, 2, None)]
    kit.set_mode("lounge", RequestMode.MASTER_ONLY)
    kit.clock.pump([1, 1])
    assert len(told(kit, back)) == 2
    assert kit.talk.news._look is None


def test_only_the_socket_that_comes_is_told_again_what_the_others_know(kit: Kit) -> None:
    kit.extension(X)
    first = kit.connect("web1", outputs=True)
    kit.submit(first, "q", "r0")
    kit.submit(first, "q", "r1")
    kit.clock.advance(1)
    kit.connect("web1")
    second = kit.connect("web1", outputs=True)
    kit.clock.pump([1, 1])
    assert told(kit, first) == told(kit, second) == [("r1", "turn", 1, 1, X)]


def test_what_was_waiting_at_the_last_stop_is_told(kit: Kit) -> None:
    kit.connect("mas")
    sid = kit.connect("g1", outputs=True)
    kit.group("lounge", "mas", g1=Role.GUEST)
    kit.submit(sid, "q", "r1", room="lounge")
    again = Kit(with_stores_of=kit)
    back = again.connect("g1", outputs=True)
    again.clock.advance(1)
    assert told(again, back) == [("r1", "host", 1, 1, None)]
    again.close()
