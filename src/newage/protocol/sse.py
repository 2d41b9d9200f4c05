"""Server-sent events, the reading side: bytes of a body in, events out. No I/O.

As the HTML standard says, but for ``id`` and ``retry``, which mean something only to who comes back for more.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from newage.errors import ProtocolError

MAX_LINE_BYTES: Final = 1_048_576
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"


class ServerSent(NamedTuple):
    """One event: its ``event`` field, "" where it has none, and its ``data``, lines joined by line feeds."""

    name: str
    data: str


class EventStream:
    """Cuts a body into events, wherever its pieces were cut.

    :param max_bytes: of one line, and of all data of one event.
    """

    __slots__ = ("_after_cr", "_data", "_head", "_line", "_max", "_name", "_size")

    def __init__(self, max_bytes: int = MAX_LINE_BYTES) -> None:
        self._max = max_bytes
        self._line = bytearray()  # the beginning of a line whose end has not come
        self._after_cr = False  # a line feed that comes next belongs to the line end before
        self._head: bytes | None = b""  # of the body, until it is known whether a byte order mark begins it
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0  # of that

    def feed(self, piece: bytes) -> list[ServerSent]:
        """The events that are complete with this piece.

        :raises ProtocolError: a line, or the data of an event, is too long; nothing can be read after it.
        """
        if self._head is not None:
            piece = self._head + piece
            if len(piece) < len(_BOM) and _BOM.startswith(piece):
                self._head = piece
                return []
            self._head, piece = None, piece.removeprefix(_BOM)
        if self._after_cr and piece:
            self._after_cr, piece = False, piece.removeprefix(b"\n")
        found: list[ServerSent] = []
        *whole, rest = _LINE_END.split(piece)
        for line in whole:
            self._extend(line)
            taken, self._line = bytes(self._line), bytearray()
            self._take(taken, found)
        self._extend(rest)
        self._after_cr = self._after_cr or piece[-1:] == b"\r"
        return found

    def end(self) -> list[ServerSent]:
        """The body is over. What the standard drops is given nevertheless: a last event without its empty line."""
        found: list[ServerSent] = []
        last, self._line = bytes(self._line or self._head or b""), bytearray()
        self._take(last, found)
        self._take(b"", found)
        return found

    def _extend(self, part: bytes) -> None:
        self._line += part
        if len(self._line) > self._max:
            raise ProtocolError(f"a line of more than {self._max} bytes")

    def _take(self, line: bytes, found: list[ServerSent]) -> None:
        if not line:
            if self._data:
                found.append(ServerSent(self._name, b"\n".join(self._data).decode(errors="replace")))
            self._name, self._data, self._size = "", [], 0
            return
        field, _, value = line.partition(b":")  # a comment has no field's name
        if field == b"data":
            value = value.removeprefix(b" ")
            self._size += len(value) + 1
            if self._size > self._max:
                raise ProtocolError(f"an event of more than {self._max} bytes")
            self._data.append(value)
        elif field == b"event":
            self._name = value.removeprefix(b" ").decode(errors="replace")
