"""The table of ``/v1``."""

from __future__ import annotations

from apikit import ApiHouse


def test_what_is_not_there_says_what_is(hub: ApiHouse) -> None:
    told = hub.ask("/v1/responses", {"model": "newage", "input": "Hi"})
    assert (told.status, told.code) == (404, "not_found")
    assert "chat/completions" in told.json["error"]["message"]
    assert hub.ask("/v1/models", {}).response.headers["allow"] == "GET, HEAD, OPTIONS"
