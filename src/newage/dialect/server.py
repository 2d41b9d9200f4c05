"""The hub's own state: status and debug mode (contract 3.8, 10)."""

from __future__ import annotations

from newage.dialect import Body, Event
from newage.domain.status import HubStatus


def status(hub: HubStatus, *, debug_mode: bool) -> Body:
    return {
        "serverPort": hub.port,
        "serverAddress": hub.address,
        "networkSafe": hub.network_safe,
        "startTime": hub.started,
        "uptimeSeconds": hub.uptime,
        "version": hub.version,
        "implementation": "newage",
        "connectedClients": hub.clients,
        "connectedExtensions": list(hub.extensions),
        "rooms": hub.rooms,
        "liveRequests": hub.live_requests,
        "openStreams": hub.open_outputs,
        "connectionPolicy": hub.policy.value,
        "messageRequestMode": hub.default_mode.value,
        "memoryRssBytes": hub.memory_bytes,
        "debugMode": debug_mode,
    }


def status_ack(hub: HubStatus, *, debug_mode: bool) -> Body:
    return {"serverStatus": status(hub, debug_mode=debug_mode)}


def debug_ack(on: bool) -> Body:
    """Whether debug entries are written now; for the audit log, too."""
    return {"debugMode": on}


def debug_changed(on: bool) -> Event:
    return Event("DEBUG_MODE_CHANGED", debug_ack(on), ("/debug",))
