"""One ``$stream`` to one socket, as ``@sap_oss/node-socketio-stream`` reads it (contract 5.7.1-5.7.4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from newage.errors import Unavailable

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from newage.services.streams.downstream import DownstreamService, Feed

CANONICAL = "SERVER_STREAM_DATA"
NAMES = (CANONICAL, "streamed_data")
MAX_WRITE = 16_384  # bytes; the library's high-water mark
OVERFLOW = "Stream buffer overflow."


class SocketStream:
    """Lock-step: a read permits one write; permits do not add up; an empty write would stall the browser bundle."""

    __slots__ = ("_down", "_feed", "_permit", "_position", "active", "done", "name", "sid", "stream_id")

    def __init__(self, feed: Feed, down: DownstreamService, sid: str, stream_id: str, name: str) -> None:
        self.sid = sid
        self.stream_id = stream_id
        self.name = name
        self.active = False  # has been read
        self.done = False
        self._feed = feed
        self._down = down
        self._permit = False
        self._position = 0

    @property
    def pending(self) -> int:
        """Bytes of text not yet written."""
        return len(self._feed.buffer) - self._position

    @property
    def owed(self) -> bool:
        """Does its unread text count? Not that of a stream opened only to see whether somebody reads it."""
        return self.active or self._feed.expects(self.sid, self.name)

    def read(self) -> None:
        if self.done:
            return
        first, self.active, self._permit = not self.active, True, True
        if first:
            self._feed.was_read(self)
        self.pump()

    def pump(self) -> None:
        """Write what may be written now; end when all is written and no more will come."""
        if self.done or not self.active:
            return
        feed = self._feed
        if feed.failure is not None:
            self.finish("error", feed.failure)
            return
        lag = len(feed.buffer) - self._position
        if lag and self._permit:
            self._write()
        elif lag:
            self._check_lag(lag)
        elif feed.ended:
            self.finish("end")

    def finish(self, how: str | None, message: str = "") -> None:
        """Close it, once.

        :param how: 'end' or 'error' to tell the reader, None when the reader knows or is gone.
        """
        if self.done:
            return
        self.done = True
        self._down.drop(self)
        if how == "end":
            self._down.outbox.emit(self.sid, "$stream-end", self.stream_id)
        elif how == "error":
            self._down.outbox.emit(self.sid, "$stream-error", self.stream_id, message)
        self._feed.closed(self)

    def _write(self) -> None:
        buffer, start = self._feed.buffer, self._position
        end = min(start + MAX_WRITE, len(buffer))
        while end < len(buffer) and buffer[end] & 0xC0 == 0x80:  # never cut a UTF-8 sequence
            end -= 1
        self._permit, self._position = False, end
        chunk = bytes(buffer[start:end])
        outbox = self._down.outbox
        args: tuple[Any, ...] = (self.stream_id, chunk, "buffer")
        if outbox.transport(self.sid) == "polling":  # base64 would cost a third
            args = (self.stream_id, chunk.decode(), "utf8")
        d = outbox.call(self.sid, "$stream-write", args, self._down.settings.value.stream_ack_seconds)
        d.addCallbacks(self._acked, self._unanswered)
        if self._feed.ended and end == len(buffer):
            self.finish("end")

    def _acked(self, answer: list[Any]) -> None:
        if answer and answer[0]:  # "invalid stream id": the reader does not know it
            self.finish(None)

    def _unanswered(self, failure: Failure) -> None:
        """No ack in time, or the socket went: the next read decides, or the drain. Never sent: the text has a hole."""
        if isinstance(failure.value, Unavailable):
            self.finish("error", "The stream could not be written.")

    def _check_lag(self, lag: int) -> None:
        limit = self._down.settings.value.stream_buffer_bytes
        if lag * 16 > limit and self._down.unread_bytes(self.sid) > limit:
            self.finish("error", OVERFLOW)


def cut_laggards(streams: Iterable[SocketStream], limit: int) -> None:
    """A socket's next output begins: what it left lying beyond ``limit`` bytes goes, the oldest stream first.

    ``SocketStream.pump`` sees only lag that grows; this finds the reader that hung after its text was whole.
    """
    owed = [stream for stream in streams if stream.owed]
    unread = sum(stream.pending for stream in owed)
    for stream in owed:
        if unread <= limit:
            return
        unread -= stream.pending
        stream.finish("error", OVERFLOW)
