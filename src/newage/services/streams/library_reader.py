"""``$stream`` to one socket, as ``@sap_oss/node-socketio-stream`` reads it (contract 5.7.1-5.7.4)."""

from __future__ import annotations

from typing import Any

from twisted.python.failure import Failure
from zope.interface import Interface, implementer

from newage.dialect import streams
from newage.errors import Unavailable
from newage.ports import IOutbox
from newage.services.streams.form import Form
from newage.services.streams.limits import DownstreamSettings
from newage.services.streams.output_text import GrowingText, IOutputReader
from newage.settings import Live

# mypy-zope reads interface methods without ``self``.
# ruff: noqa: N805

CANONICAL, NAMES = streams.DATA, streams.LIBRARY_NAMES
MAX_WRITE = 16_384  # bytes; the library's high-water mark
OVERFLOW = "Stream buffer overflow."


class StreamSocket:
    """What is known of one socket as a reader of streams, and what is open to it.

    ``names``: those under which it reads; empty for a plain listener, None while that is unknown. ``declared``: it
    asked for ``$stream`` only.
    """

    __slots__ = ("declared", "names", "open", "sid")

    def __init__(self, sid: str, *, declared: bool) -> None:
        self.sid = sid
        self.declared = declared
        self.names: set[str] | None = None
        self.open: dict[str, LibraryReader] = {}  # stream id -> stream, oldest first

    def reads(self, name: str) -> None:
        """It turned out to read streams of that name."""
        self.names = {*(self.names or ()), name}

    def reads_nothing(self) -> None:
        """It read none in time. What it is known to read stays."""
        self.names = self.names or set()

    def is_reader_of(self, name: str) -> bool:
        return self.declared or name in (self.names or ())

    @property
    def unread_bytes(self) -> int:
        return sum(stream.pending for stream in self.open.values() if stream.counts)

    def cut_laggards(self, limit: int) -> None:
        """Its next output begins: what it left lying beyond ``limit`` bytes goes, the oldest stream first.

        A stream that grows looks after that itself; this finds the reader that hung after its text was whole.
        """
        unread = self.unread_bytes
        for stream in [stream for stream in self.open.values() if stream.counts]:
            if unread <= limit:
                return
            unread -= stream.pending
            stream.finish(streams.BROKEN, OVERFLOW)


class ILibraryReaders(Interface):
    """Who opens streams to sockets."""

    def first_read(stream: LibraryReader) -> None:
        """Its socket uses the library."""

    def closed(stream: LibraryReader) -> None:
        """It is done with, however it ended."""


@implementer(IOutputReader)
class LibraryReader:
    """Lock-step: a read permits one write; permits do not add up; an empty write would stall the browser bundle."""

    __slots__ = (
        "_cut",
        "_failure",
        "_form",
        "_outbox",
        "_over",
        "_owner",
        "_permit",
        "_position",
        "_settings",
        "_text",
        "active",
        "done",
        "name",
        "socket",
        "stream_id",
    )

    def __init__(
        self,
        form: Form,
        socket: StreamSocket,
        stream_id: str,
        name: str,
        owner: ILibraryReaders,
        outbox: IOutbox,
        settings: Live[DownstreamSettings],
    ) -> None:
        self.socket = socket
        self.stream_id = stream_id
        self.name = name
        self.active = False  # has been read
        self.done = False
        self._form = form
        self._text = form.text
        self._owner = owner
        self._outbox = outbox
        self._settings = settings
        self._permit = False
        self._position = 0
        self._cut = False  # what it wrote became wrong: no more text
        self._over = False
        self._failure: str | None = None

    def open(self) -> None:
        """Offer it to the socket."""
        self.socket.open[self.stream_id] = self
        self._form.output.add(self)
        placeholder = streams.placeholder(self.stream_id)
        self._outbox.emit(self.socket.sid, streams.OPENED, self.name, placeholder, self._form.meta())

    @property
    def pending(self) -> int:
        """Bytes of text not yet written."""
        return 0 if self._cut else max(0, self._form.size - self._position)

    @property
    def counts(self) -> bool:
        """Does its unread text count? Not that of a stream opened only to see whether somebody reads it."""
        return self.active or self.socket.is_reader_of(self.name)

    def read(self) -> None:
        """``$stream-read``: a permit."""
        if self.done:
            return
        first, self.active, self._permit = not self.active, True, True
        if first:
            self._owner.first_read(self)
        self._go_on()

    def grew(self, part: GrowingText, text: str) -> None:
        if not self.active or part is not self._text:
            return
        lag = len(part.buffer) - self._position
        if self._permit:
            self._write(lag)
        else:
            self._check_lag(lag)

    def was_cut(self, part: GrowingText) -> None:
        if part is self._text and self._position:
            self._cut = True
            self._form.output.remove(self)

    def ended(self, failure: str | None) -> None:
        self._over, self._failure = True, failure
        if self.active:
            self._go_on()

    def finish(self, event: str | None, *words: str) -> None:
        """Close it, once.

        :param event: how the reader is told, None when it knows or is gone.
        """
        if self.done:
            return
        self.done = True
        self._form.output.remove(self)
        self.socket.open.pop(self.stream_id, None)
        if event is not None:
            self._outbox.emit(self.socket.sid, event, self.stream_id, *words)
        self._owner.closed(self)

    def _go_on(self) -> None:
        """Write what may be written now; end when all is written and no more will come."""
        if self.done:
            return
        if self._failure is not None:
            self.finish(streams.BROKEN, self._failure)
            return
        lag = self.pending
        if lag and self._permit:
            self._write(lag)
        elif lag:
            self._check_lag(lag)
        elif self._over:
            self.finish(streams.OVER)

    def _write(self, lag: int) -> None:
        """:param lag: bytes that there are to write."""
        sid, outbox, start = self.socket.sid, self._outbox, self._position
        text = self._text  # a token, as nearly always, is all that there is
        chunk = bytes(text.buffer[start : start + lag]) if lag <= MAX_WRITE else text.read(start, MAX_WRITE)
        self._permit = False
        self._position += len(chunk)
        args: tuple[Any, ...] = (self.stream_id, chunk, streams.BYTES)
        if outbox.transport(sid) == "polling":  # base64 would cost a third
            args = (self.stream_id, chunk.decode(), streams.TEXT)
        d = outbox.call(sid, streams.WRITTEN, args, self._settings.value.stream_ack_seconds)
        d.addCallbacks(self._acked, self._unanswered)
        if self._over and len(chunk) == lag:
            self.finish(streams.OVER)

    def _acked(self, answer: list[Any]) -> None:
        if answer and answer[0]:  # "invalid stream id": the reader does not know it
            self.finish(None)

    def _unanswered(self, failure: Failure) -> None:
        """No ack in time, or the socket went: the next read decides, or the drain. Never sent: the text has a hole."""
        if isinstance(failure.value, Unavailable):
            self.finish(streams.BROKEN, "The stream could not be written.")

    def _check_lag(self, lag: int) -> None:
        limit = self._settings.value.stream_buffer_bytes
        if lag * 16 > limit and self.socket.unread_bytes > limit:
            self.finish(streams.BROKEN, OVERFLOW)
