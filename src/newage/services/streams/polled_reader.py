"""One plain receiver of one output over long polling (contract 5.7.6, A30).

What is sent while such a client is between two polls may be too many events for it: python-engineio takes 16 in one
answer. So for a reader that is behind, what waits of an output's text is one event, drawn when it comes for it. Its
chunks are numbered as it gets them, and its END counts these: nothing is missing to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from newage.services.streams.downstream import Feed

NAMES = ("SERVER_STREAM_DATA", "streamed_data")  # the event, and its alias


class PolledReader:
    """Gets the text of ``feed`` from its start.

    :param index: of its first chunk.
    :param alias: also under the alias name.
    """

    __slots__ = ("_end", "_feed", "_index", "_names", "_start", "_waiting", "sid")

    def __init__(self, feed: Feed, sid: str, index: int, *, alias: bool) -> None:
        self.sid = sid
        self._feed = feed
        self._index = index
        self._names = NAMES if alias else NAMES[:1]
        self._start = self._end = 0  # in the feed's text: what was drawn, and up to where it may be
        self._waiting = False  # to be drawn

    @property
    def alias(self) -> bool:
        return self._names is NAMES

    @property
    def chunks(self) -> int:
        """How many it has got when all that waits is drawn."""
        return self._index + self._waiting

    def advance(self, end: int) -> None:
        """There is a chunk more, up to this byte of the text."""
        self._end = end
        if not self._waiting:
            self._waiting = True
            self._feed.offer(self.sid, self._draw)

    def _draw(self) -> list[tuple[str, Any]]:
        body = self._feed.chunk(self._index, self._start, self._end)
        self._waiting = False
        self._index += 1
        self._start = self._end
        return [(name, body) for name in self._names]
