"""One place where attempts come from (B8)."""

from __future__ import annotations

import pytest

from newage.domain.networks import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("in-process", "in-process"),
        ("", ""),
    ],
)
def test_the_place_of_an_address(address: str, network: str) -> None:
    assert network_of(address) == network
