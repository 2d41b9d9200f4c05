"""What the configuration says of the manhole; the console itself brings all of SSH, and is read where it is wanted."""

from __future__ import annotations

from attrs import frozen

from newage.settings import limit, switch, text


@frozen(kw_only=True)
class ManholeSettings:
    """The operator's console over SSH."""

    enabled: bool = switch(False, "open the console")
    manhole_port: int = limit(4022, "TCP port", zero="any", most=65535)
    manhole_address: str = text("127.0.0.1", "IP address it listens on")
    host_key_file: str = text(
        "keys/manhole_host_key",
        "private key of the console, made by: ssh-keygen -t ed25519 -N '' -f FILE; relative to the home",
    )
    authorized_keys_file: str = text(
        "keys/manhole_authorized_keys", "public keys that may log in, one a line; relative to the home"
    )
    max_consoles: int = limit(8, "connections to the console at once, logging in or in use")
