"""What every port of the hub that speaks HTTP has: hardened channels, counted connections, refusals in the log."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.web.resource import IResource
from twisted.web.server import Site

from newage.web.channel import HardenedChannel
from newage.web.connection_count import ConnectionCount
from newage.web.gate import Gate
from newage.web.peer import PeerJudge
from newage.web.request import HardenedRequest
from newage.web.settings import WebSettings

# What keeps a request from being read, and what helps, by status.
_UNREAD: Final = {
    b"400": "it is no HTTP/1.1 as RFC 9112 has it, or its headers are too long; a proxy in front may have changed it",
    b"408": "it came more slowly than least_bytes_per_second within header_timeout_seconds or body_timeout_seconds",
    b"421": "its target begins with https, and this port speaks plain HTTP: say http, or let a proxy speak TLS",
    b"413": "its body is too large: max_http_buffer_bytes bounds one of Socket.IO, max_other_body_bytes any other",
}
_TLS: Final = (
    "it speaks TLS, this port plain HTTP: open http:// instead of https://, or let a proxy with a certificate stand "
    "before the hub"
)
_FULL: Final = "there are too many connections; max_connections and max_connections_per_address in [web] say how many"


class HardenedSite(Site):
    """twisted.web's Site without an access log (URLs hold session ids) and without HTTP/2.

    :param root: answers everything, and asks the gate first.
    """

    noisy = False

    def __init__(self, settings: WebSettings, clock: IReactorTime, root: IResource, gate: Gate) -> None:
        super().__init__(
            root,
            requestFactory=HardenedRequest,
            timeout=settings.header_timeout_seconds,
            reactor=clock,
            parsePOSTFormSubmission=False,
        )
        self.settings = settings
        self.connections = ConnectionCount(settings, _exempt(PeerJudge.of(settings)))
        self.gate = gate

    # ------------------------------------------------------------------------------------------------------- factory

    def startFactory(self) -> None:
        pass  # twisted's opens a log and keeps a timer for its time stamps

    def stopFactory(self) -> None:
        pass

    def log(self, request: Any) -> None:
        pass

    def acceptableProtocols(self) -> list[bytes]:
        return [b"http/1.1"]

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """One channel, or None: too many connections, and the port closes this one."""
        address = getattr(addr, "host", "")
        if not self.connections.take(address):
            self.gate.refusals.tell("connection", address, _FULL)
            return None
        return HardenedChannel(self, self, self.settings, self.reactor, self.connections, address)

    # ------------------------------------------------------------------------------------------------------ requests

    def getResourceFor(self, request: Any) -> IResource:
        """The one that answers it."""
        root: IResource = self.resource
        return root

    def refused(self, address: str, status: bytes) -> None:
        """``SiteRules``: said in the log."""
        code = status[:3]
        self.gate.refusals.tell(code.decode(), address, _UNREAD.get(code, _UNREAD[b"400"]))

    def tls_came(self, address: str) -> None:
        """``SiteRules``: said in the log, for the peer understands nothing that this port could say."""
        self.gate.refusals.tell("TLS", address, _TLS)

    def body_limit(self, request: HardenedRequest, command: bytes, target: bytes) -> int:
        """``SiteRules``."""
        return self.settings.max_other_body_bytes

    def body_expected(self, request: HardenedRequest, command: bytes, target: bytes) -> None:
        """``SiteRules``: it has no place of its own."""

    def body_too_large(self, request: HardenedRequest, command: bytes, target: bytes) -> None:
        """``SiteRules``: that ends nothing."""


def _exempt(judge: PeerJudge) -> Callable[[str], bool]:
    """Addresses without a connection limit of their own: loopback, proxies, and what has no address at all."""

    @lru_cache(maxsize=1_024)
    def exempt(address: str) -> bool:
        return not judge.is_counted(address)

    return exempt
