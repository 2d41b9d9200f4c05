"""``/metrics`` on a port of its own: who may read it, and what it says when it cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from web_doubles import House, with_settings

from logkit import Logged
from newage.errors import Unavailable
from newage.web.metrics import MetricsSettings, metrics_site

TYPE = "text/plain; version=1.0.0; charset=utf-8"


def house(
    scrape: Callable[[], Deferred[bytes]] = lambda: succeed(b"newage_rooms 1.0\n"), connections: int = 4
) -> House:
    made = House()
    settings = MetricsSettings(listen_port=9464, listen_connections=connections)
    made.site = metrics_site(settings, with_settings(), made.clock, made.site.gate, scrape, TYPE)  # type: ignore[assignment]
    return made


def test_the_figures() -> None:
    response = house().ask("/metrics")
    assert response.summary == (200, b"newage_rooms 1.0\n")
    assert (response.headers["content-type"], response.headers["cache-control"]) == (TYPE, "no-store")


@pytest.mark.parametrize("target", ["/", "/metrics/", "/socket.io/?EIO=4&transport=polling", "/healthz"])
def test_nothing_else_is_there(target: str) -> None:
    assert house().ask(target).status == 404


def test_other_methods() -> None:
    response = house().ask("/metrics", "DELETE")
    assert (response.status, response.headers["allow"]) == (405, "GET, HEAD")


def test_a_body_is_not_read() -> None:
    assert house().ask("/metrics", "POST", b"x").status == 413


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site"}]
)
def test_the_gate_is_before_it(headers: dict[str, Any]) -> None:
    assert house().ask("/metrics", **headers).status == 403


def test_too_many_ask_at_once(logged: Logged) -> None:
    assert house(lambda: fail(Unavailable("metrics is too busy."))).ask("/metrics").summary == (503, b"try again")
    assert logged() == []


def test_a_fault_is_logged_and_told_to_nobody() -> None:
    with Logged() as logged:
        assert house(lambda: fail(ValueError("secret"))).ask("/metrics").summary == (503, b"try again")
    assert [str(event["log_failure"].value) for event in logged.events if "log_failure" in event] == ["secret"]


def test_its_connections_are_bounded() -> None:
    full = house(connections=2)
    lines = [full.line() for _ in range(3)]
    assert [line.protocol is None for line in lines] == [False, False, True]
