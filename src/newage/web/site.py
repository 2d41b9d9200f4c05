"""The site: which URL is answered by what (contract 9.1), as a factory for one or more listening ports."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from attrs import evolve
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger
from twisted.web.http import parse_qs
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Site

from newage.telemetry.quota import LogQuota
from newage.web.channel import ConnectionCount, HardenedChannel, HardenedRequest
from newage.web.files import MemoryFile, exists_beneath, method_allowed, serve_beneath, serve_memory
from newage.web.gate import Gate
from newage.web.modules import client_bundles, virtual_modules
from newage.web.owner import OwnerLookup
from newage.web.peer import PeerJudge
from newage.web.responses import FORBIDDEN, header_text, not_found, refuse
from newage.web.settings import WebSettings
from newage.web.transports.engine import EngineResource
from newage.web.transports.flushes import FlushList

if TYPE_CHECKING:
    from newage.gateway.engineio.engines import EngineServer

_log = Logger()

# A URL path that no route knows -> (folder, what to serve below it), or None. Consulted before the 404 (contract 7.6).
Lookup = Callable[[str], tuple[Path, str] | None]

_HOME_FOLDERS: Final = ("lib", "dist", "exampleClient", "public", "client", "Client")
# An installation of the reference server has its compiled server in dist/ (contract 9.3: no server code).
_NOT_FROM_DIST: Final = (".js", ".mjs", ".cjs", ".ts", ".map", ".json")
_HOST: Final = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}\Z")
_REFUSALS_PER_SECOND: Final = 5  # lines of log
_NO_HEADERS: Final[Mapping[str, str]] = {}


class FileResource(Resource):
    """Everything that is not Engine.IO."""

    isLeaf = True

    def __init__(
        self,
        settings: WebSettings,
        clock: IReactorTime,
        memory: Mapping[str, MemoryFile],
        static_dir: Path | None,
        home: Path | None,
        extra_lookup: Lookup | None,
        gate: Gate,
    ) -> None:
        super().__init__()
        self._gate = gate
        self._clock = clock
        self._stall = settings.send_timeout_seconds
        self._memory = memory
        self._static = static_dir
        self._home = home
        self._extra_lookup = extra_lookup

    def render(self, request: HardenedRequest) -> int:
        if not self._gate.names_us(request):
            refuse(request, FORBIDDEN)
            return NOT_DONE_YET
        path = _decoded_path(request.path)
        if path is None or not self._find(request, path):
            not_found(request)
        return NOT_DONE_YET

    def _find(self, request: HardenedRequest, path: str) -> bool:
        """Answer with the first thing that has this path; False if nothing has."""
        file = self._memory.get(path)
        if file is not None:
            if method_allowed(request):
                serve_memory(request, file, _NO_HEADERS)
            return True
        parts = path[1:].split("/")
        if path == "/":
            return self._serve(request, self._static, ["index.html"], _page_headers(request))
        if parts[0] in _HOME_FOLDERS:
            if parts[0] == "dist" and parts[-1].lower().endswith(_NOT_FROM_DIST):
                return False
            found = self._home is not None and self._serve(request, self._home, parts, _NO_HEADERS)
        else:
            found = self._serve(request, self._static, parts, _page_headers(request))
        return found or self._look_up(request, path)

    def _look_up(self, request: HardenedRequest, path: str) -> bool:
        target = self._extra_lookup(path) if self._extra_lookup is not None else None
        return target is not None and self._serve(request, target[0], target[1].split("/"), _NO_HEADERS)

    def _serve(self, request: HardenedRequest, root: Path | None, parts: list[str], headers: Mapping[str, str]) -> bool:
        if root is None:
            return False
        if request.method not in (b"GET", b"HEAD"):
            return exists_beneath(root, parts) and not method_allowed(request)
        return serve_beneath(request, self._clock, root, parts, headers, self._stall)


class NewAgeSite(Site):
    """twisted.web's Site with hardened channels, without an access log (URLs hold session ids) and without HTTP/2."""

    noisy = False

    def __init__(
        self,
        settings: WebSettings,
        clock: IReactorTime,
        engines: Mapping[bytes, EngineResource],
        files: IResource,
        gate: Gate,
    ) -> None:
        super().__init__(
            files,
            requestFactory=HardenedRequest,
            timeout=settings.header_timeout_seconds,
            reactor=clock,
            parsePOSTFormSubmission=False,
        )
        self.settings = settings
        self.connections = ConnectionCount(settings, _exempt(PeerJudge.of(settings)))
        self.gate = gate
        self._engines = engines
        self._files = files
        self._refusals = LogQuota(_REFUSALS_PER_SECOND, clock.seconds)

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
            unsaid = self._refusals.take()
            if unsaid is not None:
                _log.info("{address} has too many connections ({unsaid} more refused)", address=address, unsaid=unsaid)
            return None
        return HardenedChannel(self, self, self.settings, self.reactor, self.connections, address)

    # ------------------------------------------------------------------------------------------------------ requests

    def getResourceFor(self, request: Any) -> IResource:
        request.responseHeaders.setRawHeaders(b"Server", [b"newage"])
        engine = self._engines.get(request.path)
        if engine is None:
            return self._files
        request.have_connection_alone()
        return engine

    def body_limit(self, request: HardenedRequest, command: bytes, target: bytes) -> int:
        """``BodyRules``: Engine.IO's own limit, or the one for everything else."""
        if target.partition(b"?")[0] in self._engines:
            return self.settings.max_http_buffer_bytes
        return self.settings.max_other_body_bytes

    def body_expected(self, request: HardenedRequest, command: bytes, target: bytes) -> None:
        """``BodyRules``: a POST to Engine.IO takes its place."""
        path, _, query = target.partition(b"?")
        engine = self._engines.get(path)
        if engine is not None and command == b"POST":
            engine.expect_body(request, parse_qs(query, True))

    def body_too_large(self, request: HardenedRequest, command: bytes, target: bytes) -> None:
        """``BodyRules``: a POST to Engine.IO that is too large ends its session."""
        path, _, query = target.partition(b"?")
        engine = self._engines.get(path)
        if engine is not None and command == b"POST":
            engine.body_too_large(parse_qs(query, True))


def make_site(
    settings: WebSettings,
    engines: EngineServer | Mapping[str, EngineServer],
    clock: IReactorTime,
    *,
    static_dir: Path | None = None,
    home: Path | None = None,
    extra_lookup: Lookup | None = None,
    owner_lookup: OwnerLookup | None = None,
) -> NewAgeSite:
    """Put the web layer together.

    :param engines: the server behind ``settings.socket_io_path``, or one for each of several paths (``/engine.io``).
    :param static_dir: newage's own pages, mounted at the root; ``index.html`` answers ``/``.
    :param home: whose ``lib``, ``dist``, ``exampleClient``, ``public``, ``client`` and ``Client`` are served.
    :param extra_lookup: consulted before the 404: URL path -> (folder, path below it) or None.
    :param owner_lookup: tells whose a loopback connection is; the system's way by default.
    :return: a factory to listen with.
    """
    by_path = engines if isinstance(engines, Mapping) else {settings.socket_io_path: engines}
    flushes = FlushList(clock)
    gate = Gate(PeerJudge.of(settings), clock.seconds, owner_lookup)
    resources: dict[bytes, EngineResource] = {}
    memory = virtual_modules()
    for path, server in by_path.items():
        plain = "/" + path.strip("/")
        resource = EngineResource(server, evolve(settings, socket_io_path=plain), clock, flushes, gate)
        resources[plain.encode()] = resources[plain.encode() + b"/"] = resource
        memory |= client_bundles(plain)
    files = FileResource(settings, clock, memory, static_dir, home, extra_lookup, gate)
    return NewAgeSite(settings, clock, resources, files, gate)


def _exempt(judge: PeerJudge) -> Callable[[str], bool]:
    """Addresses without a connection limit of their own: loopback, proxies, and what has no address at all."""

    @lru_cache(maxsize=1_024)
    def exempt(address: str) -> bool:
        return not judge.is_counted(address)

    return exempt


def _decoded_path(path: bytes) -> str | None:
    """Percent-decoded once; None for what is no UTF-8 or holds NUL."""
    try:
        text = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return None
    return text if text.startswith("/") and "\x00" not in text else None


def _page_headers(request: HardenedRequest) -> dict[str, str]:
    """The policy for newage's own pages. 'self' covers WebSockets only in newer browsers, so the host is named too."""
    host = header_text(request, b"Host") or ""
    sockets = f" ws://{host} wss://{host}" if _HOST.match(host) else ""
    return {
        "Content-Security-Policy": (
            f"default-src 'self'; connect-src 'self'{sockets}; base-uri 'none'; object-src 'none'; "
            "form-action 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
    }
