"""Who hammers at ``/auth`` does not fill the disk: its refusals have a quota there as elsewhere, in a real daemon."""

from __future__ import annotations

import json
import time

from harness import Hub
from rawsocket import RawWebSocket

TRIES = 200
CONNECTS, LOGINS = 10, 20  # lines a second


def lines(hub: Hub, *words: str) -> int:
    hub.daemon.get("/")  # answered in a later turn than what was just logged: that is in the file then
    log = (hub.daemon.home / "logs" / "combined.log").read_text("utf-8")
    return len([line for line in log.splitlines() if all(word in line for word in words)])


def test_wrong_connects(hub: Hub) -> None:
    begun = time.monotonic()
    for namespace in ("/auth", "/rooms"):
        client_id = hub.new_id("no/")
        with RawWebSocket(hub.daemon.port) as stranger:
            for _ in range(TRIES):
                stranger.send(f"40{namespace},{json.dumps({'clientId': client_id})}")
            told = 0
            while told < TRIES:
                told += stranger.receive_text().startswith(f"42{namespace},")
        seconds = time.monotonic() - begun + 1
        assert 0 < lines(hub, client_id, f"was refused on {namespace}") <= CONNECTS * (seconds + 1), namespace


def test_wrong_logins(hub: Hub) -> None:
    begun, client_id = time.monotonic(), hub.new_id()
    socket = hub.client(client_id, "/auth")
    packets = [["LOGIN", {"clientId": client_id, "password": "guess"}] for _ in range(TRIES - 1)]
    socket.burst(packets)
    assert socket.call("LOGIN", {"clientId": client_id, "password": "guess"})["status"] == "error"
    seconds = time.monotonic() - begun + 1
    assert 0 < lines(hub, client_id, "CLIENT_AUTH_FAILED") <= LOGINS * (seconds + 1)
    assert lines(hub, client_id) <= (LOGINS + CONNECTS) * (seconds + 1)
