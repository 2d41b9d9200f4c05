"""Limits and policies of the web layer; every field is a key of the configuration (contract A8)."""

from __future__ import annotations

from attrs import frozen

from newage.domain.urls import is_reserved
from newage.protocol.arrival import LEAST_BYTES_PER_SECOND
from newage.settings import limit, switch, text, texts


def _not_reserved(path: str) -> None:
    if is_reserved(path):
        raise ValueError(f"{path!r} is a path of the hub's own; choose another")


@frozen(kw_only=True)
class WebSettings:
    """Everything the web layer can be told. Sizes in bytes, times in seconds, as the names say."""

    # who may come in
    cors_origins: tuple[str, ...] = texts(
        ("local",), '"local", "*", or a list of origins and host names ("local" may be one of them)'
    )
    allowed_hosts: tuple[str, ...] = texts((), "further host names under which this server is reached")
    server_address: str = text("http://localhost", "the URL people use; its host counts as this server's own")
    behind_proxy: bool = switch(
        False, "nobody is local unless a proxy of trusted_proxies says so: for containers and bare proxies"
    )
    trusted_proxies: tuple[str, ...] = texts((), "addresses or networks whose X-Forwarded-For is believed")
    trusted_networks: tuple[str, ...] = texts((), "addresses or networks that count as local, besides loopback")
    admin_addresses: tuple[str, ...] = texts(
        (), 'addresses or networks, or "any", from which a proven administrator may come, besides private ones'
    )
    admin_origins: tuple[str, ...] = texts((), "origins whose pages may administer, with a key, besides the hub's own")
    bootstrap_addresses: tuple[str, ...] = texts((), "addresses or networks that may fetch a first key")

    # HTTP
    socket_io_path: str = text("/socket.io", "where Socket.IO lives", check=_not_reserved)
    max_http_buffer_bytes: int = limit(
        1_000_000, "one POST body or one WebSocket message; larger ones close that transport"
    )
    max_other_body_bytes: int = limit(65_536, "a request body outside the Socket.IO path", least=0)
    least_bytes_per_second: float = limit(
        LEAST_BYTES_PER_SECOND, "what arrives may last as long as it brings as much, judged as the next keys say"
    )
    header_timeout_seconds: float = limit(10.0, "in which a request's headers are there, or came at the least rate")
    body_timeout_seconds: float = limit(30.0, "in which a body is there, or came at the least rate")
    idle_timeout_seconds: float = limit(65.0, "a kept-alive HTTP connection between two requests")
    send_timeout_seconds: float = limit(60.0, "a file download in which the peer takes nothing")
    linger_seconds: float = limit(
        2.0, "after a refusal, before the connection is aborted; again while the peer sends at the least rate"
    )
    max_connections: int = limit(12_000, "TCP connections in total, HTTP and WebSocket")
    max_connections_per_address: int = limit(20, "of one address; loopback and trusted proxies are exempt")

    # WebSocket
    max_empty_fragments: int = limit(1_024, "frames of one WebSocket message with nothing in them")
    max_control_frames_per_second: int = limit(100, "pings and pongs of one WebSocket; more close it")
    outbound_max_bytes: int = limit(
        16_777_216,
        "unsent bytes of one WebSocket beyond which the next write cuts it; a safety net: the gateway is stricter",
    )
    close_timeout_seconds: float = limit(
        5.0, "to send what is queued and say goodbye, then abort; again while the peer takes at the least rate"
    )

    # polling
    poll_max_bytes: int = limit(
        16_777_216,
        "unfetched bytes of one polling session, each packet counting 100 more, beyond which the next one ends it; "
        "a safety net: the gateway is stricter",
    )
    poll_hold_bytes: int = limit(
        262_144, "unfetched bytes of one polling session beyond which its POST is read on only as it fetches"
    )
    poll_hold_seconds: float = limit(
        1.0, "how long a POST is held so; a client may fetch only when its POST is answered"
    )
    poll_merge_packets: int = limit(
        1_000,
        "unfetched packets of one polling session beyond which further text of an answer is merged into one event; "
        "for a Python client poll_python_max_packets",
    )
    poll_python_max_packets: int = limit(
        16, "packets of one answer to a Python client: python-engineio breaks off at more than 16"
    )
    poll_park_seconds: float = limit(60.0, "a GET is answered with NOOP after this time")
    poll_linger_seconds: float = limit(5.0, "how long a closed session waits for its last GET")
