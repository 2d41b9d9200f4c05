"""Amendments A1-A3 and contract 2.12 from outside: where a request comes from decides what it may do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from harness import ALL_TRANSPORTS, POLLING, Daemon, Hub

POLL = "/socket.io/?EIO=4&transport=polling"
FORBIDDEN = {"code": 4, "message": "Forbidden"}


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1.evil.example", "null", "http://8.8.8.8"])
def test_a_foreign_page_is_refused(daemon: Daemon, hub: Hub, origin: str) -> None:
    answer = daemon.get(POLL, {"Origin": origin})
    assert (answer.status, answer.json()) == (403, FORBIDDEN)
    engine = hub.engine(("websocket",), extraHeaders={"Origin": origin})
    hub.open("/llm", {"clientId": "x"}, engine=engine)
    error = hub.driver.wait(engine, lambda records: [r for r in records if r.event == "@error"], 15, "a refusal")
    assert "403" in str(error[0].args)


@pytest.mark.parametrize(
    "origin", ["http://localhost:8000", "http://127.0.0.1:8000", "http://192.168.1.5:8000", "http://pi.local"]
)
def test_a_local_page_is_served_across_origins(daemon: Daemon, origin: str) -> None:
    answer = daemon.get(POLL, {"Origin": origin})
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers  # there is nothing that a cookie could prove


def test_the_preflight_of_a_browser(daemon: Daemon) -> None:
    asked = {"Origin": "http://localhost:8000", "Access-Control-Request-Method": "POST"}
    answer = daemon.get(POLL, {**asked, "Access-Control-Request-Headers": "content-type,x-y"}, method="OPTIONS")
    assert answer.status == 204
    assert answer.headers["access-control-allow-methods"] == "GET,POST"
    assert answer.headers["access-control-allow-headers"] == "content-type,x-y"
    assert "Access-Control-Request-Headers" in answer.headers["vary"]


@pytest.mark.parametrize("host", ["evil.example", "rebind.example:4000"])
def test_a_rebound_name_is_refused(daemon: Daemon, host: str) -> None:
    answer = daemon.get(POLL, {"Host": host, "Origin": f"http://{host}"})
    assert (answer.status, answer.json()) == (403, FORBIDDEN)


FORWARDED = ({"X-Forwarded-For": "127.0.0.1"}, {"X-Forwarded-For": "203.0.113.9"}, {"Forwarded": "for=127.0.0.1"})


@pytest.mark.parametrize("transports", ALL_TRANSPORTS, ids="-".join)
@pytest.mark.parametrize("headers", FORWARDED, ids=str)
def test_a_proxied_peer_is_remote(hub: Hub, headers: dict[str, str], transports: Sequence[str]) -> None:
    """Default settings trust what is local, and nothing that an unknown proxy forwards."""
    auth: dict[str, Any] = {"clientType": "web-app", "clientId": hub.new_id("remote"), "key": "some-key"}
    refused = hub.open("/llm", auth, transports=transports, extraHeaders=headers)
    assert refused.refusal()["message"] == "Client is not trusted."
    monitor = {"clientType": "monitor", "clientId": "monitor"}
    pretender = hub.open("/debug", monitor, transports=transports, extraHeaders=headers)
    assert pretender.refusal()["message"] in ("Client is not trusted.", "Invalid key.")


def test_a_remote_peer_gets_no_first_key(hub: Hub) -> None:
    auth = {"clientType": "SillyTavern", "clientId": "SillyTavern-8000", "key": "getKey"}
    for nsp in ("/sillytavern", "/auth", "/function_call"):
        refused = hub.open(nsp, auth, transports=POLLING, extraHeaders={"X-Forwarded-For": "198.51.100.7"})
        assert refused.refusal()["message"] in ("Client is not trusted.", "Invalid key."), nsp
