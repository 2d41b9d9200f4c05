"""Extensions are told not to go on with a request, and get their next one when they have stopped (5.8, A20)."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from newage.domain.output import SIGN_SECONDS
from newage.domain.request import Request
from newage.services.requests.desks import Desks
from newage.services.requests.forwarding import Forwarder
from newage.services.requests.limits import RequestSettings
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live

FEATURE = "cancel"
AS_EVER = ("timeout", "gone")  # without the feature the hub waits for nothing then


@define(eq=False, kw_only=True)
class Stopping:
    """The place of a request that was stopped stays taken until its extension says so; of one that cannot, or does not,
    until it has been quiet for ``cancel_quiet_ms``."""

    _world: World
    _sessions: SessionService
    _desks: Desks
    _forwarder: Forwarder
    settings: Live[RequestSettings]
    _looks: dict[tuple[str, Request], IDelayedCall] = field(factory=dict, init=False)

    def close(self) -> None:
        for look in self._looks.values():
            look.cancel()
        self._looks.clear()

    def stop(self, extension: str, request: Request, reason: str) -> None:
        """It was sent that and has not answered. To be called before it ends.

        :param reason: as ``IExtensionLink.stop``.
        """
        sid = request.places.get(extension, "")
        caller, link = self._sessions.caller(sid), self._sessions.link_of(sid)
        able = caller is not None and FEATURE in caller.features
        if (not able and reason in AS_EVER) or not self._desks.stop(extension, request):
            return
        if link is None or not able:
            self._look_later(extension, request, self._quiet)
            return
        name = self._desks.name_of(extension, request)
        stopping = link.stop(name, request.outputs_of(extension), reason)
        stopping.addCallbacks(
            lambda _: self._stopped(extension, request), lambda failure: self._unsaid(extension, request, failure)
        )

    @property
    def _quiet(self) -> float:
        return self.settings.value.cancel_quiet_ms / 1000

    def _unsaid(self, extension: str, request: Request, failure: Failure) -> None:
        """It did not say that it stopped: it is one that cannot."""
        self._look_later(extension, request, self._quiet)

    def _look_later(self, extension: str, request: Request, seconds: float) -> None:
        call = self._world.clock.callLater(seconds, self._look, extension, request, self._world.clock.seconds())
        self._looks[extension, request] = call

    def _look(self, extension: str, request: Request, since: float) -> None:
        """What it says late is noted once in ``SIGN_SECONDS``."""
        del self._looks[extension, request]
        heard, now = self._desks.heard_at(extension, request), self._world.clock.seconds()
        left = heard + SIGN_SECONDS + self._quiet - now if heard > since else 0.0
        if left > 0:
            self._look_later(extension, request, left)
        else:
            self._stopped(extension, request)

    def _stopped(self, extension: str, request: Request) -> None:
        self._desks.stopped(extension, request)
        self._forwarder.send_next(extension)
