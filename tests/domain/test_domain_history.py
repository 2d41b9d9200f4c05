"""What an edit makes of a message, and where a page of history ends (contract 4.7, 4.8)."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from newage.domain.history import Change, Missed, Selection
from newage.domain.model import Message

ASKED = Message(message_id="m1", room="den", seq=3, identity="ann", text="hi", data="hi", extra={"a": 1, "b": 2})


@pytest.mark.parametrize(
    ("message", "change", "text", "data"),
    [
        (ASKED, Change(text="new"), "new", "new"),
        (evolve(ASKED, data=None), Change(text="new"), "new", "new"),
        (evolve(ASKED, data={"prompt": "hi"}), Change(text="new"), "new", {"prompt": "hi"}),
        (evolve(ASKED, role="assistant", data={"odd": 1}), Change(text="new"), "new", "new"),
        (ASKED, Change(data={"prompt": "p"}), "hi", {"prompt": "p"}),
        (ASKED, Change(data=None), "hi", None),
        (ASKED, Change(text="half \ud83d"), "half \ufffd", "half \ud83d"),
    ],
)
def test_data_that_repeat_the_text_follow_it(message: Message, change: Change, text: str, data: Any) -> None:
    changed = change.applied_to(message)
    assert (changed.text, changed.data) == (text, data)


def test_further_members_are_added_or_replaced_and_the_rest_stays() -> None:
    changed = Change(extra={"b": 3, "c": 4}).applied_to(ASKED)
    assert dict(changed.extra) == {"a": 1, "b": 3, "c": 4}
    assert evolve(changed, extra=ASKED.extra) == ASKED


def test_one_goes_on_after_the_last_message_of_a_page() -> None:
    page = Missed(room="den", messages=(ASKED, evolve(ASKED, seq=5)), since=2, more=True, seq=9)
    assert page.next_since == 5
    assert Missed(room="den", messages=(), since=2, more=False, seq=9).next_since == 2


def test_an_answer_that_counts_is_one_of_all_to_its_question() -> None:
    answer = Message(message_id="m7", room="den", seq=7, identity="X", role="assistant", question_id="m1")
    chosen = Selection.of(answer, ("m5", "m7", "m9"))
    assert chosen == Selection(question_id="m1", message_id="m7", index=1, count=3)
