"""What the client in Python can send."""

from __future__ import annotations

import math
from typing import Any

import pytest
import socketio

from newage_client._engine import STRICT
from newage_client._json import check


@pytest.mark.parametrize("value", [math.nan, math.inf, {1}, b"bytes"])
def test_what_is_no_json_is_refused_where_it_is_said(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        check({"x": [value]})


def test_a_number_that_json_has_not_is_no_packet_of_ours_and_others_are_left_alone() -> None:
    event: dict[str, Any] = {"namespace": "/llm", "data": ["LLM_REQUEST", {"x": math.nan}]}
    with pytest.raises(ValueError, match="JSON"):
        STRICT(socketio.packet.EVENT, **event).encode()
    assert "NaN" in socketio.packet.Packet(socketio.packet.EVENT, **event).encode()
    assert '"x":1' in STRICT(socketio.packet.EVENT, data=["LLM_REQUEST", {"x": 1}]).encode()
