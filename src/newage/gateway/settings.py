"""The limits of the gateway: what one connection, one socket, one address may hold (contract 16.3)."""

from __future__ import annotations

from attrs import frozen

from newage.protocol.arrival import LEAST_BYTES_PER_SECOND
from newage.settings import limit


@frozen(kw_only=True)
class GatewaySettings:
    """Each limit closes, refuses or pauses the one connection that reaches it, never another."""

    max_connections: int = limit(12_000, "engine connections at a time; more are refused")
    max_connections_per_address: int = limit(20, "engine connections of one address; local peers are exempt")
    max_joinless: int = limit(2_000, "connections that were admitted to no namespace yet; one gives way to the next")
    max_joinless_per_address: int = limit(1_000, "of one address, local ones included")
    max_namespaces: int = limit(16, "namespaces one connection may have joined or be joining")
    max_attachments: int = limit(10, "binary attachments of one packet")
    least_bytes_per_second: float = limit(
        LEAST_BYTES_PER_SECOND, "what arrives or is taken may last as long as it makes as much progress"
    )
    attachment_timeout_seconds: float = limit(
        10.0, "in which the attachments of a packet are there, or came at the least rate"
    )
    max_unauthenticated_bytes: int = limit(
        65_536, "bytes of a message that is read while no socket of the connection is admitted"
    )
    max_open_acks: int = limit(1_000, "acks the server awaits from one socket at a time")
    max_event_backlog: int = limit(64, "events of one socket that wait for a handler before the transport is paused")
    max_held_packets: int = limit(256, "packets for a socket that wait until its CONNECT is answered")
    max_audiences: int = limit(2_000, "audiences one socket may be in: rooms, and whose it is")
    max_outbound_bytes: int = limit(1_048_576, "bytes queued for a slow reader before it has to catch up")
    max_outbound_burst_bytes: int = limit(
        8_388_608, "bytes queued for one reader at most, even for a moment: the longest answer and its notices fit in"
    )
    outbound_grace_seconds: float = limit(2.0, "seconds a slow reader has to get below max_outbound_bytes")
    empty_close_seconds: float = limit(1.0, "seconds until a connection closes whose last namespace we disconnected")
    drain_seconds: float = limit(5.0, "seconds the queued events of a socket that went may still take")
