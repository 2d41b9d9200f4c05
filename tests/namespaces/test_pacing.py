"""Every event that others hear of has a rate (A39)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corekit import ThreadedClock, ephemeral_core
from hubkit import HandSocket, Kit
from newage.gateway.socketio.dispatch import Handler
from newage.namespaces.pacing import ANSWERED, ASKED, ELSEWHERE, HEARD, paced


def events(tmp_path: Path) -> set[str]:
    core = ephemeral_core(tmp_path, ThreadedClock())
    return {event for namespace in core.dispatcher.namespaces() for event in namespace.handlers}


def test_of_every_event_it_is_said_who_hears_of_it(tmp_path: Path) -> None:
    """Whoever adds an event decides: it has a rate, nobody hears of it, or it is bounded elsewhere."""
    listed = sorted([*HEARD, *ASKED, *ANSWERED, *ELSEWHERE])
    assert sorted(events(tmp_path)) == listed, "say in namespaces/pacing.py who hears of what"


@pytest.fixture
def socket(kit: Kit) -> HandSocket:
    return HandSocket(kit, kit.connect("web1", "/rooms"))


def taken(socket: Any, args: list[Any], wants_ack: bool) -> list[Any] | None:
    return ["taken"]


@pytest.mark.parametrize("event", [*HEARD, "AN_EVENT_OF_TOMORROW"])
def test_past_its_rate_it_is_refused_in_words(kit: Kit, socket: HandSocket, event: str) -> None:
    handler: Handler = paced(kit.talk.rates, {event: taken})[event]
    answers = [handler(socket, [{"requestId": "r"}], True) for _ in range(61)]
    refused = [answer for answer in answers if answer != ["taken"]]
    assert len(refused) == (56 if event == "EDIT_MESSAGE" else 1)
    ack: Any = refused[0]
    assert ack[0]["message"] == "Too many events."
    assert ack[0]["errorCode"] == 9
    (error, *_) = kit.outbox.bodies(socket.sid, "ERROR")
    assert (error["message"], error["requestId"]) == ("Too many events.", "r")
    kit.clock.advance(1)
    assert handler(socket, [], False) == ["taken"]
    kit.clock.advance(20)


@pytest.mark.parametrize("event", ["GET_ROOMS", "LLM_REQUEST", "CLIENT_STREAM_DATA_MIDDLE"])
def test_what_is_not_heard_is_the_handler_itself(kit: Kit, event: str) -> None:
    assert paced(kit.talk.rates, {event: taken})[event] is taken


def test_all_sockets_and_namespaces_of_an_identity_share_its_rate(kit: Kit, socket: HandSocket) -> None:
    other = HandSocket(kit, kit.connect("web1", "/llm"))
    handlers = paced(kit.talk.rates, {"JOIN_ROOM": taken, "MUTE_MEMBER": taken})
    for _ in range(30):
        assert handlers["JOIN_ROOM"](socket, [], True) == ["taken"]
        assert handlers["MUTE_MEMBER"](other, [], True) == ["taken"]
    assert handlers["MUTE_MEMBER"](other, [], True) != ["taken"]
