"""What every port of the hub that speaks HTTP has."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from twisted.web.resource import Resource
from web_doubles import House, with_settings

from newage.telemetry.metrics import Counters
from newage.telemetry.refusals import Refusals
from newage.web.gate import Gate
from newage.web.hardened_site import HardenedSite
from newage.web.peer import PeerJudge
from newage.web.responses import TEXT, answer
from newage.web.settings import WebSettings


class Hello(Resource):
    isLeaf = True

    def render(self, request: object) -> int:
        answer(request, 200, b"hello", TEXT)  # type: ignore[arg-type]
        return 1


class Small(House):
    """A port whose site is nothing else."""

    def __init__(self, settings: WebSettings) -> None:
        super().__init__()
        self.counters, clock = Counters(), Clock()
        gate = Gate(PeerJudge.of(settings), clock.seconds, None, Refusals(clock.seconds, self.counters))
        self.site = HardenedSite(settings, clock, Hello(), gate)  # type: ignore[assignment]


def test_one_answers_everything() -> None:
    house = Small(with_settings())
    assert house.ask("/").summary == house.ask("/any/thing?x=1").summary == (200, b"hello")


def test_what_is_refused_before_it_is_read_is_counted() -> None:
    house = Small(with_settings(max_other_body_bytes=3))
    assert house.ask("/", "POST", b"1234").status == 413
    line = house.line()
    line.send(b"\x16\x03\x01")
    assert house.counters.snapshot()["refused_413"] == house.counters.snapshot()["refused_TLS"] == 1


@pytest.mark.parametrize(("address", "let_in"), [("127.0.0.1", 3), ("192.0.2.1", 1)])
def test_connections_are_counted_of_others_than_loopback(address: str, let_in: int) -> None:
    house = Small(with_settings(max_connections=3, max_connections_per_address=1))
    lines = [house.line(address) for _ in range(4)]
    assert sum(line.protocol is not None for line in lines) == let_in
    assert house.counters.snapshot()["refused_connection"] == 4 - let_in


def test_it_is_quiet_and_speaks_http_1() -> None:
    site = Small(with_settings()).site
    site.startFactory()
    site.log(None)
    site.stopFactory()
    assert site.acceptableProtocols() == [b"http/1.1"]
