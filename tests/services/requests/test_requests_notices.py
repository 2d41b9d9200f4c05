"""What became of a request is told when its requester returns, within bounds (contract 5.3, A35)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from zope.interface.verify import verifyObject

from hubkit import Kit, faults, result_of
from newage.ports import IRequestListener, Said
from newage.services.requests.limits import RequestSettings

X = "SillyTavern-8000"


@pytest.fixture
def sid(kit: Kit) -> str:
    kit.extension(X)
    return kit.connect("web1")


def fail_away(kit: Kit, request_id: str, who: str = "web1") -> None:
    """It asks, goes, and what it asked fails."""
    sid = kit.sessions.newest(who, "/llm") or kit.connect(who)
    kit.submit(sid, "q", request_id)
    kit.disconnect(sid)
    kit.streams.failed(Said(X, request=request_id), f"no {request_id}", None)


def heard(kit: Kit, sid: str) -> list[tuple[str, str]]:
    return [(body["requestId"], body["message"]) for body in kit.outbox.bodies(sid, "ERROR")]


def test_it_hears_how_requests_end(kit: Kit) -> None:
    assert verifyObject(IRequestListener, kit.requests._notices)


def test_who_was_away_is_told_once(kit: Kit, sid: str) -> None:
    fail_away(kit, "r1")
    assert heard(kit, kit.connect("web1", "/rooms")) == []
    back = kit.connect("web1")
    assert heard(kit, back) == [("r1", "no r1")]
    assert kit.outbox.bodies(back, "REQUEST_STATUS_UPDATE")[0]["status"] == "failed"
    assert heard(kit, kit.connect("web1")) == []
    assert result_of(kit.request_store.load_notices()) == ()


def test_who_is_there_and_what_is_answered_leaves_none(kit: Kit, sid: str) -> None:
    kit.submit(sid, "q", "r1")
    kit.streams.failed(Said(X, request="r1"), "no", None)
    kit.submit(sid, "q", "r2")
    kit.disconnect(sid)
    kit.streams.answered(Said(X), "a")
    assert result_of(kit.request_store.load_notices()) == ()
    assert heard(kit, kit.connect("web1")) == []


def test_it_is_for_the_client_that_asked(kit: Kit, sid: str) -> None:
    fail_away(kit, "r1")
    kit.clock.advance(3)
    assert heard(kit, kit.connect("other", identity="web1")) == []
    kit.disconnect_all("web1")
    kit.clock.advance(3)
    assert heard(kit, kit.connect("web1")) == [("r1", "no r1")]


def test_it_survives_a_restart_for_the_rest_of_its_time(kit: Kit, sid: str, make_kit: Callable[..., Kit]) -> None:
    fail_away(kit, "r1")
    kit.clock.advance(86_000)
    after = make_kit(with_stores_of=kit)
    after.clock.advance(399)
    assert heard(after, after.connect("web1")) == [("r1", "no r1")]


def test_after_its_time_it_is_not_told(kit: Kit, sid: str, make_kit: Callable[..., Kit]) -> None:
    fail_away(kit, "r1")
    kit.step(1e9)
    assert result_of(make_kit(with_stores_of=kit).request_store.load_notices()) == ()
    kit.clock.advance(86_400)
    fail_away(kit, "r2", "web2")
    assert heard(kit, kit.connect("web1")) == []


def test_the_oldest_go_where_there_are_too_many(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(requests=RequestSettings(max_notices_per_identity=2, max_notices=3))
    kit.extension(X)
    sid = kit.connect("web1")
    for number in range(3):
        kit.submit(sid, "q", f"r{number}")
    kit.disconnect(sid)
    for number in range(3):
        kit.streams.failed(Said(X, request=f"r{number}"), "no", None)
    assert [n.events[0][1]["requestId"] for n in result_of(kit.request_store.load_notices())] == ["r1", "r2"]
    fail_away(kit, "s1", "web2")
    fail_away(kit, "t1", "web3")
    assert [n.identity for n in result_of(kit.request_store.load_notices())] == ["web1", "web2", "web3"]
    assert heard(kit, kit.connect("web1")) == [("r2", "no")]


def test_one_that_cannot_be_stored_is_one_line_and_told_all_the_same(kit: Kit, sid: str) -> None:
    kit.request_gate.broken = True
    logged = faults(lambda: fail_away(kit, "r1"))
    assert "a notice could not be stored" in [event["log_format"].split(":")[0] for event in logged]
    assert heard(kit, kit.connect("web1")) == [("r1", "no r1")]
