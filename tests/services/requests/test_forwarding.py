"""What leaves on behalf of a request, to its extensions and to who asked (contract 5.3, 5.4, 5.8)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hubkit import Kit
from newage.domain.model import Message, RequestMode, Role
from newage.domain.request import Ask, Request
from newage.errors import CallFailed
from newage.services.requests.forwarding import Forwarder

X = "SillyTavern-8000"


@pytest.fixture
def forwarder(kit: Kit) -> Forwarder:
    return Forwarder(kit.outbox, kit.sessions, kit.activity, kit.pacer)


@pytest.fixture
def request_of_web(kit: Kit) -> Request:
    kit.connect("web1")
    return Request(
        request_id="r1",
        identity="web1",
        client_id="web1",
        room="web1",
        room_id=kit.room_id("web1"),
        role=Role.MASTER,
        mode=RequestMode.DEFAULT,
        message_id="m1",
        ask=Ask(request_id="r1", text="", streaming=True),
        created_at=0,
        active_at=0,
        targets=(X,),
    )


def said(text: str) -> Message:
    return Message(message_id=f"m-{text}", room="web1", seq=1, identity="web1", text=text)


def test_an_extension_gets_it_under_its_own_id_and_is_shown_at_work(
    kit: Kit, forwarder: Forwarder, request_of_web: Request
) -> None:
    link = kit.extension(X)
    kit.outbox.clear()
    forwarder.forward(X, "x1", request_of_web, [("r1", said("hi"))], (said("before"),))
    (got,) = link.forwarded
    assert (got["requestId"], got["message"], got["target"], got["isStreaming"]) == ("x1", "hi", X, True)
    assert [each["message"] for each in got["context"]] == ["before"]
    assert "isMerged" not in got["currentRequest"]
    shown = kit.outbox.bodies(kit.sessions.sids("web1", "/llm")[0], "MEMBER_STATUS_UPDATE")
    assert [(body["identity"], body["status"]) for body in shown] == [(X, "processing")]


def test_what_waited_is_sent_before_it_in_one_text(kit: Kit, forwarder: Forwarder, request_of_web: Request) -> None:
    link = kit.extension(X)
    forwarder.forward(X, "x1", request_of_web, [("r7", said("one")), ("r8", said(" ")), ("r1", said("go"))], ())
    current = link.forwarded[0]["currentRequest"]
    assert (current["message"], current["originalRequestIds"]) == ("one\n\ngo", ["r7", "r8", "r1"])


def test_an_extension_that_went_gets_nothing(kit: Kit, forwarder: Forwarder, request_of_web: Request) -> None:
    kit.outbox.clear()
    forwarder.forward(X, "x1", request_of_web, [("r1", said("hi"))], ())
    assert kit.outbox.sent == []


@pytest.mark.parametrize(
    ("say", "event", "members"),
    [
        (
            lambda forwarder, request: forwarder.report(request, CallFailed("no"), X, "Got 500"),
            "ERROR",
            {"message": "no", "errorCode": 502, "source": X, "error": "Got 500"},
        ),
        (lambda forwarder, request: forwarder.warn(request, "ah"), "WARNING", {"message": "ah"}),
    ],
)
def test_all_sockets_of_who_asked_hear_what_went_wrong(
    kit: Kit,
    forwarder: Forwarder,
    request_of_web: Request,
    say: Callable[[Forwarder, Request], None],
    event: str,
    members: dict[str, object],
) -> None:
    kit.connect("web1")
    kit.connect("web2")
    kit.outbox.clear()
    say(forwarder, request_of_web)
    first, second = kit.outbox.sent
    assert {first.sid, second.sid} == set(kit.sessions.sids("web1", "/llm"))
    assert first.event == second.event == event
    assert members.items() <= first.body.items()
    assert first.body["requestId"] == "r1"
