"""The tables of the configuration."""

from __future__ import annotations

import pytest

from newage.config.tables import ServerSettings, is_exposed
from newage.web.settings import WebSettings


@pytest.mark.parametrize(
    ("addresses", "web", "exposed"),
    [
        (("127.0.0.1", "::1", "localhost"), WebSettings(), False),
        (("*",), WebSettings(), True),
        (("127.0.0.1", "10.0.0.7"), WebSettings(), True),
        (("127.0.0.1",), WebSettings(behind_proxy=True), True),
        (("127.0.0.1",), WebSettings(trusted_proxies=("127.0.0.1",)), True),
    ],
)
def test_who_may_come_from_elsewhere(addresses: tuple[str, ...], web: WebSettings, exposed: bool) -> None:
    assert is_exposed(ServerSettings(bind_address=addresses), web) is exposed
