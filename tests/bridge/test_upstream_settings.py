"""What a model server of the configuration may be."""

from __future__ import annotations

from typing import Any

import pytest

from newage.bridge.upstream_settings import UpstreamSettings


def test_where_it_is_asked_and_what_is_shown_of_that() -> None:
    settings = UpstreamSettings(url="https://api.example.com:8443/openai/v1/")
    assert settings.endpoint == "https://api.example.com:8443/openai/v1/chat/completions"
    assert settings.origin == "https://api.example.com:8443"


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"url": ""}, "must be like"),
        ({"url": "ftp://x"}, "must be like"),
        ({"url": "http://"}, "must be like"),
        ({"url": "http://x\u00e4"}, "must be like"),
        ({"url": "http://x/\n"}, "must be like"),
        ({"url": "http://me:secret@x"}, "no user"),
        ({"url": "http://x?key=1"}, "no user"),
        ({"url": "http://x#y"}, "no user"),
        ({"url": "http://x/a b"}, "no user"),
        ({"url": "http://x:99999"}, "port"),
        ({"options": {"model": "x"}}, "must not hold model"),
        ({"options": {"n": 2}}, "must not hold n"),
        ({"context_tokens": 10}, "256"),
        ({"capacity": 0}, "1"),
        ({"max_tokens_member": "tokens"}, "must be one of"),
    ],
)
def test_mistakes(members: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        UpstreamSettings(**members)


def test_options_cannot_be_changed() -> None:
    given = {"top_k": 1}
    settings = UpstreamSettings(options=given)
    given["top_k"] = 2
    assert settings.options == {"top_k": 1}
    with pytest.raises(TypeError):
        settings.options["x"] = 1  # type: ignore[index]
