"""Server-sent events on their way: pace, signs of life, the end."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock
from web_doubles import WrittenRequest

from newage.services.accounts.api_limits import ApiSettings
from newage.web.event_answer import KEEP_ALIVE, EventAnswer, answer_head

SETTINGS = ApiSettings(keep_alive_seconds=10.0, stall_seconds=30.0)


class Producer:
    def __init__(self) -> None:
        self.told: list[str] = []

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def resumeProducing(self) -> None:
        self.told.append("resume")

    def stopProducing(self) -> None:
        self.told.append("stop")


class Sent:
    def __init__(self) -> None:
        self.clock, self.request, self.producer = Clock(), WrittenRequest(), Producer()
        request: Any = self.request
        producer: Any = self.producer
        self.answer = EventAnswer(request, self.clock, SETTINGS, producer)


@pytest.fixture
def sent() -> Sent:
    return Sent()


def test_it_begins_at_once_and_ends_whole(sent: Sent) -> None:
    sent.answer.begin(b"data: a\n\n")
    assert sent.request.responseHeaders.getRawHeaders(b"Content-Type") == [b"text/event-stream; charset=utf-8"]
    assert sent.request.responseHeaders.getRawHeaders(b"Cache-Control") == [b"no-cache"]
    sent.answer.end(b"data: b\n\n")
    assert sent.request.written == KEEP_ALIVE + b"data: a\n\ndata: b\n\n"
    assert sent.request.finished
    assert not sent.clock.getDelayedCalls()


def test_who_waits_hears_that_the_hub_is_there_and_who_takes_nothing_does_not(sent: Sent) -> None:
    sent.answer.begin()
    sent.clock.advance(10)
    sent.answer.pauseProducing()
    sent.clock.advance(10)
    sent.answer.resumeProducing()
    sent.clock.advance(10)
    assert sent.request.written == KEEP_ALIVE * 3
    assert sent.producer.told == ["pause", "resume"]


def test_who_takes_nothing_for_too_long_is_cut(sent: Sent) -> None:
    sent.answer.begin()
    sent.answer.pauseProducing()
    sent.answer.pauseProducing()
    sent.clock.advance(29)
    sent.answer.resumeProducing()
    sent.answer.pauseProducing()
    sent.clock.advance(29)
    assert not sent.request.aborted
    sent.clock.advance(1)
    assert sent.request.aborted


def test_whose_half_of_the_connection_is_closed_is_asked_whether_he_is_there(sent: Sent) -> None:
    sent.answer.begin()
    sent.request.says()
    assert sent.request.written == KEEP_ALIVE * 2
    sent.answer.stop()
    sent.request.says()
    assert sent.request.written == KEEP_ALIVE * 2


def test_nothing_is_left_of_a_connection_that_is_lost(sent: Sent) -> None:
    sent.answer.begin()
    sent.answer.pauseProducing()
    sent.answer.stopProducing()
    sent.answer.stop()
    sent.answer.pauseProducing()
    assert sent.producer.told == ["pause", "stop", "pause"]
    assert not sent.clock.getDelayedCalls()
    assert not sent.request.aborted


def test_the_head_alone(sent: Sent) -> None:
    request: Any = sent.request
    answer_head(request)
    assert sent.request.finished
    assert sent.request.responseHeaders.hasHeader(b"X-Accel-Buffering")
