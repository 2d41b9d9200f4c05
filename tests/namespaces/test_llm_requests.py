"""CANCEL_REQUEST as it comes in (contract 5.8)."""

from __future__ import annotations

from typing import Any

import pytest

from hubkit import HandSocket, Kit, handled
from newage.domain.model import Role
from newage.errors import InvalidRequest
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.llm_requests import parse_which
from newage.services.streams.cancelling import Which


def test_it_names_a_request() -> None:
    assert parse_which({"requestId": 7, "identity": "ann"}) == Which(request_id="7", identity="ann")
    assert parse_which({"messageId": "m"}) == Which(request_id=None, message_id="m")


@pytest.mark.parametrize(
    "payload", [None, {}, [], "r1", {"requestId": {}}, {"requestId": "r", "identity": []}, {"identity": "ann"}]
)
def test_one_that_names_none_is_refused(payload: Any) -> None:
    with pytest.raises(InvalidRequest):
        parse_which(payload)


def test_it_is_acked(kit: Kit, llm: Namespace) -> None:
    kit.extension()
    socket = HandSocket(kit, kit.connect("web1"))
    kit.submit(socket.sid, "q", "r1")
    ack = handled(llm, socket, "CANCEL_REQUEST", {"requestId": "r1"})
    assert ack == {"status": "ok", "success": True, "requestId": "r1", "state": "cancelled", "outputs": []}
    again = handled(llm, socket, "CANCEL_REQUEST", {"requestId": "r1"})
    assert (again["status"], again["state"], again["message"]) == ("warning", "cancelled", "The request is over.")
    assert handled(llm, socket, "CANCEL_REQUEST", {"requestId": "r2"})["errorCode"] == 7


def test_an_extension_takes_a_request_or_is_busy(kit: Kit, llm: Namespace) -> None:
    link = kit.extension("SillyTavern-1", features=("accept",))
    asker, speaker = kit.connect("web1"), HandSocket(kit, kit.sessions.sids("SillyTavern-1", "/llm")[0])
    kit.submit(asker, "q", "r1")
    odd: list[Any] = [{}, None, 1, {"where": "chat"}, {"requestId": "r1"}, {"requestId": "r1", "where": []}]
    for event in ("ACCEPT_REQUEST", "BUSY"):
        handled(llm, speaker, event, ack=False)
        for body in odd if event == "ACCEPT_REQUEST" else odd[:4]:
            assert handled(llm, speaker, event, body) is None
    assert kit.statuses(asker) == ["forwarded"]
    for position in (3, -1, True, "x"):
        handled(llm, speaker, "ACCEPT_REQUEST", {"requestId": "r1", "where": "chat", "position": position})
    told = kit.outbox.bodies(asker, "REQUEST_STATUS_UPDATE")[1:]
    assert [(body["status"], body.get("position")) for body in told] == [("accepted", 3), ("accepted", None)]
    for after in ("x", True, None, float("inf"), 2000.0, 10**400):
        handled(llm, speaker, "BUSY", {"requestId": "r1", "retryAfterMs": after, "reason": "later"})
        kit.clock.advance(60 if after == 10**400 else 2)
    assert len(link.forwarded) == 7


def test_the_queue_of_a_room_is_read_and_submitted(kit: Kit, llm: Namespace) -> None:
    kit.extension()
    guest, master = HandSocket(kit, kit.connect("g1")), HandSocket(kit, kit.connect("mas", outputs=True))
    kit.group("lounge", "mas", g1=Role.GUEST)
    kit.submit(guest.sid, "q", "r1", room="lounge")
    ack = handled(llm, guest, "GET_QUEUE", {"roomName": "lounge"})
    message_id = kit.stored("lounge")[-1].message_id
    assert ack["entries"] == [
        {
            "requestId": "r1",
            "identity": "g1",
            "name": None,
            "messageId": message_id,
            "since": "2023-11-14T22:13:20.000Z",
            "waitsFor": "host",
            "position": 1,
        }
    ]
    assert handled(llm, guest, "GET_QUEUE", "lounge")["entries"] == ack["entries"]
    assert handled(llm, guest, "GET_QUEUE")["entries"] == []
    assert handled(llm, guest, "SUBMIT_QUEUE", "lounge")["message"] == "Unauthorized"
    odd: Any
    for odd in ({}, [], {"roomName": "lounge", "requestId": {}}):
        assert not handled(llm, master, "SUBMIT_QUEUE", odd)["success"]
    ack = handled(llm, master, "SUBMIT_QUEUE", {"roomName": "lounge", "requestId": 7})
    assert ack == {
        "status": "ok",
        "success": True,
        "message": "Request received.",
        "requestId": "7",
        "messageId": message_id,
        "questionId": message_id,
        "roomName": "lounge",
        "state": "forwarded",
    }
    assert handled(llm, master, "SUBMIT_QUEUE", "lounge")["errorCode"] == 7
