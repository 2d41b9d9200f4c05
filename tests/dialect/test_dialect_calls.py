"""Function calls on the wire (contract 7.1-7.3)."""

from __future__ import annotations

from typing import Any

import pytest

from newage.dialect import calls
from newage.domain.calls import FunctionCall
from newage.domain.model import Caller, Peer, Session
from newage.errors import FunctionMissing

UNKNOWN = "An unknown error occurred."


def test_a_call_names_its_caller_and_the_callees_client() -> None:
    caller = Caller(
        sid="s", namespace="/function_call", session=Session(client_id="web1", identity="web1-a"), peer=Peer("::1")
    )
    callee = Session(client_id="SillyTavern-8000", identity="SillyTavern-8000-tab")
    call = FunctionCall(name="f", args=(1, "b"), target="SillyTavern-8000-tab", request_id="r1")
    body = {
        "functionName": "f",
        "args": [1, "b"],
        "target": "SillyTavern-8000",
        "sourceClientId": "web1",
        "sourceIdentity": "web1-a",
    }
    assert calls.forwarded(call, caller, callee) == {"requestId": "r1", **body}
    assert calls.forwarded(FunctionCall(name="f", args=(1, "b")), caller, callee) == body


def test_both_forms_of_an_answer() -> None:
    assert calls.succeeded(None, [1]) == {"success": True, "status": "ok", "result": [1]}
    assert calls.failed(7, FunctionMissing("none")) == {
        "requestId": 7,
        "success": False,
        "status": "error",
        "error": {"message": "none", "code": 501},
        "message": "none",
        "errorCode": 501,
    }


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"requestId": "theirs", "success": True, "result": 1}, {"success": True, "status": "ok", "result": 1}),
        ({"success": True}, {"success": True, "status": "ok", "result": None}),
        ({"status": "ok", "more": 2}, {"success": True, "status": "ok", "result": None, "more": 2}),
    ],
)
def test_a_callees_success_is_passed_on(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    assert calls.relayed("r1", answer) == {"requestId": "r1", **expected}


@pytest.mark.parametrize(
    ("answer", "message", "code"),
    [
        ({"success": False, "error": {"message": "m", "code": 501}}, "m", 501),
        ({"success": False, "error": "text"}, "text", 502),
        ({"success": False, "message": "text"}, "text", 502),
        ({"success": False, "error": {"message": {}}}, UNKNOWN, 502),
        ({"status": "error"}, UNKNOWN, 502),
        ("ok", UNKNOWN, 502),
        (None, UNKNOWN, 502),
    ],
)
def test_a_callees_failure_is_put_in_the_hubs_form(answer: object, message: str, code: int) -> None:
    body = calls.relayed("r1", answer)
    assert (body["requestId"], body["success"], body["status"]) == ("r1", False, "error")
    assert (body["message"], body["error"]["message"], body["error"]["code"]) == (message, message, code)
