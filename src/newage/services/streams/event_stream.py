"""An output as server-sent events: for a reader over HTTP, at its own pace (WHATWG HTML, 9.2; contract 5.7.7)."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IConsumer, IPushProducer
from zope.interface import implementer

from newage.dialect import Body, streams
from newage.protocol.json_text import dumps
from newage.services.streams.cursor import Cursor, Position
from newage.services.streams.output_text import GrowingText, IOutputReader, OutputText, TextKind

MAX_EVENT = 16_384  # bytes of text in one event
NAMES = {TextKind.TEXT: "text", TextKind.REASONING: "reasoning"}


@implementer(IOutputReader, IPushProducer)
class EventStream:
    """Writes events as fast as its consumer takes them; what that does not take stays where it is, in the output.

    The ``id`` of each event says what the reader has after it: ``Position.read`` of its ``Last-Event-ID`` is where it
    goes on. Events are ``text`` and ``reasoning`` with ``{at, data}``, ``cut`` with ``{kind, at, rev}``, and at last
    ``end`` with ``{failed, error?}``.

    :param position: what the reader has already.
    :param done: called once, when the last event is written; not when the reader goes.
    """

    def __init__(self, output: OutputText, position: Position, consumer: IConsumer, done: Callable[[], None]) -> None:
        self._output = output
        self._cursor = Cursor(output, position)
        self._consumer = consumer
        self._done = done
        self._paused = False
        self._writing = False
        self._over = False
        self._failure: str | None = None

    @property
    def position(self) -> Position:
        """What the reader has, with all that was written."""
        return self._cursor.position

    def start(self) -> None:
        """Write what there is, then what comes. The consumer has this as its producer by then."""
        self._output.add(self)
        self._write()

    # -------------------------------------------------------------------------------------------- what the output says

    def grew(self, part: GrowingText, text: str) -> None:
        self._write()

    def was_cut(self, part: GrowingText) -> None:
        at = self._cursor.step_back(part)
        if at is not None:
            self._event("cut", {"kind": NAMES[part.kind], **streams.cut(at, self._cursor.rev)})

    def ended(self, failure: str | None) -> None:
        self._cursor.close()
        self._over, self._failure = True, failure
        self._write()

    # ------------------------------------------------------------------------------------------ what the consumer says

    def pauseProducing(self) -> None:  # noqa: N802
        self._paused = True

    def resumeProducing(self) -> None:  # noqa: N802
        self._paused = False
        self._write()

    def stopProducing(self) -> None:  # noqa: N802
        self._paused = True
        self._output.remove(self)

    # ------------------------------------------------------------------------------------------------------ internals

    def _write(self) -> None:
        """A consumer may pause or resume while it takes something."""
        if self._writing:
            return
        self._writing = True
        while not self._paused and (piece := self._cursor.take(MAX_EVENT)) is not None:
            self._event(NAMES[piece.kind], streams.piece(piece.at, piece.text))
        self._writing = False
        if self._over and not self._paused:
            self._over = False
            self._event("end", streams.over(self._failure))
            self._done()

    def _event(self, name: str, body: Body) -> None:
        self._consumer.write(
            b"id: %s\nevent: %s\ndata: %s\n\n" % (str(self._cursor.position).encode(), name.encode(), dumps(body))
        )
