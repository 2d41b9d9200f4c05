"""An extension says that it will answer, or that it is too busy (contract 5.4, A32)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.logger import capturedLogs

from hubkit import Kit, Link, result_of
from newage.domain.model import RequestMode
from newage.ports import Said
from newage.services.streams.cancelling import Which

X = "SillyTavern-8000"


@pytest.fixture
def sid(kit: Kit) -> str:
    return kit.connect("web1", stream_mode="plain")


@pytest.fixture
def link(kit: Kit) -> Link:
    return kit.extension(X, features=("accept", "cancel"))


def speaker(kit: Kit, extension: str = X) -> Any:
    return kit.caller(kit.sessions.sids(extension, "/llm")[-1])


def accept(kit: Kit, request_id: str, where: str = "chat", position: int | None = None) -> None:
    kit.talk.taking.accept(speaker(kit), request_id, where, position)


def busy(kit: Kit, request_id: str, after_ms: float | None = None, reason: str = "") -> None:
    kit.talk.taking.busy(speaker(kit), request_id, after_ms, reason)


def told(kit: Kit, sid: str, status: str) -> list[dict[str, Any]]:
    return [body for body in kit.outbox.bodies(sid, "REQUEST_STATUS_UPDATE") if body["status"] == status]


def names(link: Link) -> list[str]:
    return [each["requestId"] for each in link.forwarded]


def begin(kit: Kit, request_id: str) -> None:
    kit.streams.stream_data(Said(X, f"s{request_id}", f"o{request_id}", request_id), 0, "so")


def warnings(logs: Sequence[Any]) -> list[str]:
    return [str(each["what"]) for each in logs if each.get("warning_code") == 72]


def test_who_asked_hears_where_it_is_answered_once_and_at_each_change(kit: Kit, sid: str, link: Link) -> None:
    kit.submit(sid, "q", "r1")
    for where, position in (("chat", 2), ("chat", 2), ("chat", 1), ("chat", None), ("chat", None)):
        accept(kit, "r1", where, position)
    found = told(kit, sid, "accepted")
    assert [(each["where"], each.get("position")) for each in found] == [("chat", 2), ("chat", 1), ("chat", None)]


def test_it_is_a_sign_of_life(kit: Kit, sid: str, link: Link) -> None:
    kit.submit(sid, "q", "r1")
    for _ in range(60):
        accept(kit, "r1", "headless")
        kit.clock.pump([5] * 4)
    assert kit.statuses(sid) == ["forwarded", "accepted"]
    kit.clock.pump([5] * 121)
    assert kit.statuses(sid)[-1] == "expired"


def test_what_is_not_its_own_or_not_declared_is_ignored_and_logged(kit: Kit, sid: str, link: Link) -> None:
    kit.extension("SillyTavern-1")
    kit.submit(sid, "q", "r1")
    kit.submit(sid, "q", "r2", targets=("SillyTavern-1",))
    with capturedLogs() as logs:
        accept(kit, "r2")
        busy(kit, "r2")
        kit.talk.taking.accept(speaker(kit, "SillyTavern-1"), "r2", "chat", None)
        kit.talk.taking.accept(kit.caller(sid), "r1", "chat", None)
        kit.talk.taking.busy(kit.caller(sid), "r1", None, "")
        for _ in range(20):
            busy(kit, "unknown")
    assert len(warnings(logs)) == 5
    assert kit.statuses(sid) == ["forwarded", "forwarded"]


def test_one_page_says_nothing_of_what_another_was_asked(kit: Kit, sid: str, link: Link) -> None:
    kit.submit(sid, "q", "r1")
    kit.extension(X, features=("accept",))
    busy(kit, "r1")
    assert kit.statuses(sid) == ["forwarded"]


def test_what_is_over_is_ignored(kit: Kit, sid: str, link: Link) -> None:
    kit.submit(sid, "q", "r1")
    result_of(kit.cancelling.cancel(kit.caller(sid), Which(request_id="r1")))
    accept(kit, "r1")
    busy(kit, "r1")
    assert kit.statuses(sid)[-1] == "cancelled"


def test_busy_puts_it_at_the_head_of_its_turn(kit: Kit, sid: str, link: Link) -> None:
    kit.submit(sid, "one", "r1")
    kit.submit(sid, "two", "r2")
    busy(kit, "r1", 4000, "Saving.")
    queued = told(kit, sid, "queued")[-1]
    assert (queued["requestId"], queued["waitsFor"], queued["position"]) == ("r1", "turn", 1)
    assert queued["message"] == "Saving."
    kit.clock.advance(3.9)
    assert names(link) == ["r1"]
    kit.clock.advance(0.1)
    assert names(link) == ["r1", "r1"]
    assert kit.statuses(sid, "r1") == ["forwarded", "queued", "forwarded"]
    begin(kit, "r1")
    kit.streams.stream_ended(Said(X, "sr1", "or1", "r1"), final=True)
    assert names(link) == ["r1", "r1", "r2"]


@pytest.mark.parametrize(("said", "seconds"), [(None, 2), (0, 0.5), (-1, 0.5), (10**9, 60), (750.0, 0.75)])
def test_when_it_is_asked_again(kit: Kit, sid: str, link: Link, said: float | None, seconds: float) -> None:
    kit.submit(sid, "q", "r1")
    busy(kit, "r1", said)
    kit.clock.advance(seconds - 0.01)
    assert names(link) == ["r1"]
    kit.clock.advance(0.02)
    assert names(link) == ["r1", "r1"]


def test_others_of_its_room_wait_behind_it_and_other_rooms_go_on(kit: Kit, sid: str) -> None:
    link = kit.extension(X, features=("accept",), capacity=3)
    kit.group("lounge", "web1", RequestMode.IMMEDIATE)
    kit.submit(sid, "q", "r1")
    busy(kit, "r1")
    kit.submit(sid, "q", "r2")
    kit.submit(sid, "q", "r3", room="lounge")
    assert names(link) == ["r1", "r3"]
    kit.clock.advance(2)
    assert names(link) == ["r1", "r3", "r1", "r2"]


def test_its_time_stops_and_a_page_that_comes_back_may_be_free(kit: Kit, sid: str, link: Link) -> None:
    kit.submit(sid, "q", "r1")
    busy(kit, "r1", 60_000)
    kit.disconnect_all(X)
    again = kit.extension(X, features=("accept",))
    assert names(again) == ["r1"]


def test_it_fails_when_it_was_too_busy_too_often(kit: Kit, sid: str, link: Link) -> None:
    kit.change("requests", max_busy=3)
    kit.submit(sid, "q", "r1")
    kit.submit(sid, "q", "r2")
    for _ in range(2):
        busy(kit, "r1", 60_000)
        kit.clock.advance(60)
    assert kit.statuses(sid, "r1")[-1] == "forwarded"
    busy(kit, "r1", 60_000, "Saving.")
    (error,) = kit.outbox.bodies(sid, "ERROR")
    assert (error["message"], error["errorCode"], error["error"]) == ("The extension is busy", 9, "Saving.")
    assert kit.statuses(sid, "r1")[-1] == "failed"
    assert names(link) == ["r1", "r1", "r1", "r2"]


def test_after_its_first_token_or_said_twice_it_counts_for_nothing(kit: Kit, sid: str, link: Link) -> None:
    kit.submit(sid, "q", "r1")
    busy(kit, "r1")
    busy(kit, "r1", 60_000)
    kit.clock.advance(2)
    begin(kit, "r1")
    busy(kit, "r1")
    assert kit.statuses(sid) == ["forwarded", "queued", "forwarded"]
    kit.streams.stream_ended(Said(X, "sr1", "or1", "r1"), final=True)
    assert kit.statuses(sid)[-1] == "completed"


@pytest.mark.parametrize("how", [accept, begin])
def test_one_that_takes_it_after_all_is_not_asked_again(kit: Kit, sid: str, link: Link, how: Any) -> None:
    kit.submit(sid, "q", "r1")
    busy(kit, "r1")
    how(kit, "r1")
    kit.clock.advance(2)
    assert names(link) == ["r1"]
    (request,) = kit.ledger.awaited_of(X)
    assert (request.state, request.given, request.timed) == ("forwarded", True, True)


def test_what_is_changed_or_taken_back_meanwhile(kit: Kit, sid: str, link: Link) -> None:
    """A18: it waits again, as what was never sent."""
    kit.submit(sid, "q", "r1")
    busy(kit, "r1")
    (request,) = kit.ledger.awaited_of(X)
    assert (request.state, request.given, request.timed) == ("queued", False, False)
    assert [each.state for each in result_of(kit.request_store.load_requests())] == ["queued"]
    result_of(kit.editing.delete(kit.caller(sid), "web1", [request.message_id]))
    kit.clock.advance(2)
    assert names(link) == ["r1"]
    assert kit.statuses(sid)[-1] == "expired"


def test_another_extension_that_has_it_goes_on(kit: Kit, sid: str, link: Link) -> None:
    other = kit.extension("SillyTavern-1", features=("accept",))
    kit.submit(sid, "q", "r1", targets=(X, "SillyTavern-1"))
    busy(kit, "r1")
    assert kit.statuses(sid) == ["forwarded"]
    kit.clock.advance(2)
    assert (names(link), names(other)) == (["r1", "r1"], ["r1"])


def test_it_is_asked_again_however_slow_the_store_is(kit: Kit, sid: str, link: Link) -> None:
    kit.submit(sid, "q", "r1")
    kit.request_gate.shut = True
    busy(kit, "r1")
    assert kit.statuses(sid) == ["forwarded", "queued"]
    kit.request_gate.open()
    kit.clock.advance(2)
    assert names(link) == ["r1", "r1"]
