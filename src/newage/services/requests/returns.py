"""Requests whose extension went before it began to answer: it is asked again when it comes back (contract 5.8, A22)."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall

from newage.domain.model import Caller, Session
from newage.domain.request import Request, Waiting
from newage.errors import PeerGone
from newage.services.events import SessionListener
from newage.services.requests.desks import Desks
from newage.services.requests.forwarding import Forwarder
from newage.services.requests.held import HeldRequests
from newage.services.requests.ledger import RequestLedger
from newage.services.requests.limits import RequestSettings
from newage.services.requests.queue_news import QueueNews
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live

DISCONNECTED = "SillyTavern extension disconnected."


@define(eq=False, kw_only=True)
class Returns(SessionListener):
    """A tab that is loaded again costs no question. What it has begun to answer is the streams' to keep.

    The one that comes back may be the page that was asked, whose line was down: so it is asked only when it has been
    silent on that request for ``extension_settle_ms``, and of what it is asked a second time one answer counts.
    """

    _world: World
    _sessions: SessionService
    _desks: Desks
    _ledger: RequestLedger
    _forwarder: Forwarder
    _held: HeldRequests
    _news: QueueNews
    settings: Live[RequestSettings]
    _settling: dict[str, IDelayedCall] = field(factory=dict, init=False)

    def extension_lost(self, session: Session) -> None:
        """Nothing fails yet: who asked is told that it waits."""
        extension = session.identity
        self._wait_no_longer(extension)
        if not self._sessions.may_return(extension):
            return
        lost = [r for r in self._ledger.awaited_of(extension) if r.lacks_answer_of(extension)]
        self._held.lose(extension, lost)
        for position, request in enumerate(lost, start=1):
            request.unsend(extension)
            if not (request.sent or request.answered):
                request.queue()
                self._news.waits(request, Waiting(what="extension", position=position))

    def socket_detached(self, caller: Caller) -> None:
        """The page that was asked went, another one of the same extension stays: that one is asked."""
        extension = caller.identity
        if caller.namespace != "/llm" or not self._sessions.is_available(extension):
            return
        lost = [
            request
            for request in self._ledger.awaited_of(extension)
            if request.lacks_answer_of(extension) and request.places.get(extension) == caller.sid
        ]
        for request in lost:
            self._desks.lost(extension, request)
            request.unsend(extension)
        if lost:
            self._ask_again(extension, lost)

    def extension_available(self, session: Session) -> None:
        extension = session.identity
        lost = self._held.take_lost(extension)
        if not lost:
            self._forwarder.send_next(extension)
            return
        self._ask_again(extension, lost)

    def _ask_again(self, extension: str, lost: list[Request]) -> None:
        self._wait_no_longer(extension)
        seconds = self.settings.value.extension_settle_ms / 1000
        self._desks.settle(extension, seconds)
        self._forwarder.put_back(extension, lost)
        self._settling[extension] = self._world.clock.callLater(seconds, self._settled, extension)

    def extension_gone(self, session: Session) -> None:
        self._held.take_lost(session.identity)
        gone = PeerGone(DISCONNECTED)
        for request in self._ledger.awaited_of(session.identity):
            if session.identity not in request.begun:
                self._ledger.failed_by(request, session.identity, gone)

    def close(self) -> None:
        for extension in list(self._settling):
            self._wait_no_longer(extension)

    def _settled(self, extension: str) -> None:
        del self._settling[extension]
        self._forwarder.send_next(extension)

    def _wait_no_longer(self, extension: str) -> None:
        timer = self._settling.pop(extension, None)
        if timer is not None:
            timer.cancel()
