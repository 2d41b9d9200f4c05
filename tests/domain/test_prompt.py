"""Prompts: from rooms and from what a question brings, within a budget; any wishes and messages are read."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.forwarded import ForwardedRequest, Question
from newage.domain.model import Message, RequestMode, Role
from newage.domain.pictures import PICTURE_TOKENS
from newage.domain.prompt import (
    BEGINS,
    GO_ON,
    Budget,
    Line,
    brought,
    calibrated,
    conversation,
    estimated,
    options_of,
    prompt,
    wishes,
)

PLENTY = Budget(tokens=100_000)


def said(number: int, text: str, who: str = "ann", **more: Any) -> Message:
    return Message(
        message_id=f"m{number}", room="lobby", seq=number, identity=who, text=text, request_id=f"r{number}", **more
    )


def answer(number: int, text: str, **more: Any) -> Message:
    return said(number, text, "llm-x", role="assistant", **more)


def asks(*context: Message, own: Message | None = None, **more: Any) -> ForwardedRequest:
    own = own or context[-1]
    question = Question(
        request_id=own.request_id or "",
        identity=own.identity,
        client_id=own.identity,
        role=Role.MASTER,
        said=own,
        targets=("llm-x",),
        merged=more.pop("merged", ()),
    )
    made = ForwardedRequest(
        request_id="x",
        target="llm-x",
        room="lobby",
        mode=RequestMode.DEFAULT,
        text=own.text,
        context=context,
        question=question,
    )
    return evolve(made, **more)


def texts(request: ForwardedRequest) -> list[tuple[str, str]]:
    return [(line.role, line.text) for line in prompt(conversation(request), "", "", PLENTY)]


def test_a_room() -> None:
    request = asks(
        said(1, "Hi"),
        answer(2, "Hello."),
        said(3, "joined", "System", role="system"),
        answer(4, "An older one", selected=False),
        answer(5, "", failed=True),
        said(6, "Well?"),
    )
    assert texts(request) == [("user", "Hi"), ("assistant", "Hello."), ("user", "Well?")]


def test_several_people_have_names() -> None:
    request = asks(said(1, "Hi", name="Anna"), said(2, "Ho", "bob"), answer(3, "Hello."), said(4, "Well?", name="Anna"))
    assert texts(request) == [("user", "Anna: Hi\nbob: Ho"), ("assistant", "Hello."), ("user", "Anna: Well?")]


def test_the_question_is_last_whoever_spoke_meanwhile() -> None:
    first = said(1, "First")
    request = asks(first, said(2, "Second", "bob"), answer(3, "Of before."), own=first)
    assert texts(request)[-1] == ("user", "ann: First")


def test_what_was_merged_is_asked_together() -> None:
    request = asks(said(1, "One"), said(2, "Two", "bob"), said(3, "Three", "carl"), merged=("r2",))
    assert texts(request) == [("user", "ann: One\nbob: Two\ncarl: Three")]
    own = said(3, "Three", "carl")
    assert texts(asks(said(1, "One"), said(2, "Two", "bob"), own, own=own, merged=("r1",))) == [
        ("user", "bob: Two\nann: One\ncarl: Three")
    ]


def test_a_question_that_is_not_in_the_context() -> None:
    own = said(9, "Well?", name="Anna")
    assert texts(asks(said(1, "Hi"), own=own)) == [("user", "ann: Hi\nAnna: Well?")]
    assert conversation(asks(own=said(9, ""))) == []


def test_nobody_asked() -> None:
    request = evolve(asks(said(1, "Hi"), answer(2, "Ho")), question=None, text="Say something.")
    assert texts(request) == [("user", "Hi"), ("assistant", "Ho"), ("user", "Say something.")]


def test_asked_again() -> None:
    own = said(2, "Well?")
    request = asks(said(1, "Hi"), own, answer(3, "No."), said(4, "Later"), own=own, request_type="regenerateMessage")
    assert texts(request) == [("user", "Hi\nWell?")]


def test_an_answer_grows() -> None:
    request = asks(said(1, "Hi"), answer(2, "Once upon"), said(3, "Later"), request_type="continue", about="m2")
    assert texts(request) == [("user", "Hi"), ("assistant", "Once upon"), ("user", GO_ON)]
    lost = evolve(request, about="gone")
    assert texts(lost)[-1] == ("user", f"Later\n{GO_ON}")


def test_words_for_who_asks() -> None:
    own = said(9, "Angrily.", name="Anna")
    wish = "[Write the next message of Anna as Anna would write it, and nothing else.]"
    assert texts(asks(said(1, "Hi"), own=own, request_type="impersonate"))[-1][1] == f"Hi\n{wish}\nAngrily."
    alone = evolve(asks(said(1, "Hi"), request_type="impersonate"), question=None, text="")
    assert "the user" in texts(alone)[-1][1]


def test_a_user_begins() -> None:
    assert texts(asks(answer(1, "Welcome."), said(2, "Hi"))) == [
        ("user", BEGINS),
        ("assistant", "Welcome."),
        ("user", "Hi"),
    ]


def lines(*sizes: int) -> list[Line]:
    return [Line(("user", "assistant")[n % 2], chr(97 + n) * size) for n, size in enumerate(sizes)]


def test_what_does_not_fit_is_left_out_from_the_oldest() -> None:
    talk = lines(67, 67, 67, 67, 67)  # 24 tokens each
    assert [each.text[0] for each in prompt(talk, "", "", Budget(tokens=24 * 3))] == ["c", "d", "e"]
    assert [each.text[0] for each in prompt(talk, "S" * 67, "", Budget(tokens=24 * 4))] == ["S", "c", "d", "e"]
    assert [each.text[0] for each in prompt(talk, "", "", Budget(tokens=24 * 6, rate=2.0))] == ["c", "d", "e"]
    found = prompt(talk, "S" * 999, "After", Budget(tokens=1))
    assert [each.text[0] for each in found] == ["S", "e", "A"], "these stay in any case"
    assert [each.text[0] for each in prompt(talk, "", "", PLENTY, halved=True)] == ["c", "d", "e"]


def test_a_conversation_with_its_own_system_lines() -> None:
    found = brought(
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {}}]},
            {"role": "assistant", "content": "Nice."},
            {"role": "tool", "content": "42"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {}}]},
        ]
    )
    made = prompt(found, "Ours.", "", PLENTY)
    assert [line.wire() for line in made] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "See"},
        {"role": "assistant", "content": "Nice."},
        {"role": "user", "content": "42"},
    ]
    assert prompt(brought([{"role": "user", "content": "Hi"}]), "Ours.", "", PLENTY)[0] == Line("system", "Ours.")


def test_a_question_that_brings_its_conversation() -> None:
    data = {"messages": [{"role": "user", "content": "Hi"}], "options": {"seed": 1}}
    own = said(9, "Hi", origin="openai", data=data)
    request = asks(said(1, "Of the room"), own=own)
    assert conversation(request) == [Line("user", "Hi")]
    assert wishes(request) == {"seed": 1}
    forged = asks(said(2, "Hi", data=data, extra={"options": {"seed": 2}}))
    assert conversation(forged) == [Line("user", "Hi", "ann")], "only the hub says where a question comes from"
    assert wishes(forged) == {"seed": 2}
    assert wishes(evolve(forged, question=None)) is None


def test_estimates_are_corrected_by_what_was_counted() -> None:
    assert calibrated(1.0, 100, 200) == 2.0, "at once upwards"
    assert calibrated(2.0, 100, 120) == pytest.approx(1.9)
    assert calibrated(1.0, 100, 10_000) == 4.0
    assert calibrated(1.0, 0, 5) == calibrated(1.0, 5, 0) == 1.0


def test_wishes_are_named_and_capped() -> None:
    wanted = {"seed": 7, "max_tokens": 999, "custom_url": "http://evil.test", "model": "x", "messages": []}
    assert options_of(wanted, 100) == {"max_tokens": 100, "seed": 7}
    assert options_of({"max_tokens": 5}, 100) == {"max_tokens": 5}
    assert options_of(None, 9) == options_of([7], 9) == {"max_tokens": 9}


@given(
    st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text(min_size=1, max_size=200))), st.integers(0, 500)
)
def test_turns_and_budget_hold(talk: list[tuple[str, str]], tokens: int) -> None:
    made = prompt([Line(*each) for each in talk], "S", "", Budget(tokens=tokens))
    roles = [each.role for each in made[1:]]
    assert all(role == ("user", "assistant")[at % 2] for at, role in enumerate(roles))
    if talk:
        assert made[-1].text.endswith(talk[-1][1])
    begins = estimated([Line("user", BEGINS)])
    kept = estimated([Line("system", "S"), *(Line(*each) for each in talk[-1:])])
    assert estimated(made) <= max(tokens + begins, kept + begins) + 1


def test_pictures_stay_with_their_words() -> None:
    shown = {"type": "image_url", "image_url": {"url": "data:u"}}
    more = {"type": "image_url", "image_url": {"url": "data:v"}}
    said: list[dict[str, Any]] = [
        {"role": "user", "content": "Look:"},
        {"role": "user", "content": [{"type": "text", "text": "This"}, shown]},
        {"role": "user", "content": [more]},
        {"role": "assistant", "content": "Ah"},
        {"role": "user", "content": [more]},
    ]
    made = prompt(brought(said), "", "", PLENTY)
    assert [line.wire() for line in made] == [
        {"role": "user", "content": [{"type": "text", "text": "Look:\nThis"}, shown, more]},
        {"role": "assistant", "content": "Ah"},
        {"role": "user", "content": [more]},
    ]
    assert estimated(made) > 3 * PICTURE_TOKENS
