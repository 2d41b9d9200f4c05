"""The tolerant edge: argument shapes, aliases and the two ack dialects (contract C1-C8, C11, 1.8), in one place.

A namespace module writes ``parse(payload) -> Request`` and ``handler(caller, request) -> members``; ``answer`` makes a
gateway handler of the two. What a peer sends never passes ``parse`` as a dict.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable
from typing import Any, TypeVar

from attrs import frozen
from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from newage.domain.model import Caller
from newage.domain.text import well_formed
from newage.errors import InvalidRequest, NewAgeError, NotAuthorised
from newage.gateway.socketio.dispatch import Handler
from newage.ports import ISocket
from newage.telemetry.audit import WARNING, Recorder

Body = dict[str, Any]
Request = TypeVar("Request")

_log = Logger()

INVALID = "Invalid request data."
HOSTILE_KEYS = frozenset({"__proto__", "constructor", "prototype"})
ROOM = ("roomName", "targetRoom", "room")  # what a payload may call a room (contract 1.8)
MAX_ID = 128  # characters of an id made by a client (C11)
UNREAD = object()  # stands for a request that could not be read


@frozen
class Warned:
    """A handler's result that succeeded with a reservation (``status: 'warning'``)."""

    message: str
    members: Body


def ok(**members: Any) -> Body:
    """The success dialects, both at once (C2)."""
    return {"status": "ok", "success": True, **members}


def warned(message: str, **members: Any) -> Body:
    return {"status": "warning", "success": True, "message": message, **members}


def failure(error: NewAgeError) -> Body:
    """The failure dialects, both at once, with the error's own further members."""
    return {
        "status": "error",
        "success": False,
        "message": str(error),
        "error": {"message": str(error), "code": error.code},
        "errorCode": error.error_code,
        **error.members,
    }


def error_event(error: NewAgeError, **members: Any) -> Body:
    """The payload of ``ERROR`` (contract 3.0)."""
    body = {"type": "ERROR", "message": str(error), "code": error.code, "errorCode": error.error_code}
    return {**body, **error.members, **members}


def as_known(error: BaseException, event: str = "") -> NewAgeError:
    """Any exception as one that may be shown; unknown ones are logged with their traceback, cancellation re-raised."""
    if isinstance(error, NewAgeError):
        return error
    if isinstance(error, CancelledError) or not isinstance(error, Exception):
        raise error
    _log.failure("handler of {event} broke", event=event)
    return NewAgeError()


def answer(
    parse: Callable[[Any], Request],
    handler: Callable[[Caller, Request], Any],
    *,
    query: bool = False,
    always_error: bool = False,
    bootstrap: bool = False,
    audit: Recorder | None = None,
) -> Handler:
    """Make a gateway handler.

    :param handler: returns the ack's members (a dict, a ``Warned`` or None) or an awaitable of these, or raises
        NewAgeError.
    :param query: without an ack id nothing is done at all (C3).
    :param always_error: a failure goes out as ``ERROR`` even when an ack was asked for (contract 5.2).
    :param bootstrap: open to peers that have no key yet (contract 2.8.4 a).
    :param audit: records what came of each request that could be read.
    """

    def refuse(
        socket: ISocket, error: BaseException, wants_ack: bool, args: list[Any], caller: Caller, request: Any
    ) -> list[Any] | None:
        known = as_known(error, handler.__name__)
        if audit is not None and request is not UNREAD:
            audit.failed(caller, request, known)
        if always_error or not wants_ack:
            socket.emit("ERROR", error_event(known, **_request_id(args)))
        return [failure(known)] if wants_ack else None

    def accept(caller: Caller, request: Any, result: Any, wants_ack: bool) -> list[Any] | None:
        if audit is not None:
            audit.done(caller, request, **({"outcome": WARNING} if isinstance(result, Warned) else {}))
        if not wants_ack:
            return None
        if isinstance(result, Warned):
            return [warned(result.message, **result.members)]
        return [ok(**(result or {}))]

    async def finish(
        socket: ISocket, pending: Any, wants_ack: bool, args: list[Any], caller: Caller, request: Any
    ) -> list[Any] | None:
        try:
            result = await pending
        except Exception as error:  # as_known logs what it does not know and re-raises cancellation
            return refuse(socket, error, wants_ack, args, caller, request)
        return accept(caller, request, result, wants_ack)

    def handle(socket: ISocket, args: list[Any], wants_ack: bool) -> Any:
        caller: Caller = socket.caller
        if query and not wants_ack:
            return None
        request: Any = UNREAD
        try:
            if caller.bootstrap and not bootstrap:
                raise NotAuthorised("Unauthorized")
            request = parse(args[0] if args else None)
            result = handler(caller, request)
        except Exception as error:  # as above
            return refuse(socket, error, wants_ack, args, caller, request)
        if isawaitable(result):
            return finish(socket, result, wants_ack, args, caller, request)
        return accept(caller, request, result, wants_ack)

    return handle


def _request_id(args: list[Any]) -> Body:
    payload = args[0] if args else None
    request_id = identifier(payload.get("requestId")) if isinstance(payload, dict) else None
    return {"requestId": request_id} if request_id else {}


# ------------------------------------------------------------------------------------------------- reading one payload


def nothing(payload: Any) -> None:
    """Parse for events that need no payload: anything goes (C1)."""


def members(payload: Any) -> Body:
    """The payload as a dict; absent is empty.

    :raises InvalidRequest: it is neither an object nor absent.
    """
    if payload is None:
        return {}
    if not isinstance(payload, dict):
        raise InvalidRequest(INVALID)
    return payload


def first(body: Body, *names: str) -> Any:
    """The value of the leftmost name that is present and not null (C4)."""
    for name in names:
        value = body.get(name)
        if value is not None:
            return value
    return None


def identifier(value: Any) -> str | None:
    """A client-made id (C11): string of 1-128 characters, or a number written in decimal; else None.

    Halves of surrogate pairs in it are repaired: ids reach stores and logs (C10).
    """
    if type(value) is str and value.isascii():  # nearly all, three of them in every token
        return value if 0 < len(value) <= MAX_ID else None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        value = str(value)
    elif isinstance(value, float):
        value = str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, str) and 0 < len(value) <= MAX_ID:
        return well_formed(value)
    return None


def room_name(payload: Any) -> str | None:
    """The room a payload names: a bare string, or one of the aliases; None if there is none."""
    if isinstance(payload, str):
        return identifier(payload)
    return identifier(first(members(payload), *ROOM))


def text(value: Any, limit: int) -> str:
    """A bounded string; anything else is the empty string."""
    return value[:limit] if isinstance(value, str) else ""


def without_hostile_keys(value: Any) -> Any:
    """A copy of JSON that is fit to be stored and passed on: well-formed texts (C10), and at any depth none of the keys
    that poison JavaScript objects (C8)."""
    if isinstance(value, str):
        return value if value.isascii() else well_formed(value)
    if isinstance(value, dict):
        return {without_hostile_keys(k): without_hostile_keys(v) for k, v in value.items() if k not in HOSTILE_KEYS}
    if isinstance(value, list):
        return [without_hostile_keys(item) for item in value]
    return value
