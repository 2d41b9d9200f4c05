"""The bodies of OpenAI's API."""

from __future__ import annotations

from newage.dialect import openai


def test_models() -> None:
    one = {"id": "newage", "object": "model", "created": 5, "owned_by": "newage"}
    assert openai.model("newage", 5) == one
    assert openai.models(["newage"], 5) == {"object": "list", "data": [one]}
