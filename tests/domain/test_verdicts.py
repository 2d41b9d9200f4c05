"""What an output says of itself (contract 5.6, 5.8)."""

from __future__ import annotations

import pytest

from newage.domain.model import RequestMode, Role
from newage.domain.request import Ask, Request
from newage.domain.verdicts import Output

ASKED = Request(
    request_id="r1",
    identity="web1",
    client_id="web1",
    room="web1",
    role=Role.MASTER,
    mode=RequestMode.IMMEDIATE,
    message_id="m1",
    ask=Ask(request_id="r1", text="hi"),
    created_at=0,
    active_at=0,
)


@pytest.mark.parametrize(("size", "spoken", "has_text"), [(0, False, False), (1, False, True), (0, True, True)])
def test_what_was_taken_back_had_been_there(size: int, spoken: bool, has_text: bool) -> None:
    output = Output(given_id="o1", request=ASKED, active_at=0, reused=False, size=size, spoken=spoken)
    assert output.has_text is has_text
