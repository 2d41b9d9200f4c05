"""What the hub shows of itself, and the level of its logs: sensitive as a whole (contract 2.6, 3.8, 10)."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from newage.dialect import server
from newage.domain.delivery import EVERYBODY
from newage.domain.logs import LogPage, LogQuery
from newage.domain.model import Caller
from newage.domain.policy import may_operate
from newage.domain.status import HubStatus
from newage.errors import NotAuthorised
from newage.ports import IOutbox
from newage.services.home.log_reader import LogReader
from newage.telemetry.audit import OK, emit, of_caller


@define(eq=False, kw_only=True)
class Diagnostics:
    """``NotAuthorised`` is raised for whoever is no extension or administrator with sensitive rights.

    :param status: the hub's state as it is now, as far as the actor may see it.
    :param set_debug: raises or lowers the level of the logs.
    """

    _outbox: IOutbox
    _status: Callable[[Caller], HubStatus]
    _logs: LogReader
    _set_debug: Callable[[bool], object]
    _debug_mode: bool = field(default=False)

    @property
    def debug_mode(self) -> bool:
        return self._debug_mode

    def toggle(self, actor: Caller) -> bool:
        """Flip the debug mode; every socket of the namespace hears so before this returns.

        :return: whether it is on now.
        """
        self._check(actor)
        self._switch(not self._debug_mode, of_caller(actor))
        return self._debug_mode

    def operator_switches(self, on: bool) -> None:
        """As the configuration says."""
        self._switch(on, {})

    def _switch(self, on: bool, who: dict[str, object]) -> None:
        self._debug_mode = on
        emit("debug.toggle", "DEBUG_MODE_ENABLED" if on else "DEBUG_MODE_DISABLED", OK, who, server.debug_ack(on))
        self._set_debug(on)
        self._outbox.publish(*server.debug_changed(on).to(EVERYBODY))

    def status(self, actor: Caller) -> HubStatus:
        self._check(actor)
        return self._status(actor)

    async def read_log(self, actor: Caller, query: LogQuery) -> LogPage:
        """Raises as ``LogReader.read``."""
        self._check(actor)
        return await self._logs.read(actor.identity, query)

    def _check(self, actor: Caller) -> None:
        if not may_operate(actor):
            raise NotAuthorised("Unauthorized")
