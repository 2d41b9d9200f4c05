"""What one request says about where it comes from, and its headers that say so (contract B1)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from twisted.web.http import Request

# Whoever adds one of these has passed a request on. Lower case.
_FORWARDING: Final = frozenset(
    {
        b"forwarded",
        b"via",
        b"x-real-ip",
        b"cdn-loop",
        b"true-client-ip",
        b"x-client-ip",
        b"client-ip",
        b"x-cluster-client-ip",
        b"proxy-client-ip",
        b"wl-proxy-client-ip",
        b"x-host",
        b"x-originating-ip",
        b"x-proxyuser-ip",
        b"x-remote-addr",
        b"x-remote-ip",
        b"x-scheme",
        b"x-nginx-proxy",
    }
)
_FORWARDING_PREFIXES: Final = (
    b"x-forwarded",
    b"cf-",
    b"x-envoy-",
    b"x-amz",
    b"x-azure-",
    b"x-arr-",
    b"x-original-",
    b"fly-",
    b"fastly-",
    b"tailscale-",
    b"ngrok-",
)
_FETCH_METADATA: Final = b"sec-fetch-"


class Claims(NamedTuple):
    """One request, as far as it tells who sent it; every header with all its values, in order."""

    address: str  # of the socket
    http11: bool = True
    forwarding: tuple[str, ...] = ()  # names of the headers that only who passes a request on adds
    forwarded_for: tuple[str, ...] = ()
    forwarded: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()  # none for what is no browser, or a same-origin GET
    fetch_sites: tuple[str, ...] = ()
    fetched: bool = False  # any Sec-Fetch-*
    contradicted: bool = False  # Host is the target's, and the header said another

    @property
    def size(self) -> int:
        """Characters of the values."""
        kept = (self.forwarding, self.forwarded_for, self.forwarded, self.hosts, self.origins, self.fetch_sites)
        return sum(len(text) for texts in kept for text in texts)


@lru_cache(maxsize=256)
def is_forwarding(name: bytes) -> bool:
    """Whether only who passes a request on adds this header."""
    name = name.lower()
    return name in _FORWARDING or name.startswith(_FORWARDING_PREFIXES)


def claims_of(request: Request) -> Claims:
    """The claims of a request of twisted.web."""
    headers = request.requestHeaders
    names = [name for name, _ in headers.getAllRawHeaders()]

    def texts(name: bytes) -> tuple[str, ...]:
        return tuple(value.decode("latin-1") for value in headers.getRawHeaders(name) or ())

    return Claims(
        getattr(request.client, "host", ""),
        request.clientproto == b"HTTP/1.1",
        tuple(name.decode("latin-1") for name in names if is_forwarding(name)),
        texts(b"X-Forwarded-For"),
        texts(b"Forwarded"),
        texts(b"Host"),
        texts(b"Origin"),
        texts(b"Sec-Fetch-Site"),
        any(name.lower().startswith(_FETCH_METADATA) for name in names),
        getattr(request, "contradicted", False),
    )
