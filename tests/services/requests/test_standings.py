"""Where one's requests stand, for who was away when it was said (contract 5.7.7)."""

from __future__ import annotations

from typing import Any

import pytest

from hubkit import Kit
from newage.dialect import requests
from newage.domain.model import Role
from newage.errors import BadParameter, ClientMissing
from newage.ports import Said

A, B = "tavern-a", "tavern-b"


@pytest.fixture
def sid(kit: Kit) -> str:
    for extension in (A, B):
        kit.extension(extension, features=("accept", "cancel"))
    return kit.connect("web1", outputs=True)


def standing(kit: Kit, sid: str, *request_ids: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = requests.standings(kit.talk.standings.of(kit.caller(sid), request_ids))["requests"]
    return found


def answer(kit: Kit, extension: str, request: str = "r1") -> None:
    kit.streams.answered(Said(extension, output=f"o-{extension}", request=request), "so")
    kit.settle()


def test_a_live_one_and_who_is_to_answer_it(kit: Kit, sid: str) -> None:
    kit.submit(sid, "hi", "r1")
    expected = {"requestId": "r1", "roomName": "web1", "mode": "Default", "status": "forwarded", "live": True}
    assert standing(kit, sid, "r1", "r1") == [{**expected, "targets": [A]}]


def test_one_that_waits_says_for_what_and_its_place(kit: Kit, sid: str) -> None:
    kit.group("lounge", "web1", guest1=Role.GUEST)
    guest = kit.connect("guest1", outputs=True)
    for number in ("g1", "g2"):
        kit.submit(guest, "words", number, room="lounge")
    assert [(each["waitsFor"], each["position"]) for each in standing(kit, guest, "g1", "g2")] == [
        ("host", 1),
        ("host", 2),
    ]
    kit.submit(sid, "hi", "r1", targets=(A,))
    kit.submit(sid, "all", "r2", room="lounge", targets=(A,))
    kit.submit(sid, "more", "r3", targets=(A,))
    one, two, three = standing(kit, sid, "r1", "r2", "r3")
    assert "waitsFor" not in one
    assert [(each["status"], each["waitsFor"], each["position"]) for each in (two, three)] == [
        ("queued", "turn", 1),
        ("queued", "turn", 2),
    ]
    (merged,) = standing(kit, guest, "g1")
    assert (merged["status"], merged["waitsFor"], merged["position"]) == ("merged", "turn", 1)
    kit.disconnect_all(A)
    assert [(each["waitsFor"], each["position"]) for each in standing(kit, sid, "r1", "r2", "r3")] == [
        ("extension", 1),
        ("extension", 2),
        ("extension", 3),
    ]


def test_one_that_was_taken_says_where_and_the_place_there(kit: Kit, sid: str) -> None:
    kit.submit(sid, "hi", "r1", targets=(A, B))
    (extension,) = kit.sessions.callers(A, "/llm")
    kit.talk.taking.accept(extension, "r1", "chat", 2)
    (found,) = standing(kit, sid, "r1")
    assert (found["status"], found["where"], found["position"]) == ("accepted", "chat", 2)
    answer(kit, A)
    (found,) = standing(kit, sid, "r1")
    assert (found["status"], found["remaining"], "where" in found) == ("processing", 1, False)


def test_one_that_went_to_another_extension(kit: Kit, sid: str) -> None:
    kit.submit(sid, "hi", "r1", failover=True)
    kit.streams.failed(Said(A, request="r1"), "no model", None)
    kit.settle()
    (found,) = standing(kit, sid, "r1")
    assert (found["status"], found["live"], found["targets"]) == ("forwarded", True, [B])
    assert "errorCode" not in found


def test_what_became_of_one_that_is_over(kit: Kit, sid: str) -> None:
    kit.submit(sid, "hi", "r1")
    answer(kit, A)
    kit.submit(sid, "hi", "r2")
    kit.streams.failed(Said(A, request="r2"), "no model", None)
    done, failed = standing(kit, sid, "r1", "r2")
    (stored,) = kit.responses("web1")
    assert (done["status"], done["live"], done["responseId"]) == ("completed", False, stored.response_id)
    assert (failed["status"], failed["message"], failed["errorCode"]) == ("failed", "no model", 502)
    kit.submit(sid, "hi", "r3", targets=(B,))
    kit.clock.pump([1] * 61)
    (silent,) = standing(kit, sid, "r3")
    assert (silent["status"], silent["errorCode"], silent["code"]) == ("failed", 8, "timeout")


def test_one_whose_ack_says_that_it_failed(kit: Kit) -> None:
    sid = kit.connect("web1", outputs=True)
    with pytest.raises(ClientMissing) as caught:
        kit.submit(sid, "hi", "r1")
    (failed,) = standing(kit, sid, "r1")
    assert (failed["status"], failed["message"]) == ("failed", str(caught.value))
    assert (failed["errorCode"], failed["code"]) == (caught.value.error_code, caught.value.code)


def test_one_that_was_taken_back(kit: Kit, sid: str) -> None:
    kit.submit(sid, "hi", "r1")
    request = kit.talk.ledger.get("web1", "r1")
    assert request is not None
    kit.talk.ledger.cancel(request, "web1")
    (found,) = standing(kit, sid, "r1")
    assert (found["status"], found["by"], found["live"]) == ("cancelled", "web1", False)


def test_one_that_was_merged_stands_where_its_whole_does(kit: Kit, sid: str) -> None:
    guest = kit.connect("guest1", outputs=True)
    kit.group("lounge", "web1", guest1=Role.GUEST)
    kit.submit(guest, "words", "g1", room="lounge")
    assert [(each["status"], each["live"]) for each in standing(kit, guest, "g1")] == [("queued", True)]
    kit.submit(sid, "all", "r1", room="lounge")
    (merged,) = standing(kit, guest, "g1")
    assert (merged["status"], merged["mergedInto"], merged["live"], merged["targets"]) == ("merged", "r1", True, [A])
    answer(kit, A)
    (over,) = standing(kit, guest, "g1")
    assert (over["status"], over["mergedInto"], over["live"]) == ("completed", "r1", False)


def test_another_ones_and_what_is_long_over_is_gone(kit: Kit, sid: str) -> None:
    other = kit.connect("web2", outputs=True)
    kit.submit(sid, "hi", "r1")
    gone = [{"requestId": "r1", "status": "gone", "live": False}]
    assert standing(kit, other, "r1") == gone
    answer(kit, A)
    kit.clock.pump([1] * 70)
    assert standing(kit, sid, "r1") == gone
    assert standing(kit, sid) == []


def test_its_number_is_limited(kit: Kit) -> None:
    kit.change("requests", resume_requests=2)
    kit.talk.standings.check(("a", "b"))
    with pytest.raises(BadParameter, match=r"At most 2 requests at once\."):
        kit.talk.standings.check(("a", "b", "c"))
