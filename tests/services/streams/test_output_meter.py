"""How long answers take to begin, and how fast they are written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from newage.domain.request import Request
from newage.domain.verdicts import Output
from newage.services.streams.answers import Answer
from newage.services.streams.output_meter import OutputMeter
from newage.services.world import World
from requestkit import make

X = "SillyTavern-1"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def meter(clock: Clock) -> Iterator[OutputMeter]:
    yield OutputMeter(World(clock=clock, wall=clock.seconds, new_id=str), True)


def begun(meter: OutputMeter, request: Request) -> tuple[Answer, Output]:
    answer = Answer(identity=X, output_id="o", request=request)
    output = Output(given_id="o", request=request, active_at=0.0, reused=False)
    request.begin(X, output)
    meter.opened(answer)
    return answer, output


def tell(answer: Answer, output: Output, clock: Clock, *texts: str, every: float = 0.5) -> None:
    for text in texts:
        clock.advance(every)
        answer.output.push(text)
        output.active_at = clock.seconds()


def test_the_first_token_and_those_after_it(meter: OutputMeter, clock: Clock) -> None:
    answer, output = begun(meter, make())
    tell(answer, output, clock, "a", "b", "c", "d", "e")
    clock.advance(100)  # it was waited for whether more comes
    answer.output.end()
    assert (meter.first.count, meter.first.total) == (1, 0.5)
    assert (meter.each.count, meter.each.total) == (1, 0.5)
    assert meter.tokens == 5


def test_after_the_first_token_nobody_is_told_of_any(meter: OutputMeter, clock: Clock) -> None:
    answer, output = begun(meter, make())
    tell(answer, output, clock, "a")
    assert answer.output._first is None


def test_one_that_goes_on_has_begun_before(meter: OutputMeter, clock: Clock) -> None:
    answer, output = begun(meter, make())
    tell(answer, output, clock, "a", "b")
    answer.output.end()
    answer.output.go_on()
    meter.opened(answer)
    tell(answer, output, clock, "c", "d", "e", every=2.0)
    answer.output.end()
    assert meter.first.count == 1
    assert (meter.each.count, meter.each.total) == (2, 0.5 + 2.0)
    assert meter.tokens == 5


def test_an_answer_in_one_piece_has_no_further_tokens(meter: OutputMeter, clock: Clock) -> None:
    answer, output = begun(meter, make())
    tell(answer, output, clock, "all of it")
    answer.output.end()
    assert (meter.first.count, meter.each.count, meter.tokens) == (1, 0, 1)


def test_one_that_says_nothing_has_no_first_token(meter: OutputMeter, clock: Clock) -> None:
    answer, _ = begun(meter, make())
    answer.output.end("broken")
    assert (meter.first.count, meter.each.count, meter.tokens) == (0, 0, 0)


def test_a_question_of_before_the_last_start_has_no_time(meter: OutputMeter, clock: Clock) -> None:
    answer, output = begun(meter, make(restored=True))
    tell(answer, output, clock, "a", "b")
    answer.output.reset(0)
    answer.output.end()
    assert (meter.first.count, meter.each.count, meter.tokens) == (0, 1, 2)


def test_where_nobody_reads_the_figures_nothing_is_watched(clock: Clock) -> None:
    off = OutputMeter(World(clock=clock, wall=clock.seconds, new_id=str), False)
    answer, _ = begun(off, make())
    assert answer.output._readers == ()
