"""The hub's state on the wire (contract 3.8, 10)."""

from __future__ import annotations

from newage.dialect import Event, server
from newage.domain.model import ConnectionPolicy, RequestMode
from newage.domain.status import HubStatus


def test_the_status_has_every_member() -> None:
    hub = HubStatus(
        port=8000,
        address="hub.example.org",
        network_safe=False,
        started="2026-01-02 03:04:05",
        uptime=61,
        version="1.2",
        clients=2,
        extensions=("X", "Y"),
        rooms=3,
        live_requests=4,
        open_outputs=5,
        policy=ConnectionPolicy.BALANCED,
        default_mode=RequestMode.IMMEDIATE,
        memory_bytes=6,
    )
    assert server.status_ack(hub, debug_mode=True) == {
        "serverStatus": {
            "serverPort": 8000,
            "serverAddress": "hub.example.org",
            "networkSafe": False,
            "startTime": "2026-01-02 03:04:05",
            "uptimeSeconds": 61,
            "version": "1.2",
            "implementation": "newage",
            "connectedClients": 2,
            "connectedExtensions": ["X", "Y"],
            "rooms": 3,
            "liveRequests": 4,
            "openStreams": 5,
            "connectionPolicy": "Balanced",
            "messageRequestMode": "Immediate",
            "memoryRssBytes": 6,
            "debugMode": True,
        }
    }


def test_the_debug_mode_is_told() -> None:
    assert server.debug_changed(False) == Event("DEBUG_MODE_CHANGED", {"debugMode": False}, ("/debug",))
