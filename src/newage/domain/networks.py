"""What counts as one place where attempts come from (contract 2.5, B8)."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network, ip_address

_PREFIX = 64  # bits of an IPv6 address that one household or server has for itself


def network_of(address: str) -> str:
    """The address itself; of an IPv6 address its /64, of one that maps IPv4 that; what is no address as it is."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Network((int(found), _PREFIX), strict=False))
