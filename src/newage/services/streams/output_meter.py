"""How long answers take to begin, and how fast they are written then: plain numbers, for the metrics.

Of an answer its first token is told, and its end; nothing here is called for the tokens between.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field
from zope.interface import implementer

from newage.services.streams.answers import Answer
from newage.services.streams.output_text import GrowingText, IOutputReader, OutputText
from newage.services.world import World
from newage.telemetry.metrics import Histogram

FIRST_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
TOKEN_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


@define(eq=False)
class OutputMeter:
    """``first``: seconds from a question to the first token of each answer to it; ``each``: seconds of each token after
    that, one observation per answer; ``tokens``: how many came of answers that are over.

    :param on: whether anybody reads the figures.
    """

    _world: World
    _on: bool
    first: Histogram = field(init=False, factory=lambda: Histogram(FIRST_SECONDS))
    each: Histogram = field(init=False, factory=lambda: Histogram(TOKEN_SECONDS))
    tokens: int = field(init=False, default=0)

    def opened(self, answer: Answer) -> None:
        """An output begins, or goes on."""
        if self._on:
            answer.output.add(_Watch(self, answer, self._world))

    def over(self, count: int, seconds: float) -> None:
        """:param count: tokens of it. :param seconds: from the first of them to the last."""
        self.tokens += count
        if count > 1:
            self.each.observe(seconds / (count - 1))


@implementer(IOutputReader)
class _Watch:
    __slots__ = ("_answer", "_before", "_began_at", "_meter", "_world")

    def __init__(self, meter: OutputMeter, answer: Answer, world: World) -> None:
        self._meter = meter
        self._answer = answer
        self._world = world
        self._before = _count(answer.output)
        self._began_at: float | None = None

    def grew(self, part: GrowingText, text: str) -> None:
        """The first token: it wants to hear of no other."""
        request, self._began_at = self._answer.request, self._world.clock.seconds()
        if not self._before and not request.restored:
            self._meter.first.observe(max(0.0, self._began_at - request.created_at))
        output = self._answer.output
        output.remove(self)
        output.add(self, hungry=False)

    def was_cut(self, part: GrowingText) -> None:
        """The tokens came all the same."""

    def ended(self, failure: str | None) -> None:
        if self._began_at is not None:
            self._meter.over(_count(self._answer.output) - self._before, self._last() - self._began_at)

    def _last(self) -> float:
        """When the last token came: an output that has no end is over some time after it."""
        begun = self._answer.request.begun.get(self._answer.identity, ())
        heard = max((output.active_at for output in begun), default=self._began_at or 0.0)
        return max(self._began_at or 0.0, min(heard, self._world.clock.seconds()))


def _count(output: OutputText) -> int:
    return output.text.chunks + output.reasoning.chunks
