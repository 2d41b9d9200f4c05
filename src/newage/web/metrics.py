"""The hub's figures for Prometheus, on a port of their own: ``GET /metrics``.

They name nobody; but how many people are there, and when, is nobody's business who cannot reach that port. So it is
loopback's unless the operator says otherwise, and the gate is before it as before everything (B4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from newage.daemon.listening import address_list
from newage.errors import NewAgeError
from newage.settings import limit, texts
from newage.web.files import method_allowed
from newage.web.gate import Gate
from newage.web.hardened_site import HardenedSite
from newage.web.responses import FORBIDDEN, TEXT, answer, not_found, refuse
from newage.web.settings import WebSettings

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure
    from twisted.web.http import Request

_log = Logger()

PATH: Final = b"/metrics"
WORDS: Final = "Metrics for Prometheus at {url}metrics"

Scrape = Callable[[], "Deferred[bytes]"]


@frozen(kw_only=True)
class MetricsSettings:
    """Where the figures are read."""

    listen_port: int = limit(0, "TCP port of /metrics", zero="none: nobody can read them", most=65535)
    listen_address: tuple[str, ...] = texts(
        ("127.0.0.1", "::1"), "IP addresses on which /metrics is read, as bind_address in [server]", check=address_list
    )
    listen_connections: int = limit(32, "TCP connections to that port")
    max_waiting_scrapes: int = limit(8, "scrapes that wait or are written; beyond, the answer is 503")


class MetricsResource(Resource):
    """
    :param scrape: writes all figures, in a thread; fails with a NewAgeError where too many ask.
    :param content_type: of what it writes.
    """

    isLeaf = True

    def __init__(self, scrape: Scrape, content_type: str, gate: Gate) -> None:
        super().__init__()
        self._scrape = scrape
        self._content_type = content_type.encode()
        self._gate = gate

    def render(self, request: Request) -> int:
        if not self._gate.admits(request):
            refuse(request, FORBIDDEN)
        elif request.path != PATH:
            not_found(request)
        elif method_allowed(request):
            request.responseHeaders.setRawHeaders(b"Cache-Control", [b"no-store"])
            scraped = self._scrape()
            scraped.addCallback(lambda body: answer(request, 200, body, self._content_type))
            scraped.addErrback(self._failed, request)
        return NOT_DONE_YET

    def _failed(self, failure: Failure, request: Request) -> None:
        if not failure.check(NewAgeError):
            _log.failure("the metrics could not be written", failure)
        answer(request, 503, b"try again", TEXT)


def metrics_site(
    metrics: MetricsSettings, web: WebSettings, clock: IReactorTime, gate: Gate, scrape: Scrape, content_type: str
) -> HardenedSite:
    """What listens there.

    :param gate: that of the hub's other ports.
    """
    bounded = evolve(web, max_connections=metrics.listen_connections, max_other_body_bytes=0)
    return HardenedSite(bounded, clock, MetricsResource(scrape, content_type, gate), gate)
