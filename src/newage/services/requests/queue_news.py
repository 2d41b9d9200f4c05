"""Who asked hears what his request waits for, and how it comes nearer: QUEUE_UPDATE (contract 5.4)."""

from __future__ import annotations

from collections.abc import Container
from typing import ClassVar

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall

from newage.dialect import requests
from newage.domain.model import Caller, Kind
from newage.domain.request import Request, Waiting
from newage.ports import IOutbox
from newage.services.events import SessionListener
from newage.services.requests.forwarding import Forwarder
from newage.services.requests.lines import WaitingLines
from newage.services.sessions.sessions import SessionService
from newage.services.world import World


@define(eq=False, kw_only=True)
class QueueNews(SessionListener):
    """That it waits is a status, told at once. Where it stands is looked up once in ``EVERY`` while anything waits, and
    told to sockets that declared ``outputs:true`` when it is not what they were told last; to those that come, once.
    """

    EVERY: ClassVar[float] = 1.0  # seconds
    _world: World
    _outbox: IOutbox
    _sessions: SessionService
    _forwarder: Forwarder
    _lines: WaitingLines
    _told: dict[Request, Waiting] = field(factory=dict, init=False)  # of what waits
    _new: set[str] = field(factory=set, init=False)  # sids that were told nothing yet
    _look: IDelayedCall | None = field(default=None, init=False)

    def waits(self, request: Request, waiting: Waiting, reason: str | None = None) -> None:
        """It does from now on, and its requester is told so. :param reason: of its extension."""
        self._forwarder.tell(request, requests.status(request, request.state, waiting=waiting, message=reason))
        self._look_later()

    def socket_attached(self, caller: Caller) -> None:
        """Somebody is back: what he asked may wait still."""
        if caller.namespace == "/llm" and caller.kind is not Kind.EXTENSION and caller.outputs:
            self._new.add(caller.sid)
            self._look_later()

    def close(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None

    # ------------------------------------------------------------------------------------------------------ internals

    def _look_later(self) -> None:
        if self._look is None:
            self._look = self._world.clock.callLater(self.EVERY, self._look_now)

    def _look_now(self) -> None:
        self._look = None
        waiting, new = self._lines.all(), self._new
        for request, place in waiting.items():
            moved = self._told.get(request) != place
            if moved or new:
                self._tell(request, place, None if moved else new)
        self._told, self._new = waiting, set()
        if waiting:
            self._look_later()

    def _tell(self, request: Request, place: Waiting, only: Container[str] | None) -> None:
        """:param only: these sids; None: all of who asked."""
        event = requests.queue_update(request, place)
        for caller in self._sessions.callers(request.identity, "/llm"):
            follows = caller.outputs and caller.client_id == request.client_id
            if follows and (only is None or caller.sid in only):
                self._outbox.emit(caller.sid, event.name, event.body)
