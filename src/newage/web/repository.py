"""The extension as a git repository, and as a zip (B14): what SillyTavern's own dialog installs and updates.

Git's "smart" HTTP with constant bytes, and no git at run time: every fetch gets the whole pack of released versions,
which holds whatever a client may lack. How deep its history is to be, it is told as it asked: SillyTavern clones with
depth 1, and asks for all of it (`--unshallow`) before it lists branches. A request for protocol 2 is answered as one
for 0, which clients accept.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import cache
from typing import Final

from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from newage.web.files import MemoryFile, method_allowed, serve_memory
from newage.web.gate import Gate
from newage.web.releases import NAME, Releases
from newage.web.request import HardenedRequest
from newage.web.responses import FORBIDDEN, TEXT, answer, not_found, refuse

REFS: Final = f"/{NAME}/info/refs".encode()
PACK: Final = f"/{NAME}/git-upload-pack".encode()
ARCHIVE: Final = f"/{NAME}.zip".encode()
PATHS: Final = frozenset({REFS, PACK, ARCHIVE})

_SERVICE: Final = b"git-upload-pack"
_CAPABILITIES: Final = b"shallow side-band-64k no-progress symref=HEAD:refs/heads/main agent=newage"
_MAX_BODY: Final = 65_536  # after gunzip
_BAND: Final = 65_515  # bytes of the pack in one packet
_LENGTH: Final = re.compile(rb"[0-9a-f]{4}")
_DEEPEN: Final = re.compile(rb"deepen ([0-9]{1,10})")
_ELSEWHERE: Final = (
    b"The extension is served to this machine, and over https. From here there are two other ways: on the machine of "
    b"SillyTavern run 'newage extension install PATH_TO_SILLYTAVERN', or take newage-extension.zip from the hub's own "
    b"machine and unpack it into data/default-user/extensions of SillyTavern.\n"
)


def packet(line: bytes) -> bytes:
    """A line with its length before it, as git writes them."""
    return b"%04x" % (len(line) + 4) + line


_FLUSH: Final = b"0000"


def lines_of(body: bytes) -> list[bytes]:
    """What ``packet`` has put together, without the flushes between, and as far as no length is broken."""
    found = []
    at = 0
    while _LENGTH.match(body, at):
        length = int(body[at : at + 4], 16)
        if length > 4:
            found.append(body[at + 4 : at + length].removesuffix(b"\n"))
        at += max(length, 4)
    return found


def depth_told(lines: Sequence[bytes], history: Sequence[bytes]) -> bytes:
    """Where the client's history ends from now on, as the answer to its `deepen`; nothing where it did not ask.

    :param lines: of the request; each commit at which the client's history ends now is a line `shallow` of it.
    :param history: ids of commits, the newest first.
    """
    wanted = next(filter(None, map(_DEEPEN.fullmatch, lines)), None)
    if wanted is None:
        return b""
    depth = int(wanted[1])
    ends = {line.removeprefix(b"shallow ") for line in lines if line.startswith(b"shallow ")}
    told = [b"unshallow " + each for each in history[: max(0, depth - 1)] if each in ends]
    if 0 < depth <= len(history) and history[depth - 1] not in ends:
        told.append(b"shallow " + history[depth - 1])
    return b"".join(map(packet, told)) + _FLUSH


class Repository(Resource):
    """The three paths.

    :param releases: what there is; nothing released: 404.
    """

    isLeaf = True

    def __init__(self, releases: Releases, gate: Gate) -> None:
        super().__init__()
        self._gate = gate
        self._pack = releases.pack
        self._history = [each.commit.encode() for each in reversed(releases.versions)]
        newest = releases.newest
        self._head = newest.commit.encode() if newest is not None else b""
        # packed when it is first asked for, not at every start
        self._archive = cache(lambda: releases.archive(newest) if newest is not None else b"")

    def render(self, request: HardenedRequest) -> int:
        if not self._gate.admits(request):
            refuse(request, FORBIDDEN)
        elif not self._gate.is_private(request):
            answer(request, 403, _ELSEWHERE, TEXT)
        elif not self._head:
            not_found(request)
        elif request.path == PACK:
            self._upload(request)
        elif method_allowed(request):
            if request.path == ARCHIVE:
                archive = MemoryFile(body=self._archive(), type="application/zip")
                serve_memory(request, archive, {"Content-Disposition": f'attachment; filename="{NAME}.zip"'})
            elif request.args.get(b"service") == [_SERVICE]:
                self._say(request, b"advertisement", self._refs())
            else:
                answer(request, 403, b"Only git clients that fetch are served.\n", TEXT)
        return NOT_DONE_YET

    def _refs(self) -> bytes:
        head = self._head
        return (
            packet(b"# service=" + _SERVICE + b"\n")
            + _FLUSH
            + packet(head + b" HEAD\x00" + _CAPABILITIES + b"\n")
            + packet(head + b" refs/heads/main\n")
            + _FLUSH
        )

    def _upload(self, request: HardenedRequest) -> None:
        if request.method != b"POST":
            request.responseHeaders.setRawHeaders(b"Allow", [b"POST"])
            answer(request, 405, b"Method Not Allowed", TEXT)
            return
        body = _plain(request)
        if body is None:
            answer(request, 413, b"The request is too large.\n", TEXT)
            return
        lines = lines_of(body)
        shallow = depth_told(lines, self._history)
        if b"done" not in lines:
            # Who asks how deep, and does not say yet what it has, waits for this alone.
            has = any(line.startswith(b"have ") for line in lines)
            self._say(request, b"result", shallow + (b"" if shallow and not has else packet(b"NAK\n")))
            return
        self._say(request, b"result", shallow + packet(b"NAK\n") + self._sent(b"side-band-64k" in body))

    def _sent(self, banded: bool) -> bytes:
        if not banded:
            return self._pack
        pack = self._pack
        bands = [packet(b"\x01" + pack[at : at + _BAND]) for at in range(0, len(pack), _BAND)]
        return b"".join(bands) + _FLUSH

    def _say(self, request: HardenedRequest, what: bytes, body: bytes) -> None:
        request.responseHeaders.setRawHeaders(b"Cache-Control", [b"no-cache"])
        answer(request, 200, body, b"application/x-git-upload-pack-" + what)


def _plain(request: HardenedRequest) -> bytes | None:
    """The request's body, unpacked; None for what is too large then, or broken."""
    body: bytes = request.content.read()
    if (request.getHeader(b"content-encoding") or b"").lower() in (b"gzip", b"x-gzip"):
        reader = zlib.decompressobj(wbits=31)
        try:
            body = reader.decompress(body, _MAX_BODY + 1)
        except zlib.error:
            return None
    return body if len(body) <= _MAX_BODY else None
