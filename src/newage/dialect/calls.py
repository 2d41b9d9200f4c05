"""Function calls: what the callee gets, and both forms of the answer (contract 7.1-7.3)."""

from __future__ import annotations

from typing import Any

from newage.dialect import Body
from newage.domain.calls import FunctionCall
from newage.domain.model import Caller, Session
from newage.errors import CallFailed, NewAgeError

NAMESPACE = "/function_call"
CALL = "FUNCTION_CALL"
UNKNOWN_FAULT = "An unknown error occurred."


def forwarded(call: FunctionCall, caller: Caller, callee: Session) -> Body:
    """FUNCTION_CALL as a called client gets it; ``target`` is what the reference extension compares with its own id."""
    return {
        **_echo(call.request_id),
        "functionName": call.name,
        "args": list(call.args),
        "target": callee.client_id,
        "sourceClientId": caller.client_id,
        "sourceIdentity": caller.identity,
    }


def succeeded(request_id: object, result: Any) -> Body:
    return {**_echo(request_id), "success": True, "status": "ok", "result": result}


def failed(request_id: object, error: NewAgeError) -> Body:
    """The code is the number of contract 7.2, in both places where readers look for it."""
    message = str(error)
    return {
        **_echo(request_id),
        "success": False,
        "status": "error",
        "error": {"message": message, "code": error.error_code},
        "message": message,
        "errorCode": error.error_code,
    }


def relayed(request_id: object, answer: Any) -> Body:
    """What a called client answered, as the caller gets it: under the caller's requestId, in the hub's own form.

    :param answer: JSON that is fit to be passed on; anything but an object is a failure without words.
    """
    body: Body = dict(answer) if isinstance(answer, dict) else {}
    body.pop("requestId", None)
    if body.get("success") is True or (body.get("success") is None and body.get("status") == "ok"):
        return {"result": None, **body, **succeeded(request_id, body.get("result"))}
    reported = body.get("error")
    details = dict(reported) if isinstance(reported, dict) else {}
    text = details.get("message", reported if isinstance(reported, str) else body.get("message"))
    fault = failed(request_id, CallFailed(text if isinstance(text, str) and text else UNKNOWN_FAULT))
    return {**body, **fault, "error": {**fault["error"], **details, "message": fault["message"]}}


def _echo(request_id: object) -> Body:
    return {} if request_id is None else {"requestId": request_id}
