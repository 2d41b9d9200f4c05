"""``/debug``: debug mode, server status, logs (contract 3.8, 10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define

from newage.dialect import Body, files
from newage.domain.delivery import EVERYBODY, Emission
from newage.domain.logs import ALL_LEVELS, LogQuery
from newage.domain.model import Caller, Kind
from newage.errors import NotAuthorised
from newage.namespaces import wire
from newage.ports import IOutbox
from newage.services.home.log_reader import LogReader
from newage.telemetry.audit import Recorder, emit, of_caller


def parse_log_query(payload: Any) -> LogQuery:
    """READ_LOG. A value of a wrong type becomes one that is out of range, which ``LogReader`` refuses."""
    body = wire.members(payload)
    level = body.get("level")
    return LogQuery(
        filename=wire.text(body.get("filename"), 64),
        level=ALL_LEVELS if level is None else wire.text(level, 64),
        page=_whole(body.get("page"), 1),
        page_size=_whole(body.get("pageSize"), 10),
        descending=body.get("order") == "desc",
    )


def _whole(value: Any, default: int) -> int:
    if value is None:
        return default
    return value if type(value) is int else 0


@define(eq=False)
class DebugEvents:
    """
    :param status: the members of SERVER_STATUS that are not about debugging.
    :param set_debug: raises or lowers the level of the logs.
    """

    _outbox: IOutbox
    _status: Callable[[], dict[str, Any]]
    _logs: LogReader
    _set_debug: Callable[[bool], None]
    debug_mode: bool = False

    def toggle(self, caller: Caller, request: None) -> Body:
        """Flip it; every socket of the namespace hears so before the ack."""
        self._check(caller)
        return self.switch(not self.debug_mode, of_caller(caller))

    def switch(self, on: bool, who: dict[str, Any] | None = None) -> Body:
        """:param who: for the audit log; None: the operator."""
        self.debug_mode = on
        emit("debug.toggle", "DEBUG_MODE_ENABLED" if on else "DEBUG_MODE_DISABLED", "ok", who or {}, {"debugMode": on})
        self._set_debug(on)
        body = {"debugMode": on}
        self._outbox.publish(Emission("/debug", "DEBUG_MODE_CHANGED", (body,), (EVERYBODY,)))
        return body

    def status(self, caller: Caller, request: None) -> Body:
        self._check(caller)
        return {"serverStatus": {**self._status(), "debugMode": self.debug_mode}}

    async def read_log(self, caller: Caller, query: LogQuery) -> Body:
        self._check(caller)
        return files.log_page(await self._logs.read(query))

    def _check(self, caller: Caller) -> None:
        """``/debug`` is a sensitive API as a whole (contract 2.6).

        :raises NotAuthorised: the peer's place or kind does not allow it.
        """
        if caller.kind is Kind.CLIENT or not caller.sensitive:
            raise NotAuthorised("Unauthorized")

    def handlers(self) -> wire.Handlers:
        read = Recorder("log.read", "LOG_READ_RESPONSE", file="filename", page="page")
        return {
            "TOGGLE_DEBUG_MODE": wire.answer(wire.nothing, self.toggle),
            "SERVER_STATUS": wire.answer(wire.nothing, self.status, query=True),
            "READ_LOG": wire.answer(parse_log_query, self.read_log, query=True, audit=read),
        }
