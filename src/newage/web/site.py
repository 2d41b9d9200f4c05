"""The site: which URL is answered by what (contract 9.1), as a factory for one or more listening ports."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from attrs import evolve
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.web.http import parse_qs
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from newage.domain.urls import is_reserved, segments
from newage.telemetry.metrics import Counters
from newage.telemetry.refusals import Refusals
from newage.web.files import MemoryFile, exists_beneath, method_allowed, serve_beneath, serve_memory
from newage.web.gate import Gate
from newage.web.hardened_site import HardenedSite
from newage.web.health import PATHS as HEALTH_PATHS
from newage.web.health import HealthResource, Obstacle
from newage.web.json_api import JsonApi
from newage.web.modules import client_bundles, client_modules, virtual_modules
from newage.web.owner import OwnerLookup
from newage.web.peer import PeerJudge
from newage.web.releases import Releases, read_releases
from newage.web.repository import PATHS as REPOSITORY_PATHS
from newage.web.repository import Repository
from newage.web.request import HardenedRequest
from newage.web.responses import FORBIDDEN, TEXT, answer, header_text, not_found, refuse
from newage.web.settings import WebSettings
from newage.web.transports.engine import EngineResource
from newage.web.transports.flushes import FlushList

if TYPE_CHECKING:
    from newage.gateway.engineio.engines import EngineServer

# A URL path that no route knows -> (folder, what to serve below it), or None. Consulted before the 404 (contract 7.6).
Lookup = Callable[[str], tuple[Path, str] | None]

NO_APIS: Final[Mapping[str, Callable[[Gate], JsonApi]]] = {}

_HOME_FOLDERS: Final = ("lib", "dist", "exampleClient", "public", "client", "Client")
# An installation of the reference server has its compiled server in dist/ (contract 9.3: no server code).
_NOT_FROM_DIST: Final = (".js", ".mjs", ".cjs", ".ts", ".map", ".json")
_HOST: Final = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}\Z")
_NO_HEADERS: Final[Mapping[str, str]] = {}
_FOR_EVERYBODY: Final = {"Cross-Origin-Resource-Policy": "cross-origin"}  # client bundles


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
        bundles: Container[str],
        gate: Gate,
    ) -> None:
        """:param bundles: what of ``memory`` any page may load."""
        super().__init__()
        self._gate = gate
        self._bundles = bundles
        self._clock = clock
        self._stall = settings.send_timeout_seconds
        self._memory = memory
        self._static = static_dir
        self._home = home
        self._extra_lookup = extra_lookup

    def render(self, request: HardenedRequest) -> int:
        path = _decoded_path(request.path)
        bundle = path in self._bundles
        if not self._gate.admits(request, module=bundle or segments(path or "")[:1] == ["lib"]):
            refuse(request, FORBIDDEN)
            return NOT_DONE_YET
        if bundle:
            self._gate.share(request)
        if request.path == b"*" and request.method == b"OPTIONS":
            answer(request, 204, b"", TEXT)  # RFC 9110, 9.3.7: a question whether anybody is there
        elif path is None or is_reserved(path) or not self._find(request, path):
            not_found(request)
        return NOT_DONE_YET

    def _find(self, request: HardenedRequest, path: str) -> bool:
        """Answer with the first thing that has this path; False if nothing has."""
        file = self._memory.get(path)
        if file is not None:
            if method_allowed(request):
                serve_memory(request, file, _FOR_EVERYBODY if path in self._bundles else _NO_HEADERS)
            return True
        parts = path[1:].split("/")
        if path == "/":
            return self._serve(request, self._static, ["index.html"], _page_headers(request), packs=True)
        if parts[0] in _HOME_FOLDERS:
            if parts[0] == "dist" and parts[-1].lower().endswith(_NOT_FROM_DIST):
                return False
            found = self._home is not None and self._serve(request, self._home, parts, _NO_HEADERS)
        else:
            found = self._serve(request, self._static, parts, _page_headers(request), packs=True)
        return found or self._look_up(request, path)

    def _look_up(self, request: HardenedRequest, path: str) -> bool:
        target = self._extra_lookup(path) if self._extra_lookup is not None else None
        return target is not None and self._serve(request, target[0], target[1].split("/"), _NO_HEADERS)

    def _serve(
        self,
        request: HardenedRequest,
        root: Path | None,
        parts: list[str],
        headers: Mapping[str, str],
        *,
        packs: bool = False,
    ) -> bool:
        if root is None:
            return False
        if request.method not in (b"GET", b"HEAD"):
            return exists_beneath(root, parts) and not method_allowed(request)
        return serve_beneath(request, self._clock, root, parts, headers, self._stall, packs=packs)


class NewAgeSite(HardenedSite):
    """Everything that the hub serves to clients."""

    def __init__(
        self,
        settings: WebSettings,
        clock: IReactorTime,
        engines: Mapping[bytes, EngineResource],
        files: IResource,
        health: IResource,
        repository: IResource,
        gate: Gate,
        counters: Counters,
        apis: Mapping[bytes, JsonApi],
        api_body_bytes: int,
    ) -> None:
        super().__init__(settings, clock, files, gate)
        self._engines = engines
        self._files = files
        self._health = health
        self._repository = repository
        self._apis = apis
        self._api_body_bytes = api_body_bytes
        self._counters = counters

    def getResourceFor(self, request: Any) -> IResource:
        """Whatever answers it asks the gate first, but for the health of the hub."""
        self._counters.add("http_requests")
        if request.path in HEALTH_PATHS:
            return self._health
        if request.path in REPOSITORY_PATHS:
            return self._repository
        engine = self._engines.get(request.path)
        if engine is None:
            return self._apis.get(_first(request.path), self._files)
        request.have_connection_alone()
        return engine

    def body_limit(self, request: HardenedRequest, command: bytes, target: bytes) -> int:
        """``SiteRules``: Engine.IO's own limit, or the one for everything else."""
        if target.partition(b"?")[0] in self._engines:
            return self.settings.max_http_buffer_bytes
        if _first(target) in self._apis:
            return self._api_body_bytes
        return self.settings.max_other_body_bytes

    def body_expected(self, request: HardenedRequest, command: bytes, target: bytes) -> None:
        """``SiteRules``: a POST to Engine.IO takes its place."""
        path, _, query = target.partition(b"?")
        engine = self._engines.get(path)
        if engine is not None and command == b"POST":
            engine.expect_body(request, parse_qs(query, True))

    def body_too_large(self, request: HardenedRequest, command: bytes, target: bytes) -> None:
        """``SiteRules``: a POST to Engine.IO that is too large ends its session."""
        path, _, query = target.partition(b"?")
        engine = self._engines.get(path)
        if engine is not None and command == b"POST":
            engine.body_too_large(parse_qs(query, True))


def _nothing_in_the_way() -> Deferred[str]:
    return succeed("")


def make_site(
    settings: WebSettings,
    engines: EngineServer | Mapping[str, EngineServer],
    clock: IReactorTime,
    *,
    static_dir: Path | None = None,
    client_dir: Path | None = None,
    home: Path | None = None,
    extra_lookup: Lookup | None = None,
    owner_lookup: OwnerLookup | None = None,
    obstacle: Obstacle = _nothing_in_the_way,
    counters: Counters | None = None,
    releases: Releases | None = None,
    apis: Mapping[str, Callable[[Gate], JsonApi]] = NO_APIS,
    api_body_bytes: int = 0,
) -> NewAgeSite:
    """Put the web layer together.

    :param engines: the server behind ``settings.socket_io_path``, or one for each of several paths (``/engine.io``).
    :param static_dir: newage's own pages, mounted at the root; ``index.html`` answers ``/``.
    :param client_dir: the client in JavaScript, served as ``/lib/newage-client`` to any page.
    :param home: whose ``lib``, ``dist``, ``exampleClient``, ``public``, ``client`` and ``Client`` are served.
    :param extra_lookup: consulted before the 404: URL path -> (folder, path below it) or None.
    :param owner_lookup: tells whose a loopback connection is; the system's way by default.
    :param obstacle: what keeps the hub from serving, for ``/readyz``.
    :param counters: of requests and refusals.
    :param releases: of the extension for SillyTavern; those of the package by default.
    :param apis: what answers below a first segment, "v1"; made with the site's gate.
    :param api_body_bytes: how large a body there may be.
    :return: a factory to listen with.
    """
    by_path = engines if isinstance(engines, Mapping) else {settings.socket_io_path: engines}
    flushes = FlushList(clock)
    counters = counters or Counters()
    gate = Gate(PeerJudge.of(settings), clock.seconds, owner_lookup, Refusals(clock.seconds, counters))
    resources: dict[bytes, EngineResource] = {}
    bundles: dict[str, MemoryFile] = {} if client_dir is None else client_modules(client_dir)
    for path, server in by_path.items():
        plain = "/" + path.strip("/")
        resource = EngineResource(server, evolve(settings, socket_io_path=plain), clock, flushes, gate)
        resources[plain.encode()] = resources[plain.encode() + b"/"] = resource
        bundles |= client_bundles(plain)
    memory = virtual_modules() | bundles
    files = FileResource(settings, clock, memory, static_dir, home, extra_lookup, bundles, gate)
    repository = Repository(read_releases() if releases is None else releases, gate)
    made = {segment.encode(): make(gate) for segment, make in apis.items()}
    health = HealthResource(obstacle)
    return NewAgeSite(settings, clock, resources, files, health, repository, gate, counters, made, api_body_bytes)


def _first(target: bytes) -> bytes:
    """The first segment of a path."""
    return target.partition(b"?")[0].split(b"/", 2)[1] if target.startswith(b"/") else b""


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
    }
