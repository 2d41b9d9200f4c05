"""Static content: files beneath a folder and modules in memory, with validators and ranges (contract 9.1).

No symbolic link is followed below a root (contract 16.3.31, ``services.home.openat``). What is no plain file or folder,
what begins with a dot and what holds NUL or a slash does not exist here.
"""

from __future__ import annotations

import gzip
import os
import re
import stat
from collections.abc import Mapping, Sequence
from email.utils import formatdate, parsedate_to_datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from attrs import field, frozen
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from newage.services.home.openat import open_below
from newage.web.responses import HTML, answer, header_text

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime
    from twisted.web.http import Request

JAVASCRIPT: Final = "application/javascript; charset=UTF-8"  # module scripts refuse other types
_TYPES: Final = {
    ".js": JAVASCRIPT,
    ".mjs": JAVASCRIPT,
    ".html": "text/html; charset=UTF-8",
    ".htm": "text/html; charset=UTF-8",
    ".css": "text/css; charset=UTF-8",
    ".txt": "text/plain; charset=UTF-8",
    ".md": "text/markdown; charset=UTF-8",
    ".csv": "text/csv; charset=UTF-8",
    ".xml": "application/xml",
    ".json": "application/json; charset=UTF-8",
    ".map": "application/json; charset=UTF-8",
    ".webmanifest": "application/manifest+json; charset=UTF-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".ico": "image/x-icon",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".ttf": "font/ttf",
    ".otf": "font/otf",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".ogg": "audio/ogg",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".wasm": "application/wasm",
    ".pdf": "application/pdf",
}
_CHUNK_BYTES: Final = 65_536  # read at a time; a smaller file is sent in one piece
_WORDY: Final = ("text/", "application/javascript", "application/json", "image/svg+xml")  # worth packing
_PACKED_KEPT: Final = 64  # files, of at most a chunk each
_RANGE: Final = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*\Z")
_METHODS: Final = (b"GET", b"HEAD")


def content_type(name: str) -> str:
    """By the name's ending; unknown ones are bytes that no browser runs."""
    return _TYPES.get(os.path.splitext(name)[1].lower(), "application/octet-stream")  # noqa: PTH122


@frozen(kw_only=True)
class MemoryFile:
    """Content that never changes while the process lives."""

    body: bytes = field(repr=False)
    type: str
    modified: float = 0.0  # seconds since the epoch

    @cached_property
    def packed(self) -> bytes:
        """By gzip, when it is asked for first."""
        return gzip.compress(self.body, mtime=0)


def open_beneath(root: Path, parts: Sequence[str]) -> int | None:
    """A descriptor of the file or folder that ``parts`` name below ``root``; None if there is none to be served.

    ``root`` itself may be reached through links; nothing below it may be one. The caller closes the descriptor.
    """
    if any(not part or part.startswith(".") or "/" in part or "\x00" in part for part in parts):
        return None
    try:
        return open_below(root, parts)
    except (OSError, ValueError):
        return None


def serve_beneath(
    request: Request,
    clock: IReactorTime,
    root: Path,
    parts: Sequence[str],
    headers: Mapping[str, str],
    stall: float,
    *,
    packs: bool = False,
) -> bool:
    """Answer with what ``parts`` name below ``root``; an empty last part asks for a folder's ``index.html``.

    :param headers: further response headers.
    :param stall: seconds in which a peer that takes nothing loses the download.
    :param packs: gzip what is text and small, for who takes that.
    :return: False, and nothing was answered, if there is nothing.
    """
    slash = parts[-1:] == [""]
    named = [*parts[:-1], "index.html"] if slash else list(parts)
    file = _open_file(root, named)
    if file is None:
        return not slash and _redirect_to_folder(request, root, named)
    descriptor, status = file
    _set_headers(request, headers)
    body = _Body(status.st_size, status.st_mtime, content_type(named[-1]))
    packs = packs and body.size <= _CHUNK_BYTES and body.type.startswith(_WORDY)
    if packs:
        _vary(request)
    part = _negotiate(request, body)
    if part is None:
        os.close(descriptor)
    elif part.size <= _CHUNK_BYTES:
        try:
            data = os.pread(descriptor, part.size, part.start)
        finally:
            os.close(descriptor)
        if packs and _takes_gzip(request):
            data = _as_packed(request, _pack(data))
        _finish(request, b"" if request.method == b"HEAD" else data)
    elif request.method == b"HEAD":
        os.close(descriptor)
        _finish(request, b"")
    else:
        FileProducer(request, clock, descriptor, part.start, part.size, stall).begin()
    return True


def _open_file(root: Path, named: Sequence[str]) -> tuple[int, os.stat_result] | None:
    """A plain file and what is known of it; the caller closes the descriptor."""
    descriptor = open_beneath(root, named)
    if descriptor is None:
        return None
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        return descriptor, status
    os.close(descriptor)
    return None


def exists_beneath(root: Path, parts: Sequence[str]) -> bool:
    """Whether there is something to be served."""
    descriptor = open_beneath(root, parts[:-1] if parts[-1:] == [""] else parts)
    if descriptor is None:
        return False
    os.close(descriptor)
    return True


def serve_memory(request: Request, file: MemoryFile, headers: Mapping[str, str]) -> None:
    """Answer with a file in memory, packed where the peer takes that and asks for no range of it."""
    _set_headers(request, headers)
    _vary(request)
    part = _negotiate(request, _Body(len(file.body), file.modified, file.type))
    if part is None:
        return
    data = file.body[part.start : part.start + part.size]
    if _takes_gzip(request):
        data = _as_packed(request, file.packed)
    _finish(request, b"" if request.method == b"HEAD" else data)


@lru_cache(maxsize=_PACKED_KEPT)
def _pack(data: bytes) -> bytes:
    """Once for each content: a changed file is another one."""
    return gzip.compress(data, mtime=0)


def _as_packed(request: Request, packed: bytes) -> bytes:
    request.setHeader("Content-Encoding", "gzip")
    request.setHeader("Content-Length", str(len(packed)))
    return packed


def _vary(request: Request) -> None:
    vary = request.responseHeaders.getRawHeaders(b"Vary", [])
    request.responseHeaders.setRawHeaders(b"Vary", [b", ".join([*vary, b"Accept-Encoding"])])


def _takes_gzip(request: Request) -> bool:
    if header_text(request, b"Range") is not None:
        return False
    for coding in (header_text(request, b"Accept-Encoding") or "").lower().split(","):
        name, _, weight = coding.replace(" ", "").partition(";q=")
        if name == "gzip":
            return re.fullmatch(r"0(\.0*)?", weight) is None
    return False


def method_allowed(request: Request) -> bool:
    """GET and HEAD; anything else is answered with 405 here."""
    if request.method in _METHODS:
        return True
    request.responseHeaders.setRawHeaders(b"Allow", [b"GET, HEAD"])
    answer(request, 405, b"Method Not Allowed", HTML)
    return False


def _redirect_to_folder(request: Request, root: Path, named: Sequence[str]) -> bool:
    descriptor = open_beneath(root, [*named, "index.html"])
    if descriptor is None:
        return False  # no listing, so there is nothing to be redirected to
    os.close(descriptor)
    segments = request.path.split(b"/")
    if not segments[1:2] or segments[1] == b"":
        return False  # '//host' in a Location would leave this server
    path = quote(request.path, safe="/%:@!$&'()*+,;=-._~") + "/"
    query = request.uri.partition(b"?")[2]
    if query:
        path += "?" + quote(query, safe="/%:@!$&'()*+,;=-._~?")
    request.responseHeaders.setRawHeaders(b"Location", [path.encode("ascii")])
    answer(request, 301, b"Moved", HTML)
    return True


@frozen
class _Body:
    size: int  # bytes
    modified: float  # seconds since the epoch
    type: str

    @property
    def etag(self) -> str:
        return f'W/"{self.size:x}-{int(self.modified * 1000):x}"'


@frozen
class _Part:
    start: int
    size: int


def _set_headers(request: Request, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        request.setHeader(name, value)


def _negotiate(request: Request, body: _Body) -> _Part | None:
    """Set status and headers; the part to send, or None when the response is finished already (304, 416)."""
    request.setHeader("Cache-Control", "public, max-age=0")
    request.setHeader("ETag", body.etag)
    request.setHeader("Last-Modified", formatdate(body.modified, usegmt=True))
    request.setHeader("Accept-Ranges", "bytes")
    if _is_fresh(request, body):
        request.setResponseCode(304)
        request.finish()
        return None
    part = _asked_part(request, body)
    if part is None:
        request.setHeader("Content-Range", f"bytes */{body.size}")
        answer(request, 416, b"Range Not Satisfiable", HTML)
        return None
    if part.size != body.size:
        request.setResponseCode(206)
        request.setHeader("Content-Range", f"bytes {part.start}-{part.start + part.size - 1}/{body.size}")
    request.setHeader("Content-Type", body.type)
    request.setHeader("Content-Length", str(part.size))
    return part


def _is_fresh(request: Request, body: _Body) -> bool:
    """Whether the peer's copy is good: ``If-None-Match`` decides alone when it is there (RFC 9110, 13.2.2)."""
    tags = header_text(request, b"If-None-Match")
    if tags is not None:
        known = [tag.strip().removeprefix("W/") for tag in tags.split(",")]
        return "*" in known or body.etag.removeprefix("W/") in known
    since = _date(header_text(request, b"If-Modified-Since"))
    return since is not None and int(body.modified) <= since


def _date(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _asked_part(request: Request, body: _Body) -> _Part | None:
    """The one range asked for, else all; None if it lies outside. Several ranges at once are answered with all."""
    text = header_text(request, b"Range")
    match = _RANGE.match(text) if text is not None and request.method == b"GET" else None
    if match is None or match.group() == "bytes=-" or not _range_applies(request, body):
        return _Part(0, body.size)
    first, last = match.groups()
    if not first and not last:
        return _Part(0, body.size)
    if not first:
        size = min(int(last), body.size)
        return _Part(body.size - size, size) if size else None
    start = int(first)
    end = min(int(last) if last else body.size - 1, body.size - 1)
    if last and int(last) < start:
        return _Part(0, body.size)
    return _Part(start, end - start + 1) if start < body.size else None


def _range_applies(request: Request, body: _Body) -> bool:
    """``If-Range``: weak tags never match (RFC 9110, 13.1.5), a date has to be exact."""
    condition = header_text(request, b"If-Range")
    return condition is None or _date(condition) == float(int(body.modified))


def _finish(request: Request, data: bytes) -> None:
    request.write(data)
    request.finish()


@implementer(IPushProducer)
class FileProducer:
    """Sends a part of an open file as fast as the peer takes it, a chunk at a time; owns and closes the descriptor."""

    def __init__(
        self, request: Request, clock: IReactorTime, descriptor: int, start: int, size: int, stall: float
    ) -> None:
        self._request = request
        self._descriptor = descriptor
        self._at = start
        self._end = start + size
        self._paused = False
        self._stall = stall
        self._stalled: Any = clock.callLater(stall, self._give_up)

    def begin(self) -> None:
        self._request.notifyFinish().addErrback(lambda failure: self._done())
        self._request.registerProducer(self, True)
        self.resumeProducing()

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        while not self._paused and self._descriptor >= 0:
            data = os.pread(self._descriptor, min(_CHUNK_BYTES, self._end - self._at), self._at)
            self._at += len(data)
            self._stalled.reset(self._stall)
            if data:
                self._request.write(data)
            if self._at >= self._end:
                self._complete()
            elif not data:
                self._give_up()  # the file shrank: the promised length cannot be kept

    def stopProducing(self) -> None:
        self._done()

    def _complete(self) -> None:
        self._done()
        self._request.unregisterProducer()
        self._request.finish()

    def _give_up(self) -> None:
        self._done()
        channel: Any = self._request.channel
        if channel is not None and channel.transport is not None:
            channel.transport.abortConnection()

    def _done(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._stalled.active():
            self._stalled.cancel()
