"""What chat programs send, read member by member."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.chat_question import ChatQuestion, estimated_tokens, parse_chat, parse_completion, text_of
from newage.domain.pictures import PICTURE_TOKENS
from newage.errors import InvalidRequest

HI = {"role": "user", "content": "Hi"}


def chat(*messages: Any, **body: Any) -> ChatQuestion:
    return parse_chat({"model": "newage", "messages": list(messages) or [HI], **body}, 10)


def refused(body: dict[str, Any]) -> str:
    with pytest.raises(InvalidRequest) as error:
        parse_chat(body, 3)
    return str(error.value)


def test_messages_keep_role_text_and_name() -> None:
    question = chat(
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi", "name": "Anna", "extra": 1},
        {"role": "assistant", "content": None, "tool_calls": [{}]},
        {"role": "assistant", "content": "Hello", "name": 5},
        {"role": "function", "content": "42"},
        {"role": "developer", "content": [{"type": "text", "text": "a"}, "b", {"type": "input_text", "text": "c"}]},
    )
    assert question.messages == (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi", "name": "Anna"},
        {"role": "assistant", "content": "Hello"},
        {"role": "tool", "content": "42"},
        {"role": "developer", "content": "abc"},
    )
    assert (question.pictures, question.text, question.news) == (False, "Hi", "")
    assert question.tokens == estimated_tokens(len("Be brief.HiHello42abc"))


def test_pictures_stay_parts() -> None:
    parts = [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": "data:x", "detail": "low"}}]
    question = chat({"role": "user", "content": [*parts, {"type": "image_url", "image_url": "data:y"}]})
    assert question.pictures
    assert text_of(question.messages[0]["content"]) == "See"
    assert question.messages[0]["content"][1] == {"type": "image_url", "image_url": {"url": "data:x"}}
    assert question.tokens == estimated_tokens(len("See")) + 2 * PICTURE_TOKENS


def test_what_is_new_is_what_the_user_said_since_the_last_answer() -> None:
    old = [HI, {"role": "assistant", "content": "Hello"}]
    new = [{"role": "user", "content": "One "}, {"role": "system", "content": "x"}, {"role": "user", "content": "Two"}]
    assert chat(*old, *new).news == "One\n\nTwo"
    assert chat(*new).news == "One\n\nTwo"
    assert chat(*old).news == ""
    assert chat({"role": "system", "content": "Only this"}).text == "Only this"


def test_options_are_named_ones_in_their_ranges() -> None:
    question = chat(
        temperature=9,
        top_p=0.5,
        presence_penalty=-7,
        frequency_penalty=True,
        seed=7,
        max_tokens=5,
        max_completion_tokens=6.9,
        stop=["a", "", 5, "b" * 200, "c"],
        response_format={"type": "json_object"},
        custom_url="http://evil",
        tools=[{}],
        logit_bias={"1": 2},
        metadata={},
    )
    assert question.options == {
        "temperature": 2.0,
        "top_p": 0.5,
        "presence_penalty": -2.0,
        "seed": 7,
        "max_tokens": 6,
        "stop": ["a", "c"],
        "response_format": {"type": "json_object"},
    }
    assert chat(stop="x").options == {"stop": ["x"]}
    assert chat(temperature=None, seed=-1, max_tokens=0, stop=None, response_format="x", top_p="1").options == {}
    assert chat(seed=1.5, max_tokens=1e300).options == {}


def test_streaming_and_who_speaks() -> None:
    question = chat(stream=True, stream_options={"include_usage": True}, user="anna", n=1)
    assert (question.stream, question.usage, question.user) == (True, True, "anna")
    plain = chat(stream="true", stream_options=None, user=5, n=None)
    assert (plain.stream, plain.usage, plain.user) == (False, False, "")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": []},
        {"messages": "Hi"},
        {"messages": [HI] * 4},
        {"messages": ["Hi"]},
        {"messages": [{"content": "Hi"}]},
        {"messages": [{"role": "boss", "content": "Hi"}]},
        {"messages": [{"role": ["user"], "content": "Hi"}]},
        {"messages": [{"role": "user", "content": 5}]},
        {"messages": [{"role": "user", "content": ""}]},
        {"messages": [{"role": "user", "content": [5]}]},
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        {"messages": [HI], "model": ""},
        {"messages": [HI], "model": 5},
        {"messages": [HI], "n": 2},
        {"messages": [HI], "n": True},
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(body: dict[str, Any]) -> None:
    assert refused({"model": "newage", **body})


def test_the_legacy_form_is_one_message() -> None:
    for prompt in ("Hi", ["Hi"]):
        question = parse_completion({"model": "newage", "prompt": prompt, "max_tokens": 3})
        assert question.messages == ({"role": "user", "content": "Hi"},)
        assert question.options == {"max_tokens": 3}
    for wrong in (None, "", [], ["a", "b"], [1, 2], 5):
        with pytest.raises(InvalidRequest):
            parse_completion({"model": "newage", "prompt": wrong})


def test_a_refusal_is_text_and_text_that_is_none_is_empty() -> None:
    parts = [{"type": "refusal", "refusal": "No."}, {"type": "text", "text": None}]
    assert chat({"role": "assistant", "content": parts}, HI).messages[0]["content"] == "No."


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "user", "image_url", "url"]), inner, max_size=3
        )
    ),
    max_leaves=10,
)


@given(
    st.dictionaries(st.sampled_from(["model", "messages", "n", "stop", "seed", "max_tokens", "stream_options"]), JSON)
)
def test_it_is_total(body: dict[str, Any]) -> None:
    for parse in (lambda: parse_chat(body, 3), lambda: parse_completion(body)):
        try:
            question = parse()
        except InvalidRequest as error:
            assert str(error)
        else:
            assert question.messages


def test_tokens_are_estimated() -> None:
    assert [estimated_tokens(chars) for chars in (0, 1, 3, 4, 335)] == [0, 1, 1, 2, 100]
