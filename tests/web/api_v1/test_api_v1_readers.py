"""Who reads server-sent events of ``/api/v1``."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock
from web_doubles import LOCAL, WrittenRequest

from newage.errors import AuthenticationFailed
from newage.services.accounts.api_limits import ApiSettings
from newage.services.world import World
from newage.web.api_v1.readers import Reader, event
from newage.web.event_answer import KEEP_ALIVE
from newage.web.json_api import Exchange


class Producer:
    stopped = 0

    def stopProducing(self) -> None:
        self.stopped += 1


class Reading:
    def __init__(self) -> None:
        request: Any = WrittenRequest()
        producer: Any = Producer()
        self.request, self.producer, self.left = request, producer, list[str]()
        world = World(clock=Clock(), wall=Clock().seconds, new_id=str)
        self.reader = Reader(Exchange(request, LOCAL), world, ApiSettings())
        self.reader.at_end(lambda: self.left.append("left"))


def test_it_ends_once() -> None:
    reading = Reading()
    assert reading.reader.begin(reading.producer, event("taken", {"a": 1}))
    reading.reader.finish(event("done", {}))
    reading.reader.finish(event("done", {}))
    reading.reader.gone()
    assert reading.request.written == KEEP_ALIVE + b'event: taken\ndata: {"a":1}\n\nevent: done\ndata: {}\n\n'
    assert (reading.left, reading.request.finished, reading.reader.is_over) == (["left"], True, True)


def test_who_is_put_out_is_told_so() -> None:
    reading = Reading()
    reading.reader.begin(reading.producer)
    reading.reader.gone()
    assert reading.request.written.endswith(b"event: gone\ndata: {}\n\n")
    assert (reading.left, reading.producer.stopped) == (["left"], 1)


def test_what_is_to_be_done_at_an_end_that_was_is_done_at_once() -> None:
    reading = Reading()
    reading.reader.end()
    reading.reader.at_end(lambda: reading.left.append("too"))
    with pytest.raises(AuthenticationFailed):
        reading.reader.begin(reading.producer)
    assert (reading.left, reading.request.written) == (["left", "too"], b"")


def test_the_head_alone() -> None:
    reading = Reading()
    reading.request.method = b"HEAD"
    assert not reading.reader.begin(reading.producer)
    assert (reading.left, reading.request.finished) == (["left"], True)
