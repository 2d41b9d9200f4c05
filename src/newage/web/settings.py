"""Limits and policies of the web layer; every field is a key of the configuration (contract A8)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import field, frozen, validators


def _strings(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _at_least(least: float) -> Any:
    return validators.ge(least)


def _doc(text: str) -> dict[str, str]:
    return {"doc": text}


@frozen(kw_only=True)
class WebSettings:
    """Everything the web layer can be told. Sizes in bytes, times in seconds, as the names say."""

    # who may come in
    cors_origins: tuple[str, ...] = field(
        default=("local",),
        converter=_strings,
        metadata=_doc('"local", "*", or a list of origins and host names ("local" may be one of them)'),
    )
    allowed_hosts: tuple[str, ...] = field(
        default=(), converter=_strings, metadata=_doc("further host names under which this server is reached")
    )
    server_address: str = field(
        default="http://localhost", metadata=_doc("the URL people use; its host counts as this server's own")
    )
    behind_proxy: bool = field(
        default=False,
        metadata=_doc("nobody is local unless a proxy of trusted_proxies says so: for containers and bare proxies"),
    )
    trusted_proxies: tuple[str, ...] = field(
        default=(), converter=_strings, metadata=_doc("addresses or networks whose X-Forwarded-For is believed")
    )
    trusted_networks: tuple[str, ...] = field(
        default=(), converter=_strings, metadata=_doc("addresses or networks that count as local, besides loopback")
    )
    admin_addresses: tuple[str, ...] = field(
        default=(),
        converter=_strings,
        metadata=_doc(
            'addresses or networks, or "any", from which a proven administrator may come, besides private ones'
        ),
    )
    admin_origins: tuple[str, ...] = field(
        default=(),
        converter=_strings,
        metadata=_doc("origins whose pages may administer, with a key, besides the hub's own"),
    )
    bootstrap_addresses: tuple[str, ...] = field(
        default=(), converter=_strings, metadata=_doc("addresses or networks that may fetch a first key")
    )

    # HTTP
    socket_io_path: str = field(default="/socket.io", metadata=_doc("where Socket.IO lives"))
    max_http_buffer_bytes: int = field(
        default=1_000_000,
        validator=_at_least(1),
        metadata=_doc("one POST body or one WebSocket message; larger ones close that transport"),
    )
    max_other_body_bytes: int = field(
        default=65_536, validator=_at_least(0), metadata=_doc("a request body outside the Socket.IO path")
    )
    header_timeout_seconds: float = field(
        default=10.0, validator=_at_least(0.001), metadata=_doc("from a request's first byte to its last header")
    )
    body_timeout_seconds: float = field(
        default=30.0, validator=_at_least(0.001), metadata=_doc("from the last header to the end of the body")
    )
    idle_timeout_seconds: float = field(
        default=65.0, validator=_at_least(0.001), metadata=_doc("a kept-alive HTTP connection between two requests")
    )
    send_timeout_seconds: float = field(
        default=60.0, validator=_at_least(0.001), metadata=_doc("a file download in which the peer takes nothing")
    )
    linger_seconds: float = field(
        default=2.0, validator=_at_least(0.001), metadata=_doc("after a refusal, before the connection is aborted")
    )
    max_connections: int = field(
        default=12_000, validator=_at_least(1), metadata=_doc("TCP connections in total, HTTP and WebSocket")
    )
    max_connections_per_address: int = field(
        default=20, validator=_at_least(1), metadata=_doc("of one address; loopback and trusted proxies are exempt")
    )

    # WebSocket
    max_fragments: int = field(default=1_024, validator=_at_least(1), metadata=_doc("frames of one WebSocket message"))
    max_control_frames_per_second: int = field(
        default=100, validator=_at_least(1), metadata=_doc("pings and pongs of one WebSocket; more close it")
    )
    outbound_max_bytes: int = field(
        default=16_777_216,
        validator=_at_least(1),
        metadata=_doc(
            "unsent bytes of one WebSocket beyond which the next write cuts it; a safety net: the gateway is stricter"
        ),
    )
    close_timeout_seconds: float = field(
        default=5.0, validator=_at_least(0.001), metadata=_doc("to send what is queued and say goodbye, then abort")
    )

    # polling
    poll_max_bytes: int = field(
        default=16_777_216,
        validator=_at_least(1),
        metadata=_doc(
            "unfetched bytes of one polling session, each packet counting 100 more, beyond which the next one ends it; "
            "a safety net: the gateway is stricter"
        ),
    )
    poll_hold_bytes: int = field(
        default=262_144,
        validator=_at_least(1),
        metadata=_doc("unfetched bytes of one polling session beyond which its POST is read on only as it fetches"),
    )
    poll_hold_seconds: float = field(
        default=1.0,
        validator=_at_least(0.001),
        metadata=_doc("how long a POST is held so; a client may fetch only when its POST is answered"),
    )
    poll_merge_packets: int = field(
        default=1_000,
        validator=_at_least(1),
        metadata=_doc(
            "unfetched packets of one polling session beyond which further text of an answer is merged into one event; "
            "for a Python client poll_python_max_packets"
        ),
    )
    poll_python_max_packets: int = field(
        default=16,
        validator=_at_least(1),
        metadata=_doc("packets of one answer to a Python client: python-engineio breaks off at more than 16"),
    )
    poll_park_seconds: float = field(
        default=60.0, validator=_at_least(0.001), metadata=_doc("a GET is answered with NOOP after this time")
    )
    poll_linger_seconds: float = field(
        default=5.0, validator=_at_least(0.001), metadata=_doc("how long a closed session waits for its last GET")
    )
