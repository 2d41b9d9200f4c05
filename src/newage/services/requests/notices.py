"""What became of a request while who asked was away is told when he returns (contract 5.3, A35)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from attrs import define, field, frozen
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from newage.dialect import requests
from newage.domain.model import Caller, Kind, Term
from newage.domain.open_request import Notice
from newage.domain.request import Request
from newage.errors import Unavailable
from newage.ports import IOutbox, IRequestListener, IRequestStore
from newage.services.events import SessionListener
from newage.services.requests.limits import RequestSettings
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live
from newage.telemetry.trouble import Trouble, trouble


@frozen
class _Kept:
    notice: Notice
    due: float  # on the clock: it is told no more


@implementer(IRequestListener)
@define(eq=False, kw_only=True)
class RequestNotices(SessionListener):
    """Bounded per identity and in all; the oldest go.

    :param retention: how long they are kept, in seconds.
    """

    _log: ClassVar[Logger] = Logger()

    _world: World
    _outbox: IOutbox
    _sessions: SessionService
    _store: IRequestStore
    _retention: Callable[[], float]
    settings: Live[RequestSettings]
    _kept: dict[int, _Kept] = field(factory=dict, init=False)  # oldest first
    _of: dict[str, dict[int, None]] = field(factory=dict, init=False)  # identity -> keys of its notices
    _last: int = field(default=0, init=False)
    _trouble: Trouble = trouble()

    async def load(self) -> None:
        """Those of before the start, for as long as remains of their time."""
        wall, now = self._world.wall(), self._world.clock.seconds()
        for notice in await self._store.load_notices():
            self._enter(notice, now + notice.term.left(wall))
        self._sweep()

    def request_ended(self, request: Request, words: str | None) -> None:
        """Who is here has heard it."""
        if request.state not in ("failed", "expired") or not request.message_id or "/" in request.client_id:
            return
        if not self._sessions.callers(request.identity, "/llm"):
            self.keep(request, words or "The request has expired.")

    def keep(self, request: Request, words: str, closes: int = 0) -> None:
        """Tell it at his return, for the case that he is away.

        :param closes: the key of the request, which is over with that.
        """
        events = (
            requests.failed(request, Unavailable(words)),
            requests.status(request, request.state, message=words),
        )
        retention = self._retention()
        self._last += 1
        notice = Notice(
            key=self._last,
            identity=request.identity,
            client_id=request.client_id,
            events=tuple((event.name, event.body) for event in events),
            term=Term.of(self._world.wall(), retention),
        )
        storing = self._store.add_notice(notice, [closes] if closes else [])
        storing.addErrback(self._failed)
        self._enter(notice, self._world.clock.seconds() + retention)
        own = list(self._of[request.identity])
        self._drop(own[: max(0, len(own) - self.settings.value.max_notices_per_identity)])
        self._sweep()

    def socket_attached(self, caller: Caller) -> None:
        """Somebody is back."""
        if caller.namespace != "/llm" or caller.kind is Kind.EXTENSION or caller.identity not in self._of:
            return
        now = self._world.clock.seconds()
        kept = [self._kept[key] for key in self._of[caller.identity]]
        own = [each for each in kept if each.notice.client_id == caller.client_id]
        for each in own:
            for name, body in each.notice.events if each.due > now else ():
                self._outbox.emit(caller.sid, name, body)
        self._drop([each.notice.key for each in own])

    # ------------------------------------------------------------------------------------------------------ internals

    def _enter(self, notice: Notice, due: float) -> None:
        self._last = max(self._last, notice.key)
        self._kept[notice.key] = _Kept(notice, due)
        self._of.setdefault(notice.identity, {})[notice.key] = None

    def _sweep(self) -> None:
        """What is too old, and what is too much in all."""
        now, limit = self._world.clock.seconds(), self.settings.value.max_notices
        gone: list[int] = []
        for key, kept in self._kept.items():
            if kept.due > now and len(self._kept) - len(gone) <= limit:
                break
            gone.append(key)
        self._drop(gone)

    def _drop(self, keys: list[int]) -> None:
        for key in keys:
            identity = self._kept.pop(key).notice.identity
            del self._of[identity][key]
            if not self._of[identity]:
                del self._of[identity]
        if keys:
            self._store.drop_notices(keys).addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        self._trouble.say("a notice could not be stored", failure)
