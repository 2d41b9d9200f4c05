"""What the demo says: true to the question, bounded, always confessing."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.bridge.demo_text import CONFESSION, answer_to, tokens_of

QUESTIONS = [
    "Hello there",
    "Who are you?",
    "Tell me a story",
    "Write a haiku",
    "What is newage?",
    "Why is the sky blue?",
    "How does it work?",
    "When do we start?",
    "Who did it?",
    "Is it late?",
    "Which one?",
    "2 + 2",
    "Thank you!",
    "Can you help me connect it",
    "The sky is blue.",
    "<img src=x onerror=alert(1)>",
    "为什么?",
    "!!!",
    "你好",
]


def say(question: str, quote_chars: int = 160, *, again: bool = False) -> str:
    return answer_to(question, again=again, quote_chars=quote_chars)


@pytest.mark.parametrize("question", QUESTIONS)
def test_quotes_the_question_and_confesses(question: str) -> None:
    assert f"“{question}”" in say(question)
    assert say(question).endswith(CONFESSION)
    assert "no model is involved" in CONFESSION


def test_differs_by_what_is_asked() -> None:
    assert len({say(question).split("\n\n")[0] for question in QUESTIONS}) >= 15


def test_is_the_same_for_the_same_question() -> None:
    assert say("Why?") == say("Why?")
    assert say("Why?") == say("  Why?\n")


@pytest.mark.parametrize("question", QUESTIONS)
def test_says_something_else_when_asked_again(question: str) -> None:
    assert say(question) != say(question, again=True)


@pytest.mark.parametrize(
    ("question", "part"),
    [
        ("Tell me, are you a robot?", "Python|loop"),
        ("please write me a poem about rain", "token|model"),
        ("tell me a story", "token|hub"),
        ("what is 12 * 3", "numbers|Arithmetic"),
        ("<b>x</b>", "markup|brackets"),
        ("hi", "Hello"),
    ],
)
def test_recognises_the_topic(question: str, part: str) -> None:
    opening = say(question).split("\n\n")[0]
    assert any(word in opening for word in part.split("|"))


def test_remarks_are_true() -> None:
    remarks = [say(f"alpha beta gamma{n}").split("\n\n")[1] for n in range(12)]
    assert any("3 words" in remark for remark in remarks)
    assert any("begins with “alpha”" in remark for remark in remarks)
    assert any("longest" in remark and "“gamma" in remark for remark in remarks)
    assert "single word" in say("Hm")
    assert "Not one word" in say("...")


def test_nothing_gets_an_answer_too() -> None:
    assert "nothing at all" in say(" \n ")
    assert CONFESSION in say("")


def test_quotes_no_more_than_allowed() -> None:
    said = say("word " * 500, quote_chars=20)
    assert "“word word word word…”" in said
    assert len(say("x" * 3000, quote_chars=20)) < 800


def test_a_huge_question_is_answered_quickly_and_briefly() -> None:
    huge = [("a " * 131_072), ("?" * 262_143 + "a"), ("<" + " " * 262_000 + "."), ("9" * 262_144), ("'" * 262_144)]
    started = process_time()
    assert all(len(say(question)) < 1000 for question in huge)
    assert process_time() - started < 2
    assert "262,143 characters" in say(huge[0])


@given(st.text())
def test_tokens_are_the_text_again(text: str) -> None:
    tokens = tokens_of(text)
    assert "".join(tokens) == text
    assert all(tokens)


@given(st.text(alphabet=st.characters(), max_size=300), st.booleans())
def test_any_question_gives_encodable_bounded_text(question: str, again: bool) -> None:
    said = answer_to(question, again=again, quote_chars=160)
    assert CONFESSION in said
    assert len(said.encode("utf-8")) < 4000


@given(st.text(alphabet=st.characters(categories=["Cs"]), min_size=1, max_size=5))
def test_half_characters_are_replaced(question: str) -> None:
    say(question).encode("utf-8")
