"""The settings of the web layer."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from attrs import evolve
from web_doubles import with_settings

from newage.web.settings import WebSettings


def test_every_field_is_documented() -> None:
    assert all(field.metadata.get("doc") for field in attrs.fields(WebSettings))


def test_numbers_name_their_unit_or_what_they_count() -> None:
    for field in attrs.fields(WebSettings):
        if isinstance(field.default, float):
            assert field.name.endswith(("_seconds", "_per_second"))
        elif isinstance(field.default, int) and not isinstance(field.default, bool):
            assert field.name.startswith("max_") or field.name.endswith(("_bytes", "_packets", "_per_second"))


@pytest.mark.parametrize("value", ["local", ["local"], ("local",)])
def test_a_list_may_be_one_string(value: Any) -> None:
    assert evolve(WebSettings(), cors_origins=value).cors_origins == ("local",)


def test_limits_are_positive() -> None:
    for field in attrs.fields(WebSettings):
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            with pytest.raises(ValueError, match=field.name):
                with_settings(**{field.name: -1})


def test_the_defaults_of_the_contract() -> None:
    settings = WebSettings()
    assert settings.cors_origins == ("local",)
    assert settings.socket_io_path == "/socket.io"
    assert settings.max_http_buffer_bytes == 1_000_000
    assert settings.max_empty_fragments == 1_024
    assert settings.max_connections_per_address == 20
    assert (settings.header_timeout_seconds, settings.body_timeout_seconds) == (10, 30)


@pytest.mark.parametrize("path", ["/admin", "v1", "/static/socket", "/NEWAGE-extension"])
def test_socket_io_takes_no_path_of_the_hubs_own(path: str) -> None:
    with pytest.raises(ValueError, match="of the hub's own"):
        WebSettings(socket_io_path=path)
