"""Writing whole responses; the error bodies of Engine.IO (contract 2.1) and of everything else."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from twisted.web.http import Request

TEXT: Final = b"text/plain; charset=UTF-8"
HTML: Final = b"text/html; charset=utf-8"
JSON: Final = b"application/json"

# What every answer has, errors and redirects included (contract 9.1, B21).
EVERYWHERE: Final = (
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
)

_WORDS_ALONE: Final = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

TRANSPORT_UNKNOWN: Final = 0
SESSION_UNKNOWN: Final = 1
BAD_HANDSHAKE_METHOD: Final = 2
BAD_REQUEST: Final = 3
FORBIDDEN: Final = 4
UNSUPPORTED_VERSION: Final = 5

_REFUSALS: Final = {
    TRANSPORT_UNKNOWN: (400, b'{"code":0,"message":"Transport unknown"}'),
    SESSION_UNKNOWN: (400, b'{"code":1,"message":"Session ID unknown"}'),
    BAD_HANDSHAKE_METHOD: (400, b'{"code":2,"message":"Bad handshake method"}'),
    BAD_REQUEST: (400, b'{"code":3,"message":"Bad request"}'),
    FORBIDDEN: (403, b'{"code":4,"message":"Forbidden"}'),
    UNSUPPORTED_VERSION: (400, b'{"code":5,"message":"Unsupported protocol version"}'),
}


def header_text(request: Request, name: bytes) -> str | None:
    """The last value of a request header; any bytes, for asking Twisted by a ``str`` name fails on what is no UTF-8."""
    value = request.getHeader(name)
    return None if value is None else value.decode("latin-1")


def address_of(request: Request) -> str:
    """The address of the socket that a request came by."""
    return getattr(request.client, "host", "")


def answer(request: Request, status: int, body: bytes, content_type: bytes) -> None:
    """Send one whole response; nothing happens when the peer is gone already."""
    if request.finished or request._disconnected:
        return
    request.setResponseCode(status, HTTPStatus(status).phrase.encode())  # twisted has no words for 429, 431, ...
    headers = request.responseHeaders
    if body or status not in (204, 304):
        headers.setRawHeaders(b"Content-Type", [content_type])
        if content_type == HTML:
            headers.setRawHeaders(b"Content-Security-Policy", [_WORDS_ALONE])
    headers.setRawHeaders(b"Content-Length", [b"%d" % len(body)])
    request.write(body)
    request.finish()


def refuse(request: Request, code: int) -> None:
    """Answer with an Engine.IO error; ``code`` is one of this module's."""
    status, body = _REFUSALS[code]
    answer(request, status, body, JSON)


def not_found(request: Request) -> None:
    answer(request, 404, b"Not Found", HTML)
