"""Whether the process turns, and whether it can serve (B4)."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from web_doubles import House

from logkit import Logged
from newage.telemetry.metrics import Counters


@pytest.mark.parametrize("target", ["/healthz", "/readyz"])
@pytest.mark.parametrize(
    "headers", [{}, {"Host": "10.0.0.9:4000"}, {"Host": "evil.example", "Sec_Fetch_Site": "cross-site"}]
)
def test_anybody_may_ask(target: str, headers: dict[str, Any], logged: Logged) -> None:
    counters = Counters()
    house = House(counters=counters)
    response = house.ask(target, **headers)
    assert response.summary == (200, b"ok")
    assert response.headers["content-type"].startswith("text/plain")
    assert response.headers["cache-control"] == "no-store"
    assert logged() == []
    assert counters.snapshot()["http_requests"] == 1


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_probe_needs_no_host(version: bytes) -> None:
    line = House().line()
    line.send(b"GET /readyz HTTP/" + version + b"\r\n\r\n")
    (response,) = line.responses()
    assert response.summary == (200, b"ok")


def test_what_stands_in_the_way_is_told_in_a_word() -> None:
    house = House(obstacle=lambda: succeed("stopping"))
    assert house.ask("/readyz").summary == (503, b"stopping")
    assert house.ask("/healthz").summary == (200, b"ok")


def test_head_and_other_methods() -> None:
    house = House()
    line = house.line()
    line.request("/readyz", "HEAD")
    (response,) = line.responses(head=True)
    assert (response.status, response.headers["content-length"]) == (200, "2")
    assert house.ask("/healthz", "POST", b"x").status == 405


def test_who_went_meanwhile_and_what_breaks(logged: Logged) -> None:
    asked: Deferred[str] = Deferred()
    house = House(obstacle=lambda: asked)
    line = house.line()
    line.request("/readyz")
    line.transport.lose()
    asked.callback("")
    broken: Any = House(obstacle=lambda: fail(RuntimeError("broken")))
    assert broken.ask("/readyz").summary == (503, b"fault")
    assert len(logged()) == 1
