"""RESUME_OUTPUTS as it is said (contract 5.7.7)."""

from __future__ import annotations

from typing import Any

import pytest

from hubkit import HandSocket, Kit, handled, shown_output
from newage.errors import BadParameter, InvalidRequest
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.llm_outputs import OutputEvents, Resumption, parse_resumption
from newage.namespaces.pacing import paced
from newage.services.streams.cursor import Position
from newage.services.streams.output_text import OutputText
from newage.services.streams.resuming import Wanted


@pytest.fixture
def llm(kit: Kit) -> Namespace:
    namespace = Namespace("/llm", connect=lambda *_: None, disconnected=lambda *_: None)
    namespace.add(
        paced(kit.talk.rates, OutputEvents(resuming=kit.talk.resuming, standings=kit.talk.standings).handlers())
    )
    return namespace


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (None, Resumption(None, None, ())),
        ({"outputs": None}, Resumption(None, None, ())),
        ("lounge", Resumption("lounge", None, ())),
        ({"room": "lounge", "epoch": "e", "outputs": []}, Resumption("lounge", "e", ())),
        ({"epoch": ["e"]}, Resumption(None, "", ())),
        ({"requests": []}, Resumption(None, None, (), ())),
        ({"requests": ["r1", 7]}, Resumption(None, None, (), ("r1", "7"))),
        (
            {"outputs": [{"outputId": "o1", "at": 3, "reasoningAt": 2, "rev": 1}, {"outputId": 7, "at": None}]},
            Resumption(None, None, (Wanted("o1", Position(1, 3, 2)), Wanted("7", Position()))),
        ),
    ],
)
def test_what_it_reads(payload: Any, found: Resumption) -> None:
    assert parse_resumption(payload) == found


@pytest.mark.parametrize("outputs", ["o1", {}, 7, [None], ["o1"], [{}], [{"outputId": ""}], [{"outputId": True}]])
def test_what_is_no_list_of_outputs(outputs: Any) -> None:
    with pytest.raises(InvalidRequest):
        parse_resumption({"outputs": outputs})


@pytest.mark.parametrize("requests", ["r1", {}, 7, [None], [{}], [""], ["r1", True]])
def test_what_is_no_list_of_requests(requests: Any) -> None:
    with pytest.raises(InvalidRequest):
        parse_resumption({"requests": requests})


@pytest.mark.parametrize("member", ["at", "reasoningAt", "rev"])
@pytest.mark.parametrize("value", [-1, 0.5, "3", True, 2**60, []])
def test_what_is_no_position(member: str, value: Any) -> None:
    with pytest.raises(BadParameter, match=rf"^{member} must be a whole number"):
        parse_resumption({"outputs": [{"outputId": "o1", member: value}]})


def test_the_answer(kit: Kit, llm: Namespace) -> None:
    socket = HandSocket(kit, kit.connect("web1", outputs=True))
    output = OutputText()
    kit.downstream.show(output, shown_output(kit))
    output.push("hello")
    ack = handled(llm, socket, "RESUME_OUTPUTS", {"outputs": [{"outputId": "o1", "at": 2}, {"outputId": "o2"}]})
    live, gone = ack["outputs"]
    assert (ack["status"], ack["epoch"]) == ("ok", kit.downstream.epoch)
    assert (live["state"], live["from"], live["text"], live["rev"]) == ("live", 2, "llo", 0)
    assert live.keys() & {"more", "messageId", "character", "reasoning"} == set()
    assert gone == {"outputId": "o2", "state": "gone"}
    assert handled(llm, socket, "RESUME_OUTPUTS", {}, ack=False) is None


def test_where_requests_stand_is_said_to_who_asks_that(kit: Kit, llm: Namespace) -> None:
    kit.extension("tavern-a")
    socket = HandSocket(kit, kit.connect("web1", outputs=True))
    kit.submit(socket.sid, "hi", "r1")
    assert "requests" not in handled(llm, socket, "RESUME_OUTPUTS", {"outputs": []})
    assert handled(llm, socket, "RESUME_OUTPUTS", {"requests": []})["requests"] == []
    ack = handled(llm, socket, "RESUME_OUTPUTS", {"requests": ["r1", "r2"]})
    assert [(each["requestId"], each["status"], each["live"]) for each in ack["requests"]] == [
        ("r1", "forwarded", True),
        ("r2", "gone", False),
    ]


def test_it_is_refused_in_words(kit: Kit, llm: Namespace) -> None:
    plain = HandSocket(kit, kit.connect("web1"))
    ack = handled(llm, plain, "RESUME_OUTPUTS", {})
    assert (ack["errorCode"], ack["message"]) == (4, "Only sockets that declared outputs:true follow outputs.")
    ack = handled(llm, plain, "RESUME_OUTPUTS", {"outputs": [{"outputId": "o"}] * 65})
    assert ack["status"] == "error"
    follower = HandSocket(kit, kit.connect("web2", outputs=True))
    ack = handled(llm, follower, "RESUME_OUTPUTS", {"requests": ["r"] * 65})
    assert (ack["errorCode"], ack["message"]) == (3, "At most 64 requests at once.")


def test_five_in_a_second(kit: Kit, llm: Namespace) -> None:
    socket = HandSocket(kit, kit.connect("web1", outputs=True))
    assert [handled(llm, socket, "RESUME_OUTPUTS", {}, ack=False) for _ in range(9)] == [None] * 9
    acks = [handled(llm, socket, "RESUME_OUTPUTS", {}) for _ in range(6)]
    assert [ack["status"] for ack in acks] == ["ok"] * 5 + ["error"]
    assert (acks[5]["message"], acks[5]["errorCode"]) == ("Too many events.", 9)
    kit.clock.advance(0.2)
    assert handled(llm, socket, "RESUME_OUTPUTS", {})["status"] == "ok"
