"""What model servers answer: recorded shapes, and any other JSON."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.completions import (
    NOTHING,
    Fault,
    Piece,
    Reported,
    Usage,
    fault_of,
    read_error,
    read_piece,
    retry_seconds,
)

LLAMA_CPP_TOO_LONG = {
    "error": {
        "code": 400,
        "message": "the request exceeds the available context size, try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 3000,
        "n_ctx": 2048,
    }
}
OPENAI_TOO_LONG = {
    "error": {
        "message": "This model's maximum context length is 8192 tokens.",
        "type": "invalid_request_error",
        "param": "messages",
        "code": "context_length_exceeded",
    }
}


def delta(**members: Any) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": members, "finish_reason": None}]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (delta(role="assistant", content=""), NOTHING),
        (delta(role="assistant", content=None), NOTHING),
        (delta(content="Hel"), Piece(text="Hel")),
        (delta(content=[{"type": "text", "text": "a"}, {"type": "x"}, 7, {"text": "b"}]), Piece(text="ab")),
        (delta(reasoning_content="hm"), Piece(reasoning="hm")),
        (delta(reasoning="hm"), Piece(reasoning="hm")),
        (delta(content="\ud800"), Piece(text="\ud800")),
        ({"choices": [{"delta": {}, "finish_reason": "stop"}]}, Piece(finish="stop")),
        ({"choices": [{"text": "old", "finish_reason": "length"}]}, Piece(text="old", finish="length")),
        (
            {"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}},
            Piece(usage=Usage(12, 3)),
        ),
        (
            {
                "choices": [{"message": {"content": "All", "reasoning_content": "x"}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 2},
            },
            Piece("All", "x", "stop", Usage(1, 2)),
        ),
        ({"usage": {"prompt_tokens": -1, "completion_tokens": 3}}, NOTHING),
        ({"usage": {"prompt_tokens": True, "completion_tokens": 3}}, NOTHING),
        ({"usage": {"prompt_tokens": 10**12, "completion_tokens": 3}}, NOTHING),
        ({"usage": 7, "choices": [7]}, NOTHING),
        ({"error": {"code": 500, "message": "broke"}}, Piece(error=Reported("500", "broke"))),
        ([], NOTHING),
        (None, NOTHING),
    ],
)
def test_pieces(value: Any, expected: Piece) -> None:
    assert read_piece(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (LLAMA_CPP_TOO_LONG, ("400", True)),
        (OPENAI_TOO_LONG, ("context_length_exceeded", True)),
        ({"error": {"message": "no", "type": "server_error", "code": None}}, ("server_error", False)),
        ({"error": "words alone"}, ("", False)),
        ({"object": "error", "message": "maximum context length is 5", "type": "BadRequestError"}, None),
        ({"error": {"code": [1], "message": {}}}, ("", False)),
        ({"error": None}, "none"),
        ({"object": "error?"}, "none"),
        (["error"], "none"),
    ],
)
def test_errors(value: Any, expected: Any) -> None:
    found = read_error(value)
    if expected == "none":
        assert found is None
        return
    assert found is not None
    assert (found.code, found.too_long) == (expected or ("BadRequestError", True))


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (302, None, Fault.MOVED),
        (400, None, Fault.REFUSED),
        (400, Reported(too_long=True), Fault.TOO_LONG),
        (413, None, Fault.TOO_LONG),
        (401, None, Fault.KEY),
        (403, Reported(), Fault.KEY),
        (404, None, Fault.MODEL),
        (408, None, Fault.BUSY),
        (429, None, Fault.BUSY),
        (500, Reported(too_long=True), Fault.BUSY),
        (503, None, Fault.BUSY),
        (599, None, Fault.BUSY),
    ],
)
def test_faults(status: int, error: Reported | None, expected: Fault) -> None:
    assert fault_of(status, error) is expected


def test_words_name_the_place_where_that_helps() -> None:
    assert Fault.AWAY.words("http://x:1") == "The model server is not running at http://x:1."
    assert all("{" not in fault.words("here") for fault in Fault)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        (" 20 ", 20.0),
        ("1.5", None),
        ("-1", None),
        ("9" * 9, None),
        ("²", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after(header: str | None, expected: float | None) -> None:
    assert retry_seconds(header) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "delta",
                    "message",
                    "content",
                    "error",
                    "usage",
                    "code",
                    "prompt_tokens",
                    "text",
                    "type",
                    "object",
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_read(value: Any) -> None:
    piece = read_piece(value)
    assert isinstance(piece.text + piece.reasoning, str)
    piece.finish.encode()
    if piece.error is not None:
        (piece.error.code + piece.error.text).encode()
