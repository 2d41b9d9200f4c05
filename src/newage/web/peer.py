"""Who is at the other end of a connection, and which web page sent it (contract 2.12, A1-A3, B1). Pure functions.

Locality is unanimous: a peer is local when the socket, the headers, the HTTP version, Host, Origin and Fetch Metadata
all agree, and remote when one of them dissents. What proxies say about an address is believed only from
``trusted_proxies``; from anywhere else the very presence of such a header makes the peer remote, for a proxy on this
machine that nobody told us about must not turn the internet into loopback.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

from attrs import evolve, frozen

from newage.domain.model import Agent, Peer
from newage.errors import ConfigError
from newage.web.claims import Claims
from newage.web.settings import WebSettings

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# What contract 2.12 calls private: RFC 1918, unique local and link-local. Not 100.64.0.0/10 and not 0.0.0.0.
_PRIVATE: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)
# How containers call the machine they run on.
_CONTAINER_HOSTS = frozenset({"host.docker.internal", "host.containers.internal"})
_DEFAULT_PORTS = {"http": "80", "https": "443"}
# Of an Origin that is judged by its host: the web's, and those of native shells around a page.
_SCHEMES = frozenset({*_DEFAULT_PORTS, "capacitor", "ionic", "tauri", "app"})
# What Sec-Fetch-Site may say of who needs no Origin to be known; anything else is a page of somebody else's.
_NEAR_SITES = frozenset({"same-origin", "same-site", "none"})
_OWN_SITES = frozenset({"same-origin", "none"})
# A parameter of RFC 7239 and what ends it; a quoted value may hold what a guest wrote into Host, commas included.
_PARAMETER = re.compile(r'\s*(?:([^\s=;,"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?\s*([;,]|\Z)')
_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,252})\Z")
_PORT = re.compile(r"[0-9]{1,5}\Z")
ANY = "any"  # in admin_addresses
FOREIGN_HOST = "its Host is no name of this hub; allowed_hosts lists further names"
FOREIGN_ORIGIN = "its page is of a foreign origin; cors_origins lists those that may come"
FOREIGN_SITE = "a page of another site sent it, and no Origin says which; cors_origins lists those that may come"
NO_CLIENT = "a page of another origin sent it, and not as a Socket.IO client does: such a one names its Origin"


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


def is_loopback(host: str) -> bool:
    """A name that means the machine it is used on: ``localhost``, ``*.localhost``, 127/8, ``::1``."""
    address = parse_address(host)
    return address.is_loopback if address is not None else host == "localhost" or host.endswith(".localhost")


def is_near(host: str) -> bool:
    """Loopback, a private-range address, ``localhost`` or a ``.local`` name."""
    address = parse_address(host)
    if address is not None:
        return _is_private(address)
    return host in ("localhost", "local") or host.endswith((".localhost", ".local"))


def _is_private(address: Address) -> bool:
    return address.is_loopback or any(address in network for network in _PRIVATE)


class Judgement(NamedTuple):
    """What a request's claims come to.

    ``loopback``: the peer is local by a loopback socket, so its owner can be asked for. ``dissent``: the witness that
    makes somebody on a local socket remote, in words. ``refusal``: why it is not let in at all (403), in words.
    """

    peer: Peer
    loopback: bool = False
    dissent: str = ""
    refusal: str = ""


@frozen
class PeerJudge:
    """The settings of this module, parsed once.

    :raises ConfigError: (from ``of``) an address, network or origin cannot be read.
    """

    _proxies: tuple[Network, ...]
    _local: tuple[Network, ...]
    _admins: tuple[Network, ...]
    _any_admin: bool
    _bootstrap: tuple[Network, ...]
    _behind_proxy: bool
    _own_hosts: frozenset[str]
    _any_origin: bool
    _near_origins: bool
    _origins: frozenset[str]
    _admin_origins: frozenset[str]

    @classmethod
    def of(cls, settings: WebSettings) -> PeerJudge:
        own = {host.strip().lower().rstrip(".") for host in settings.allowed_hosts}
        address = settings.server_address.strip()
        named = split_host(urlsplit(address if "//" in address else f"//{address}").netloc)
        if named is not None:
            own.add(named)
        origins = _origins(settings.cors_origins)
        return cls(
            parse_networks(settings.trusted_proxies, "trusted_proxies"),
            parse_networks(settings.trusted_networks, "trusted_networks"),
            parse_networks((text for text in settings.admin_addresses if text != ANY), "admin_addresses"),
            ANY in settings.admin_addresses,
            parse_networks(settings.bootstrap_addresses, "bootstrap_addresses"),
            settings.behind_proxy,
            frozenset(own),
            "*" in origins,
            "local" in origins,
            origins - {"*", "local"},
            _origins(settings.admin_origins),
        )

    def behind_proxy(self) -> PeerJudge:
        """The same, as if ``behind_proxy`` were set."""
        return evolve(self, behind_proxy=True)

    def is_proxy(self, address: str) -> bool:
        """Whether that socket address is a proxy whose forwarding headers are believed."""
        parsed = parse_address(address)
        return parsed is not None and _in(parsed, self._proxies)

    def is_counted(self, address: str) -> bool:
        """Whether that socket address has a connection limit: what may be many people or ourselves has none."""
        parsed = parse_address(address)
        return parsed is not None and not (parsed.is_loopback or _in(parsed, self._proxies) or _in(parsed, self._local))

    def judge(self, claims: Claims) -> Judgement:
        """Judge one request."""
        socket = parse_address(claims.address)
        host = split_host(claims.hosts[0]) if len(claims.hosts) == 1 else None
        origin = _normal(claims.origins[0]) if len(claims.origins) == 1 else None
        agent = self._agent(claims, origin)
        if socket is None:
            return Judgement(Peer(claims.address, agent=agent), refusal=self._refusal(claims, None, host))
        address, doubt = self._address(socket, claims)
        loopback = socket.is_loopback
        dissent = doubt or self._dissent(claims, address, loopback, host, origin)
        local = not dissent
        peer = Peer(
            str(address),
            local=local,
            near=not doubt and _is_private(address),
            admin=self._any_admin or (not doubt and _in(address, self._admins)),
            bootstrap=not doubt and _in(address, self._bootstrap) and (local or not loopback),
            agent=agent,
        )
        told = dissent if loopback or _in(socket, self._local) else ""
        return Judgement(peer, local and loopback, told, self._refusal(claims, socket, host))

    def _agent(self, claims: Claims, origin: str | None) -> Agent:
        if not claims.origins:
            if not claims.fetched:
                return Agent.PROGRAM
            return Agent.OWN_PAGE if claims.fetch_sites == ("same-origin",) else Agent.PAGE
        own = origin is not None and (origin in self._admin_origins or self._is_own(origin, claims.hosts))
        return Agent.OWN_PAGE if own else Agent.PAGE

    def _is_own(self, origin: str, hosts: Sequence[str]) -> bool:
        """Whether this is the origin of the hub's own pages: host and port are those of ``Host``."""
        scheme, separator, authority = origin.partition("://")
        if not separator or scheme not in _DEFAULT_PORTS or len(hosts) != 1:
            return False
        theirs, ours = _host_and_port(authority, scheme), _host_and_port(hosts[0], scheme)
        return theirs is not None and theirs == ours and self.own_host(theirs[0])

    def _address(self, socket: Address, claims: Claims) -> tuple[Address, str]:
        """Where it comes from, and, if that is not known, why: then the address is the socket's."""
        if not claims.http11:
            return socket, "it speaks HTTP/1.0, as a proxy does"
        if not claims.forwarding:
            if socket.is_loopback or not _in(socket, self._proxies):
                return socket, ""
            return socket, "a proxy of trusted_proxies does not say whom it speaks for"
        if not _in(socket, self._proxies):
            return socket, f"{claims.forwarding[0]} is the mark of a proxy that is not in trusted_proxies"
        if claims.forwarded_for and claims.forwarded:  # one of them may be the client's own invention
            return socket, "X-Forwarded-For and Forwarded together are not believed"
        hops = _x_forwarded_for(claims.forwarded_for) if claims.forwarded_for else _forwarded(claims.forwarded)
        client = self._first_stranger(hops)
        if client is None:
            return socket, f"{claims.forwarding[0]} tells no address"
        if client.is_loopback:
            return socket, f"{claims.forwarding[0]} names a loopback address, which no header can vouch for"
        return client, ""

    def _dissent(self, claims: Claims, address: Address, loopback: bool, host: str | None, origin: str | None) -> str:
        """The first witness that says remote, of a request whose address is known; nothing if all say local."""
        if claims.forwarding:
            if not _in(address, self._local):
                return f"it was forwarded for {address}"
        elif self._behind_proxy:
            return "nobody is local behind a proxy (behind_proxy) that does not say so"
        elif not (loopback or _in(address, self._local)):
            return f"{address} is another machine"
        if host is None or not (is_loopback(host) if address.is_loopback else self.own_host(host)):
            return (
                "Host is not localhost or another loopback name"
                if address.is_loopback
                else "Host is no name of this hub"
            )
        if claims.contradicted:
            return "its target and its Host header name different hosts"
        if claims.origins and not (origin is not None and self._is_local_origin(origin, claims.hosts)):
            return "Origin is neither of this machine nor listed in cors_origins"
        if _is_nameless(claims, _NEAR_SITES):
            return "Sec-Fetch-Site says cross-site, and no Origin says whose"
        return ""

    def _is_local_origin(self, origin: str, hosts: Sequence[str]) -> bool:
        host = _origin_host(origin)
        if origin in self._origins or (host is not None and (host in self._origins or is_loopback(host))):
            return True
        return self._is_own(origin, hosts)

    def _first_stranger(self, hops: Sequence[str]) -> Address | None:
        """From the right, the first hop that is no trusted proxy; the leftmost if all are; None if unreadable."""
        address: Address | None = None
        for hop in reversed(hops):
            address = _hop_address(hop)
            if address is None or not _in(address, self._proxies):
                return address
        return address

    def own_host(self, host: str) -> bool:
        """Whether a request may name this server so (A3, B1): an IP address, which nobody can rebind, a near host, a
        container's name of this machine, ``server_address`` or ``allowed_hosts``."""
        return host in self._own_hosts or host in _CONTAINER_HOSTS or is_near(host) or parse_address(host) is not None

    def names(self, claims: Claims) -> bytes | None:
        """The Origin that a CORS answer to a request that was let in has to name; None if it has none."""
        return claims.origins[0].strip().encode("latin-1") if len(claims.origins) == 1 else None

    def refuses_session(self, claims: Claims) -> str:
        """Why a request that was let in may yet not speak Engine.IO, in words; nothing if it may.

        A client in a page of another origin always says which; images, scripts, forms and links do not.
        """
        return "" if self._any_origin or not _is_nameless(claims, _OWN_SITES) else NO_CLIENT

    def _is_claimed(self, claims: Claims, socket: Address | None, host: str | None) -> bool:
        if self._any_origin or claims.forwarding or socket is None:
            return True
        if not (socket.is_loopback or _in(socket, self._local)):
            return True
        return host is not None and self.own_host(host)

    def _refusal(self, claims: Claims, socket: Address | None, host: str | None) -> str:
        """Why the origin policy does not let it in (2.12 with A3)."""
        if self._any_origin:
            return ""
        if not self._is_claimed(claims, socket, host):
            # a name of somebody else's that resolves to this machine: DNS rebinding
            return FOREIGN_HOST
        if claims.origins:
            permitted = len(claims.origins) == 1 and self._origin_permitted(_normal(claims.origins[0]), host)
            return "" if permitted else FOREIGN_ORIGIN
        return FOREIGN_SITE if _is_nameless(claims, _NEAR_SITES) else ""

    def _origin_permitted(self, origin: str, host: str | None) -> bool:
        if origin in self._origins:
            return True
        origin_host = _origin_host(origin)
        if origin_host is None:
            return False  # 'null' and everything unreadable
        if origin_host in self._origins or (self._near_origins and is_near(origin_host)):
            return True
        return origin_host == host and self.own_host(origin_host)


def _origins(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(_normal(text) for text in texts)


def _normal(origin: str) -> str:
    """An origin as it is compared; ``file://`` and ``app://./`` are written with and without what follows."""
    return origin.strip().lower().rstrip("/")


def _is_nameless(claims: Claims, sites: frozenset[str]) -> bool:
    """Whether a page sent it that is on none of these sites, and no Origin says whose."""
    return not claims.origins and any(site.strip().lower() not in sites for site in claims.fetch_sites)


def _origin_host(origin: str) -> str | None:
    scheme, separator, authority = origin.partition("://")
    return split_host(authority) if separator and scheme in _SCHEMES else None


def _host_and_port(authority: str, scheme: str) -> tuple[str, str] | None:
    host = split_host(authority)
    if host is None:
        return None
    port = authority.rpartition("]")[2].partition(":")[2].strip()
    return host, port or _DEFAULT_PORTS[scheme]


def _in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _x_forwarded_for(values: Iterable[str]) -> list[str]:
    return [hop.strip() for value in values for hop in value.split(",")]


def _forwarded(values: Iterable[str]) -> list[str]:
    """The ``for`` parameters of RFC 7239.

    An element without one is an empty hop, which nobody can read, and so is a value that breaks the grammar.
    """
    return [hop for value in values for hop in _elements(value)]


def _elements(value: str) -> list[str]:
    hops, at, end = [""], 0, ";"
    while end:
        parameter = _PARAMETER.match(value, at)
        if parameter is None:
            return [""]
        name, quoted, plain, end = parameter.groups()
        if name is not None and name.lower() == "for":
            hops[-1] = plain if quoted is None else quoted
        if end == ",":
            hops.append("")
        at = parameter.end()
    return hops


def _hop_address(hop: str) -> Address | None:
    """``1.2.3.4``, ``1.2.3.4:5``, ``::1``, ``[::1]``, ``[::1]:5``; None for names, ``unknown`` and rubbish."""
    hop = hop.strip()
    if hop.startswith("["):
        return parse_address(hop[1:].partition("]")[0])
    if hop.count(":") == 1:
        hop = hop.partition(":")[0]
    return parse_address(hop)
