"""``/debug``: debug mode, server status, logs (contract 3.8, 10)."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from newage.dialect import Body, files, server
from newage.domain.logs import ALL_LEVELS, LogQuery
from newage.domain.model import Caller
from newage.namespaces import wire
from newage.services.home.diagnostics import Diagnostics
from newage.telemetry.audit import Recorder


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
    return value if type(value) is int and value <= wire.MAX_NUMBER else 0


@frozen(kw_only=True)
class DebugEvents:
    diagnostics: Diagnostics

    def toggle(self, caller: Caller, request: None) -> Body:
        return server.debug_ack(self.diagnostics.toggle(caller))

    def status(self, caller: Caller, request: None) -> Body:
        return server.status_ack(self.diagnostics.status(caller), debug_mode=self.diagnostics.debug_mode)

    async def read_log(self, caller: Caller, query: LogQuery) -> Body:
        return files.log_page(await self.diagnostics.read_log(caller, query))

    def handlers(self) -> wire.Handlers:
        read = Recorder("log.read", "LOG_READ_RESPONSE", file="filename", page="page")
        return {
            "TOGGLE_DEBUG_MODE": wire.answer(wire.nothing, self.toggle),
            "SERVER_STATUS": wire.answer(wire.nothing, self.status, query=True),
            "READ_LOG": wire.answer(parse_log_query, self.read_log, query=True, audit=read),
        }
