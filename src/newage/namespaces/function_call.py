"""``/function_call``: FUNCTION_CALL to the server or to another client, with its own ack shape (contract 7.1-7.3)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from attrs import field, frozen

from newage.dialect import acks
from newage.dialect.calls import CALL, UNKNOWN_FAULT, failed, relayed, succeeded
from newage.domain.calls import SERVER, FunctionCall, subject_of, went_well
from newage.domain.foreign_json import without_hostile_keys
from newage.domain.model import Caller
from newage.errors import BadArguments, CallFailed, NewAgeError
from newage.gateway.socketio.dispatch import Later
from newage.namespaces import wire
from newage.ports import ISocket
from newage.services.calls.calls import (
    CallService,
    Function,
    last_object,
    one_argument,
    two_arguments,
    two_numbers,
)
from newage.services.calls.file_functions import FileFunctions
from newage.services.home.static_routes import StaticRoutes
from newage.telemetry.audit import FAILED, OK, Recorder

MAX_NAME_CHARS = 128
BINARY = (CALL,)  # arguments may hold attachments, which a client gets as they are
BUILTINS = ("readJsonFromFile", "saveJsonToFile", "addStaticResources", "add")  # nobody else's can have these names


def parse_call(payload: Any, max_arguments: int) -> FunctionCall:
    """:raises BadArguments: ``Invalid request data.``"""
    if not isinstance(payload, dict):
        raise BadArguments(wire.INVALID)
    name, target = payload.get("functionName"), payload.get("target")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARS:
        raise BadArguments(wire.INVALID)
    if target is None or target == "":
        target = SERVER
    if not isinstance(target, str) or len(target) > MAX_NAME_CHARS:
        raise BadArguments(wire.INVALID)
    args = payload.get("args")
    if args is None:
        args = []
    elif isinstance(args, dict):
        args = [args]
    if not isinstance(args, list) or len(args) > max_arguments:
        raise BadArguments(wire.INVALID)
    return FunctionCall(name=name, target=target, args=without_hostile_keys(args), request_id=request_id_of(payload))


def request_id_of(payload: Any) -> str | int | float | None:
    """What is to be echoed; absent, or nothing that could be an id, stays absent."""
    value = payload.get("requestId") if isinstance(payload, dict) else None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    return value if not isinstance(value, str) or len(value) <= MAX_NAME_CHARS else None


def register_builtins(calls: CallService, files: FileFunctions, static: StaticRoutes) -> None:
    """The functions of contract 7.4; nothing else can be called by any name."""
    calls.register("readJsonFromFile", Function(one_argument, files.read, bootstrap=True))
    calls.register("saveJsonToFile", Function(two_arguments, lambda caller, args: files.save(caller, *args)))
    calls.register("addStaticResources", Function(last_object, static.add_for))
    calls.register("add", Function(two_numbers, lambda caller, numbers: numbers[0] + numbers[1]))


@frozen(kw_only=True)
class CallEvents:
    """FUNCTION_CALL, for a ``calls`` whose functions are registered."""

    calls: CallService
    _called: Recorder = field(
        factory=lambda: Recorder(
            "function.call", "FUNCTION_CALL_RESPONSE", "FUNCTION_CALL_ERROR", function="name", target="target"
        ),
        init=False,
    )

    def call(self, socket: ISocket, args: list[Any], wants_ack: bool) -> Awaitable[wire.Answer] | Later:
        payload = args[0] if args else None
        pending = self._work(socket, payload, wants_ack)
        # Files are read and written in the order asked; what somebody else takes his time for holds up nothing.
        if not isinstance(payload, dict):
            return pending
        local = payload.get("target") in (None, "", SERVER)
        return pending if local and self.calls.holds_up(payload.get("functionName")) else Later(pending)

    async def _work(self, socket: ISocket, payload: Any, wants_ack: bool) -> wire.Answer:
        caller: Caller = socket.caller
        request_id = request_id_of(payload)
        call: FunctionCall | None = None
        try:
            call = parse_call(payload, self.calls.settings.value.max_call_arguments)
            if call.target == SERVER:
                body = succeeded(request_id, await self.calls.run(caller, call))
            else:
                body = relayed(request_id, without_hostile_keys(await self.calls.forward(caller, call)))
        except Exception as error:  # as_known logs what it does not know and re-raises cancellation
            known = wire.as_known(error, CALL)
            shown = known if isinstance(error, NewAgeError) else CallFailed(UNKNOWN_FAULT)
            if call is not None:
                self._called.failed(caller, call, shown, **subject_of(call))
            if not wants_ack:
                wire.tell(socket, acks.failed(shown, request_id))
            return [failed(request_id, shown)] if wants_ack else None
        well = body.get("success") is True and went_well(body.get("result"))
        self._called.done(caller, call, outcome=OK if well else FAILED, **subject_of(call))
        return [body] if wants_ack else None

    def handlers(self) -> wire.Handlers:
        return {CALL: self.call}
