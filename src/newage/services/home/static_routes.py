"""URLs that clients map to folders and files of the home (contract 7.6)."""

from __future__ import annotations

import re
from pathlib import Path

from attrs import define, field, frozen

from newage.dialect import Body, files
from newage.dialect.files import PUBLIC_FOLDERS, RESTRICTED
from newage.domain.model import Caller, Kind
from newage.domain.urls import is_reserved
from newage.errors import BadArguments, BadPath, NewAgeError, NotAuthorised, PathRestricted, Unavailable
from newage.ports import IWorkers
from newage.services.home.files import HomeFiles, Parts
from newage.settings import limit

OWN_URLS = frozenset({"", "index.html", "socket.io", "lib", "dist", "public"})  # first segments that stay the hub's
_URL = re.compile(r"/[A-Za-z0-9._~/@-]{1,255}\Z")


@frozen(kw_only=True)
class StaticSettings:
    """Limits of ``addStaticResources``."""

    max_static_resources: int = limit(1000, "URLs that clients may have mapped at once")


@frozen
class _Route:
    parts: Parts
    owner: str | None  # clientId; None: the server's settings


@define(eq=False)
class StaticRoutes:
    """The table, in memory; the web layer asks it before it answers 404."""

    _files: HomeFiles
    _workers: IWorkers
    _settings: StaticSettings
    _routes: dict[str, _Route] = field(factory=dict, init=False)

    def find(self, url: str) -> Parts | None:
        """Where a URL path leads, as parts below the home, or None.

        The parts are still to be opened without following links; they hold neither ``..`` nor dot files.
        """
        segments = [segment for segment in url.split("/") if segment]
        if any(segment.startswith(".") or "\\" in segment or "\0" in segment for segment in segments):
            return None
        for length in range(len(segments), 0, -1):
            route = self._routes.get("/" + "/".join(segments[:length]))
            if route is not None:
                return (*route.parts, *segments[length:])
        return None

    def is_published(self, parts: Parts) -> bool:
        """Whether some URL leads to this file."""
        return any(parts[: len(route.parts)] == route.parts for route in self._routes.values())

    def lookup(self, url: str) -> tuple[Path, str] | None:
        """``find`` for the web layer: the home and the path below it, which ends as the URL does."""
        parts = self.find(url)
        return None if parts is None else (self._files.root, "/".join(parts) + ("/" if url.endswith("/") else ""))

    async def add_for(self, caller: Caller, mapping: object) -> Body:
        """The ``result`` of addStaticResources: one entry per URL, each on its own.

        :raises NotAuthorised: a remote client; BadArguments: no object.
        """
        if not caller.peer.local and caller.kind is Kind.CLIENT:
            raise NotAuthorised("Unauthorized")
        if not isinstance(mapping, dict) or len(mapping) > self._settings.max_static_resources:
            raise BadArguments("addStaticResources takes an object of URLs and paths.")
        outcomes: list[tuple[str, NewAgeError | None]] = []
        for url, path in mapping.items():
            try:
                await self._add(url, path, caller.client_id)
            except NewAgeError as error:
                outcomes.append((url, error))
            else:
                outcomes.append((url, None))
        return files.mapped(outcomes)

    async def load(self, mapping: object) -> dict[str, str]:
        """Map what the server's settings say (``staticResouce``); returns what was wrong, by URL."""
        wrong: dict[str, str] = {}
        entries = list(mapping.items()) if isinstance(mapping, dict) else []
        for url, path in entries[: self._settings.max_static_resources]:
            try:
                await self._add(url, path, None)
            except NewAgeError as error:
                wrong[url] = str(error)
        return wrong

    async def _add(self, url: str, path: object, owner: str | None) -> None:
        place = _place(url)
        parts = self._files.parts(path)
        own_data = owner is not None and parts[:2] == ("data", owner)
        if not (parts[0] in PUBLIC_FOLDERS or own_data) or any(part.startswith(".") for part in parts):
            raise PathRestricted(RESTRICTED)
        await self._workers.run(self._files.kind, parts)
        present = self._routes.get(place)
        if present is not None and present.owner != owner:
            raise PathRestricted("This URL is taken.")
        if present is None and len(self._routes) >= self._settings.max_static_resources:
            raise Unavailable("Too many static resources.")
        self._routes[place] = _Route(parts, owner)


def _place(url: object) -> str:
    """A URL as the key of the table.

    :raises BadPath: not one that may be mapped.
    """
    if not isinstance(url, str) or not _URL.match(url):
        raise BadPath("Invalid URL.")
    if is_reserved(url):
        raise BadPath("This URL is the hub's own; choose another.")
    segments = [segment for segment in url.split("/") if segment]
    if not segments or segments[0] in OWN_URLS or any(segment.startswith(".") for segment in segments):
        raise BadPath("Invalid URL.")
    return "/" + "/".join(segments)
