"""Who is at the other end of a connection, and which web page sent it (contract 2.12, A1-A3). Pure functions.

An address is judged by the socket it came over. What proxies say about it is believed only from ``trusted_proxies``;
from anywhere else the very presence of such a header makes the peer remote, for a proxy on this machine that nobody
told us about must not turn the internet into loopback.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import urlsplit

from attrs import frozen

from newage.domain.model import Peer
from newage.errors import ConfigError
from newage.web.settings import WebSettings

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# What contract 2.12 calls private: RFC 1918, unique local and link-local. Not 100.64.0.0/10 and not 0.0.0.0.
_PRIVATE: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)
_FORWARDED_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^\s;,"]*))', re.IGNORECASE)
_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,252})\Z")
_PORT = re.compile(r"[0-9]{1,5}\Z")


def parse_address(text: str) -> Address | None:
    """The address, IPv4-mapped IPv6 as IPv4 and without zone; None if it is none."""
    try:
        address = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def parse_networks(texts: Iterable[str], name: str) -> tuple[Network, ...]:
    """Addresses and CIDR networks. :raises ConfigError: one of them is neither; ``name`` is the setting."""
    networks: list[Network] = []
    for text in texts:
        try:
            networks.append(ip_network(text.strip(), strict=False))
        except ValueError:
            raise ConfigError(f"{name}: {text!r} is neither an address nor a network like 192.168.0.0/16") from None
    return tuple(networks)


def split_host(text: str) -> str | None:
    """The host of a ``Host`` header or of an origin's authority, lower case, without port, brackets and final dot.

    None when it is not a host at all (user info, spaces, an empty name, a port that is not a number).
    """
    text = text.strip().lower()
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not isinstance(parse_address(host), Address) or "%" in host:
            return None
        if rest and (rest[0] != ":" or not _PORT.match(rest[1:])):
            return None
        return host
    host, colon, port = text.partition(":")
    if colon and not _PORT.match(port):
        return None
    host = host[:-1] if host.endswith(".") else host
    return host if _HOST_NAME.match(host) else None


def is_near(host: str) -> bool:
    """Loopback, a private-range address, ``localhost`` or a ``.local`` name."""
    address = parse_address(host)
    if address is not None:
        return address.is_loopback or any(address in network for network in _PRIVATE)
    return host in ("localhost", "local") or host.endswith((".localhost", ".local"))


@frozen
class PeerJudge:
    """The settings of this module, parsed once.

    :raises ConfigError: (from ``of``) an address, network or origin cannot be read.
    """

    _proxies: tuple[Network, ...]
    _local: tuple[Network, ...]
    _admins: tuple[Network, ...]
    _bootstrap: tuple[Network, ...]
    _own_hosts: frozenset[str]
    _any_origin: bool
    _near_origins: bool
    _origins: frozenset[str]

    @classmethod
    def of(cls, settings: WebSettings) -> PeerJudge:
        own = {host.strip().lower().rstrip(".") for host in settings.allowed_hosts}
        address = settings.server_address.strip()
        named = split_host(urlsplit(address if "//" in address else f"//{address}").netloc)
        if named is not None:
            own.add(named)
        origins = frozenset(origin.strip().lower().rstrip("/") for origin in settings.cors_origins)
        return cls(
            parse_networks(settings.trusted_proxies, "trusted_proxies"),
            parse_networks(settings.trusted_networks, "trusted_networks"),
            parse_networks(settings.admin_addresses, "admin_addresses"),
            parse_networks(settings.bootstrap_addresses, "bootstrap_addresses"),
            frozenset(own),
            "*" in origins,
            "local" in origins,
            origins - {"*", "local"},
        )

    def is_proxy(self, address: str) -> bool:
        """Whether that socket address is a proxy whose forwarding headers are believed."""
        parsed = parse_address(address)
        return parsed is not None and _in(parsed, self._proxies)

    def peer(self, socket_address: str, forwarded_for: Sequence[str], forwarded: Sequence[str]) -> Peer:
        """Judge one request.

        :param socket_address: where the TCP connection comes from; anything but an IP address counts as remote.
        :param forwarded_for: values of every ``X-Forwarded-For`` header, in order.
        :param forwarded: values of every ``Forwarded`` header, in order.
        """
        address = parse_address(socket_address)
        if address is None:
            return Peer(socket_address)
        if forwarded_for or forwarded:
            if not _in(address, self._proxies) or (forwarded_for and forwarded):
                # With both headers one of them may be the client's own invention.
                return Peer(str(address))
            hops = _x_forwarded_for(forwarded_for) if forwarded_for else _forwarded(forwarded)
            client = self._first_stranger(hops)
            if client is None:
                return Peer(str(address))
            address = client
        local = address.is_loopback or _in(address, self._local)
        return Peer(
            str(address),
            local=local,
            admin=address.is_loopback or _in(address, self._admins),
            bootstrap=address.is_loopback or _in(address, self._bootstrap),
        )

    def _first_stranger(self, hops: Sequence[str]) -> Address | None:
        """From the right, the first hop that is no trusted proxy; the leftmost if all are; None if unreadable."""
        address: Address | None = None
        for hop in reversed(hops):
            address = _hop_address(hop)
            if address is None or not _in(address, self._proxies):
                return address
        return address

    def own_host(self, host: str) -> bool:
        """Whether a request may name this server so: a near host, ``server_address`` or ``allowed_hosts`` (A3)."""
        return is_near(host) or host in self._own_hosts

    def permits(self, peer: Peer, hosts: Sequence[str], origins: Sequence[str]) -> bool:
        """The origin policy (2.12 with A3): False means 403.

        :param hosts: values of every ``Host`` header.
        :param origins: values of every ``Origin`` header; none for what is no browser, or a same-origin GET.
        """
        if self._any_origin:
            return True
        host = split_host(hosts[0]) if len(hosts) == 1 else None
        if peer.local and (host is None or not self.own_host(host)):
            return False  # a name of somebody else's that resolves to this machine: DNS rebinding
        if not origins:
            return True
        return len(origins) == 1 and self._origin_permitted(origins[0], host)

    def _origin_permitted(self, origin: str, host: str | None) -> bool:
        origin = origin.strip().lower()
        if origin in self._origins:
            return True
        scheme, separator, authority = origin.partition("://")
        origin_host = split_host(authority) if separator and scheme in ("http", "https") else None
        if origin_host is None:
            return False  # 'null' and everything unreadable
        if origin_host in self._origins or (self._near_origins and is_near(origin_host)):
            return True
        return origin_host == host and self.own_host(origin_host)


def _in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _x_forwarded_for(values: Iterable[str]) -> list[str]:
    return [hop.strip() for value in values for hop in value.split(",")]


def _forwarded(values: Iterable[str]) -> list[str]:
    """The ``for`` parameters of RFC 7239; an element without one is an empty hop, which nobody can read."""
    hops = []
    for value in values:
        for element in value.split(","):
            match = _FORWARDED_FOR.search(element)
            hops.append((match.group(1) or match.group(2) or "") if match else "")
    return hops


def _hop_address(hop: str) -> Address | None:
    """``1.2.3.4``, ``1.2.3.4:5``, ``::1``, ``[::1]``, ``[::1]:5``; None for names, ``unknown`` and rubbish."""
    hop = hop.strip()
    if hop.startswith("["):
        return parse_address(hop[1:].partition("]")[0])
    if hop.count(":") == 1:
        hop = hop.partition(":")[0]
    return parse_address(hop)
