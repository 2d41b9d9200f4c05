"""What the hub says of itself (contract 10.2)."""

from __future__ import annotations

from attrs import frozen

from newage.domain.model import ConnectionPolicy, RequestMode


@frozen(kw_only=True)
class HubStatus:
    port: int
    address: object  # as the settings file says, whatever that is
    network_safe: bool
    started: str  # local time
    uptime: int  # seconds
    version: str
    clients: int
    extensions: tuple[str, ...]
    rooms: int
    live_requests: int
    open_outputs: int
    policy: ConnectionPolicy
    default_mode: RequestMode
    memory_bytes: int
