"""JSON over HTTP: what ``/v1`` and ``/api/v1`` stand on. One gate, one table of routes, one body of failures (B4).

A route's handler is given an ``Exchange``: it reads from that, and answers by it, or raises a ``NewAgeError``, which
becomes an answer. Whatever is sent gets one.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, ClassVar, Final, TypeAlias
from urllib.parse import unquote_to_bytes

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from newage.domain.model import Peer
from newage.errors import AuthenticationFailed, InvalidRequest, NewAgeError, ProtocolError
from newage.protocol.json_text import dumps, loads
from newage.web.gate import Gate
from newage.web.json_errors import HttpRefusal, Sort, told
from newage.web.request import HardenedRequest
from newage.web.responses import JSON, answer, header_text

_KEY_NAMES: Final = frozenset({b"key", b"api_key", b"api-key", b"apikey", b"token", b"access_token", b"authorization"})
_KEY_BEGINS: Final = b"sk-newage-"
_EXPOSED: Final = b"Retry-After, X-Request-Id, X-Should-Retry"
_PREFLIGHT_SECONDS: Final = b"600"
_TAIL: Final = "..."

_FOREIGN: Final = Sort(403, "permission_error", "forbidden")
_NO_METHOD: Final = Sort(405, "invalid_request_error", "method_not_allowed")
_NO_PATH: Final = Sort(404, "invalid_request_error", "not_found")
_NO_JSON: Final = Sort(415, "invalid_request_error", "unsupported_media_type")
FOREIGN: Final = "This address, or this page, is not let in here; the hub's log says why."
KEY_IN_QUERY: Final = (
    "A key does not belong into an address, where it is logged: send the header Authorization: Bearer KEY."
)
NEEDS_JSON: Final = "The body has to be JSON, with Content-Type: application/json."


@define(eq=False)
class Exchange:
    """One request, and the way to answer it.

    ``peer`` is who sent it as the gate judged; ``values`` are those of the route's template, percent-decoded once.
    """

    request: HardenedRequest
    peer: Peer
    values: Mapping[str, str] = field(factory=dict)

    def key(self) -> str | None:
        """The key that is shown; None for none, which an empty ``Bearer`` is, too.

        :raises AuthenticationFailed: it is shown in another way, or two are.
        """
        shown = self.request.requestHeaders.getRawHeaders(b"Authorization") or []
        if len(shown) > 1:
            raise AuthenticationFailed("There are two headers Authorization.")
        scheme, _, key = (shown[0] if shown else b"").decode("latin-1").strip().partition(" ")
        if scheme and scheme.lower() != "bearer":
            raise AuthenticationFailed("A key is shown as Authorization: Bearer KEY.")
        return key.strip() or None

    def body(self) -> dict[str, Any]:
        """The JSON object that was sent.

        :raises InvalidRequest: it is none, or its sender is gone. :raises HttpRefusal: a page sent it as something else
            (B4).
        """
        headers = self.request.requestHeaders
        kind = (header_text(self.request, b"Content-Type") or "").partition(";")[0].strip().lower()
        by_page = headers.hasHeader(b"Origin") or any(
            name.lower().startswith(b"sec-fetch-") for name, _ in headers.getAllRawHeaders()
        )
        if (by_page and kind != "application/json") or headers.hasHeader(b"Content-Encoding"):
            raise HttpRefusal(_NO_JSON, NEEDS_JSON)
        if self.request.content.closed:
            raise InvalidRequest("Nobody waits for an answer any more.")
        try:
            found = loads(self.request.content.read())
        except ProtocolError as error:
            raise InvalidRequest(f"The body is no JSON that can be read: {error}.") from error
        if not isinstance(found, dict):
            raise InvalidRequest("The body has to be a JSON object.")
        return found

    def answer(self, status: int, body: Mapping[str, Any], *headers: tuple[bytes, bytes]) -> None:
        """All of the answer; nothing happens when the peer is gone."""
        self._headers(headers)
        answer(self.request, status, dumps(body), JSON)

    def fail(self, error: NewAgeError, *, keeps_off: bool = False) -> None:
        """:param keeps_off: as of ``json_errors.told``."""
        status, headers, body = told(error, keeps_off=keeps_off)
        self.answer(status, body, *headers)

    def _headers(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        for name, value in headers:
            self.request.responseHeaders.setRawHeaders(name, [value])


Handler: TypeAlias = Callable[[Exchange], Coroutine["Deferred[Any]", Any, None]]


@frozen
class Route:
    """``template`` has ``{name}`` for one segment, at its end ``{name...}`` for all that are left."""

    method: str
    template: str
    handle: Handler = field(repr=False)

    def match(self, segments: list[str]) -> dict[str, str] | None:
        """The values of a path that fits, by their names."""
        wanted, values = self.template.split("/")[1:], dict[str, str]()
        for place, want in enumerate(wanted):
            name = want[1:-1]
            if want.startswith("{") and name.endswith(_TAIL) and len(segments) > place:
                values[name.removesuffix(_TAIL)] = "/".join(segments[place:])
                return values
            if place >= len(segments) or (not want.startswith("{") and segments[place] != want):
                return None
            if want.startswith("{"):
                values[name] = segments[place]
        return values if len(segments) == len(wanted) else None


class JsonApi(Resource):
    """Everything below one first segment of paths.

    :param routes: the first that fits is taken. :param unknown: what to say of a path that there is not.
    """

    isLeaf = True
    _log: ClassVar[Logger] = Logger()

    def __init__(self, gate: Gate, routes: Iterable[Route], unknown: str = "There is nothing at this path.") -> None:
        super().__init__()
        self._gate = gate
        self._routes = tuple(routes)
        self._unknown = unknown

    def render(self, request: HardenedRequest) -> int:
        judgement = self._gate.judge(request)
        exchange = Exchange(request, judgement.peer)
        request.responseHeaders.setRawHeaders(b"Cache-Control", [b"no-store"])
        if judgement.refusal:
            exchange.fail(HttpRefusal(_FOREIGN, FOREIGN))
            return NOT_DONE_YET
        self._gate.share(request)
        request.responseHeaders.setRawHeaders(b"Access-Control-Expose-Headers", [_EXPOSED])
        try:
            self._serve(exchange)
        except NewAgeError as error:
            exchange.fail(error)
        return NOT_DONE_YET

    def _serve(self, exchange: Exchange) -> None:
        request = exchange.request
        there = list(self._there(request.path))
        if not there:
            raise HttpRefusal(_NO_PATH, self._unknown)
        methods = dict.fromkeys(route.method for route, _ in there)
        allowed = ", ".join([*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"]).encode()
        method = "GET" if request.method == b"HEAD" else request.method.decode("latin-1")
        if method == "OPTIONS":
            _preflight(request, allowed)
            return
        found = next((each for each in there if each[0].method == method), None)
        if found is None:
            raise HttpRefusal(_NO_METHOD, "This path does not take that method.", (b"Allow", allowed))
        if any(_is_key(name, values) for name, values in request.args.items()):
            raise InvalidRequest(KEY_IN_QUERY)
        route, exchange.values = found
        handled = Deferred.fromCoroutine(route.handle(exchange))
        handled.addErrback(self._failed, exchange)

    def _there(self, path: bytes) -> Iterable[tuple[Route, Mapping[str, str]]]:
        try:
            segments = [unquote_to_bytes(segment).decode() for segment in path.split(b"/")[1:]]
        except UnicodeDecodeError:
            return
        for route in self._routes:
            values = route.match(segments)
            if values is not None:
                yield route, values

    def _failed(self, failure: Failure, exchange: Exchange) -> None:
        error = failure.value
        if not isinstance(error, NewAgeError):
            self._log.failure("a request over HTTP failed", failure)
            error = NewAgeError()
        exchange.fail(error)


def _is_key(name: bytes, values: Iterable[bytes]) -> bool:
    return name.lower() in _KEY_NAMES or any(_KEY_BEGINS in value for value in values)


def _preflight(request: HardenedRequest, allowed: bytes) -> None:
    headers = request.responseHeaders
    headers.setRawHeaders(b"Allow", [allowed])
    headers.setRawHeaders(b"Access-Control-Allow-Methods", [allowed])
    headers.setRawHeaders(b"Access-Control-Max-Age", [_PREFLIGHT_SECONDS])
    headers.setRawHeaders(b"Vary", [b"Origin, Access-Control-Request-Headers"])
    asked = request.requestHeaders.getRawHeaders(b"Access-Control-Request-Headers")
    if asked:
        headers.setRawHeaders(b"Access-Control-Allow-Headers", [b",".join(asked)])
    answer(request, 204, b"", JSON)
