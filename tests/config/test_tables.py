"""The tables of the configuration."""

from __future__ import annotations

import pytest

from newage.config.tables import address_list


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("::1", "0.0.0.0"), ("*",), ("localhost",)])
def test_addresses_to_listen_on(addresses: tuple[str, ...]) -> None:
    address_list(addresses)


@pytest.mark.parametrize("addresses", [(), ("example.org",), ("127.0.0.1", "")])
def test_names_are_no_addresses(addresses: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="must"):
        address_list(addresses)
