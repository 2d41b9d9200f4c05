"""The dialects of acks, argument shapes and aliases (contract C1-C8, C10, C11, 1.8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred, fail, succeed

from hubkit import HandSocket, Kit, result_of
from newage.domain.model import Caller
from newage.errors import InvalidRequest, NewAgeError, NotFound
from newage.gateway.socketio.dispatch import Handler
from newage.namespaces import wire
from newage.telemetry.audit import Recorder

FAILURE = {
    "status": "error",
    "success": False,
    "message": "No such thing.",
    "error": {"message": "No such thing.", "code": "not_found"},
    "errorCode": 7,
}
ERROR = {"type": "ERROR", "message": "No such thing.", "code": "not_found", "errorCode": 7}


@pytest.fixture
def socket(kit: Kit) -> HandSocket:
    return HandSocket(kit, kit.connect("web1"))


def errors(kit: Kit, socket: HandSocket) -> list[Any]:
    return kit.outbox.bodies(socket.sid, "ERROR")


def now(outcome: Any) -> Callable[[Caller, Any], Any]:
    def handler(caller: Caller, request: Any) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return handler


def later(outcome: Any) -> Callable[[Caller, Any], Any]:
    async def handler(caller: Caller, request: Any) -> Any:
        await succeed(None)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return handler


def deferred(outcome: Any) -> Callable[[Caller, Any], Any]:
    return lambda_of(lambda: fail(outcome) if isinstance(outcome, Exception) else succeed(outcome))


def lambda_of(make: Callable[[], Deferred[Any]]) -> Callable[[Caller, Any], Any]:
    def handler(caller: Caller, request: Any) -> Any:
        return make()

    return handler


def run(handler: Handler, socket: HandSocket, *args: Any, ack: bool) -> Any:
    result = handler(socket, list(args), ack)
    return result_of(result) if hasattr(result, "__await__") else result


@pytest.mark.parametrize("kind", [now, later, deferred])
@pytest.mark.parametrize(
    ("outcome", "ack"),
    [
        ({"a": 1}, {"status": "ok", "success": True, "a": 1}),
        ({}, {"status": "ok", "success": True}),
        (None, {"status": "ok", "success": True}),
        (
            wire.Warned("Careful.", {"a": 1}),
            {"status": "warning", "success": True, "message": "Careful.", "a": 1},
        ),
    ],
)
def test_success_in_both_dialects_with_an_ack_and_silence_without(
    kit: Kit, socket: HandSocket, kind: Any, outcome: Any, ack: Any
) -> None:
    handler = wire.answer(wire.nothing, kind(outcome))
    assert run(handler, socket, ack=True) == [ack]
    assert run(handler, socket, ack=False) is None
    assert errors(kit, socket) == []


@pytest.mark.parametrize("kind", [now, later, deferred])
@pytest.mark.parametrize(
    ("always", "ack", "answer", "events"),
    [
        (False, True, [FAILURE], []),
        (False, False, None, [ERROR]),
        (True, True, [FAILURE], [ERROR]),
        (True, False, None, [ERROR]),
    ],
)
def test_failure_as_ack_or_error_or_both(
    kit: Kit, socket: HandSocket, kind: Any, always: bool, ack: bool, answer: Any, events: list[Any]
) -> None:
    handler = wire.answer(wire.nothing, kind(NotFound("No such thing.")), always_error=always)
    assert run(handler, socket, ack=ack) == answer
    assert errors(kit, socket) == events


@pytest.mark.parametrize("kind", [now, later, deferred])
def test_a_fault_of_ours_is_answered_without_details(kit: Kit, socket: HandSocket, kind: Any) -> None:
    handler = wire.answer(wire.nothing, kind(ZeroDivisionError("secret")))
    (answer,) = run(handler, socket, ack=True)
    assert (answer["message"], answer["error"]["code"], answer["errorCode"]) == ("Internal error.", "internal", 2)
    run(handler, socket, ack=False)
    assert [body["message"] for body in errors(kit, socket)] == ["Internal error."]


@pytest.mark.parametrize("kind", [now, later, deferred])
def test_cancellation_goes_through(kit: Kit, socket: HandSocket, kind: Any) -> None:
    handler = wire.answer(wire.nothing, kind(CancelledError()))
    with pytest.raises(CancelledError):
        run(handler, socket, ack=True)
    assert errors(kit, socket) == []


def test_a_query_nobody_wants_an_answer_to_is_not_run(kit: Kit, socket: HandSocket) -> None:
    ran: list[object] = []
    handler = wire.answer(wire.nothing, lambda caller, request: ran.append(caller), query=True)
    assert run(handler, socket, ack=False) is None
    assert ran == []
    run(handler, socket, ack=True)
    assert ran == [socket.caller]


@pytest.mark.parametrize(("open_to", "allowed"), [(True, True), (False, False)])
def test_who_has_no_key_yet_may_only_what_is_open_to_him(
    kit: Kit, socket: HandSocket, open_to: bool, allowed: bool
) -> None:
    socket.caller = evolve(socket.caller, bootstrap=True)
    handler = wire.answer(wire.nothing, now({}), bootstrap=open_to)
    (answer,) = run(handler, socket, ack=True)
    assert answer["success"] is allowed
    if not allowed:
        assert (answer["message"], answer["errorCode"]) == ("Unauthorized", 6)


def test_what_cannot_be_parsed_is_refused_and_the_handler_not_run(kit: Kit, socket: HandSocket) -> None:
    handler = wire.answer(wire.members, now(AssertionError("must not run")))
    (answer,) = run(handler, socket, ["x"], ack=True)
    assert (answer["message"], answer["errorCode"]) == ("Invalid request data.", 4)
    run(handler, socket, 7, ack=False)
    assert [body["message"] for body in errors(kit, socket)] == ["Invalid request data."]


@pytest.mark.parametrize(
    ("args", "request_id"),
    [([{"requestId": "r1"}], "r1"), ([{"requestId": 7}], "7"), ([{"requestId": []}], None), (["x"], None), ([], None)],
)
def test_an_error_names_the_request(kit: Kit, socket: HandSocket, args: list[Any], request_id: str | None) -> None:
    run(wire.answer(wire.nothing, now(NotFound("No such thing."))), socket, *args, ack=False)
    assert errors(kit, socket)[0].get("requestId") == request_id


def test_an_errors_own_members_go_out_with_it(kit: Kit, socket: HandSocket) -> None:
    handler = wire.answer(wire.nothing, now(NotFound("No such thing.", extensions=[])), always_error=True)
    assert run(handler, socket, ack=True) == [{**FAILURE, "extensions": []}]
    assert errors(kit, socket) == [{**ERROR, "extensions": []}]


class Notebook(Recorder):
    def __init__(self) -> None:
        super().__init__("test", "OK")
        self.notes: list[tuple[object, ...]] = []

    def done(self, caller: Caller, request: Any = None, *, outcome: str = "ok", **details: Any) -> None:
        self.notes.append(("done", request, outcome))

    def failed(self, caller: Caller, request: Any, error: NewAgeError, **details: Any) -> None:
        self.notes.append(("failed", request, str(error)))


@pytest.mark.parametrize("ack", [True, False])
def test_what_came_of_a_request_is_recorded_once_it_could_be_read(kit: Kit, socket: HandSocket, ack: bool) -> None:
    book = Notebook()
    outcomes: list[Any] = [{}, wire.Warned("Careful.", {}), NotFound("No such thing.")]
    for outcome in outcomes:
        run(wire.answer(wire.members, later(outcome), audit=book), socket, {"a": 1}, ack=ack)
    run(wire.answer(wire.members, now({}), audit=book), socket, "unreadable", ack=ack)
    assert [(what, request, how.lower()) for what, request, how in book.notes] == [  # type: ignore[attr-defined]
        ("done", {"a": 1}, "ok"),
        ("done", {"a": 1}, "warning"),
        ("failed", {"a": 1}, "no such thing."),
    ]


# --------------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("value", "identifier"),
    [
        ("a", "a"),
        ("x" * 128, "x" * 128),
        ("x" * 129, None),
        ("", None),
        (7, "7"),
        (-1, "-1"),
        (2.0, "2"),
        (2.5, "2.5"),
        (1e300, None),
        (True, None),
        (False, None),
        (None, None),
        ([], None),
        ({}, None),
        ("ä\U0001f600", "ä\U0001f600"),
        ("\ud83d\ude00", "\U0001f600"),
        ("r\ud83d", "r\ufffd"),
    ],
)
def test_identifiers(value: Any, identifier: str | None) -> None:
    assert wire.identifier(value) == identifier


@pytest.mark.parametrize(
    ("payload", "room"),
    [
        ("lounge", "lounge"),
        ({"roomName": "a", "targetRoom": "b", "room": "c"}, "a"),
        ({"targetRoom": "b", "room": "c"}, "b"),
        ({"roomName": None, "room": "c"}, "c"),
        ({"roomName": 5}, "5"),
        ({"roomName": ["x"]}, None),
        ({}, None),
        (None, None),
        ("", None),
    ],
)
def test_a_room_is_a_string_or_one_of_the_aliases(payload: Any, room: str | None) -> None:
    assert wire.room_name(payload) == room


@pytest.mark.parametrize("payload", [7, True, ["lounge"], 1.5])
def test_other_payloads_name_no_room(payload: Any) -> None:
    with pytest.raises(InvalidRequest, match="Invalid request data"):
        wire.room_name(payload)


def test_members_first_and_text() -> None:
    assert wire.members(None) == {}
    assert wire.members({"a": 1}) == {"a": 1}
    assert wire.first({"a": None, "b": 0, "c": 2}, "a", "b", "c") == 0
    assert wire.first({}, "a") is None
    values: list[Any] = ["abcd", "ab", 7, None, []]
    assert [wire.text(value, 3) for value in values] == ["abc", "ab", "", "", ""]


@pytest.mark.parametrize(
    ("payload", "found"),
    [("lobby", {"roomName": "lobby"}), ({"room": "lobby"}, {"room": "lobby"}), (None, {})],
)
def test_a_bare_string_is_the_name_of_a_room(payload: Any, found: dict[str, Any]) -> None:
    assert wire.members_or_room(payload) == found


def test_a_room_that_is_not_named_is_the_callers_own() -> None:
    assert wire.parse_room_ref({}).name is None
    assert wire.parse_room_ref("lobby").name == "lobby"
