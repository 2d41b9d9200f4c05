"""Bodies and queries: read strictly, written, and described by the same class."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator

from newage.errors import BadParameter, InvalidRequest, NewAgeError
from newage.web.api_v1.typed import MAX_INTEGER, Schema, member, parameters, read, read_query, schema, wire_name, write


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


@frozen(kw_only=True)
class Part:
    """One part."""

    part_name: str = member("its name", characters=(1, 5))


@frozen(kw_only=True)
class Whole:
    """All of it,
    in two lines."""

    text: str = member("some text")
    some_number: int = member("a number", default=7, least=1, most=9)
    share: float = member("a share", default=0.5, least=0, most=1)
    is_on: bool = member("a switch", default=False)
    size: Size = member("a choice", default=Size.SMALL)
    parts: tuple[Part, ...] = member("parts", default=(), most=2)
    maybe: str | None = member("or nothing", default=None)
    part: Part | None = member("or one", default=None)
    free: dict[str, Any] | None = member("anything", default=None)
    sure: str | None = member("null, but there", default="x")


@frozen(kw_only=True)
class Query:
    name: str = member("some text", default="", characters=(0, 5))
    limit: int = member("a number", default=7, least=1, most=9)
    is_on: bool = member("a switch", default=False)
    size: Size | None = member("a choice", default=None)


def described(cls: type) -> Any:
    defined: dict[str, Schema] = {}
    return OAS31Validator({**schema(cls, defined), "components": {"schemas": defined}})


FULL = {
    "text": "hi",
    "someNumber": 3,
    "share": 1,
    "isOn": True,
    "size": "large",
    "parts": [{"partName": "a"}],
    "maybe": "m",
    "part": {"partName": "b"},
    "free": {"x": [1]},
    "sure": None,
}


def test_names_are_in_camel_case() -> None:
    assert (wire_name("message_id"), wire_name("text"), wire_name("is_a_b")) == ("messageId", "text", "isAB")


def test_what_is_read_can_be_written_again() -> None:
    whole = read(Whole, FULL)
    assert whole == Whole(
        text="hi",
        some_number=3,
        share=1.0,
        is_on=True,
        size=Size.LARGE,
        parts=(Part(part_name="a"),),
        maybe="m",
        part=Part(part_name="b"),
        free={"x": [1]},
        sure=None,
    )
    assert write(whole) == FULL
    assert write(read(Whole, {"text": ""})) == {
        "text": "",
        "someNumber": 7,
        "share": 0.5,
        "isOn": False,
        "size": "small",
        "parts": [],
        "sure": "x",
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text": None}, "text has to be a string"),
        ({"txt": 1}, "'txt' is no member of this body: it has text, someNumber"),
        ({"someNumber": True}, "someNumber has to be an integer"),
        ({"someNumber": 1.5}, "someNumber has to be an integer"),
        ({"someNumber": 10}, "someNumber is out of its range"),
        ({"someNumber": 0}, "someNumber is out of its range"),
        ({"share": "1"}, "share has to be a number"),
        ({"isOn": 1}, "isOn has to be a boolean"),
        ({"size": "big"}, "size has to be one of small, large"),
        ({"size": ["small"]}, "size has to be one of"),
        ({"parts": {}}, "parts has to be a list"),
        ({"parts": [{"partName": "a"}] * 3}, "parts has more than 2 items"),
        ({"parts": [1]}, "parts has to be an object"),
        ({"part": {"partName": "toolong"}}, "part.partName has to have 1 to 5 characters"),
        ({"part": {}}, "part.partName is missing"),
        ({"part": {"x": 1}}, "'x' is no member of part: it has partName"),
        ({"free": []}, "free has to be an object"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises((InvalidRequest, BadParameter)) as failed:
        read(Whole, {**FULL, **change})
    assert words in str(failed.value)
    assert not described(Whole).is_valid({**FULL, **change})


def test_what_is_missing_is_named() -> None:
    with pytest.raises(InvalidRequest, match="text is missing"):
        read(Whole, {})
    assert not described(Whole).is_valid({})


def test_text_is_well_formed_when_it_is_read() -> None:
    assert read(Whole, {"text": "a\ud800b"}).text == "a\ufffdb"


def test_numbers_are_those_that_everybody_understands() -> None:
    @frozen(kw_only=True)
    class Any53:
        some: int = member("any")

    assert read(Any53, {"some": -MAX_INTEGER}).some == -MAX_INTEGER
    with pytest.raises(BadParameter):
        read(Any53, {"some": MAX_INTEGER + 1})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=6), lambda inner: st.lists(inner), max_leaves=4
    )
)
def test_the_schema_says_yes_to_what_is_taken_and_no_to_the_rest(value: Any) -> None:
    for name in ("text", "someNumber", "share", "isOn", "size", "parts", "maybe", "part", "free", "sure"):
        body = {**FULL, name: value}
        try:
            read(Whole, body)
            taken = True
        except NewAgeError:
            taken = False
        assert described(Whole).is_valid(body) is taken, (name, value)


class TestQuery:
    def test_what_is_said(self) -> None:
        found = read_query(Query, {b"name": [b"\xc3\xa4"], b"limit": [b"9"], b"isOn": [b"true"], b"size": [b"large"]})
        assert found == Query(name="\xe4", limit=9, is_on=True, size=Size.LARGE)
        assert read_query(Query, {b"isOn": [b"false"]}) == read_query(Query, {}) == Query()

    @pytest.mark.parametrize(
        ("query", "words"),
        [
            ({b"nam": [b"x"]}, "'nam' is no member of the query: it has name, limit, isOn, size"),
            ({b"name": [b"x", b"y"]}, "'name' is in the query more than once"),
            ({b"name": [b"\xff"]}, "no UTF-8"),
            ({b"name": [b"toolong"]}, "name has to have 0 to 5 characters"),
            ({b"limit": [b""]}, "limit has to be an integer"),
            ({b"limit": [b"-1"]}, "limit has to be an integer"),
            ({b"limit": [b"9" * 17]}, "limit has to be an integer"),
            ({b"limit": ["\u0663".encode()]}, "limit has to be an integer"),
            ({b"limit": [b"10"]}, "limit is out of its range"),
            ({b"isOn": [b"yes"]}, "isOn has to be a boolean"),
            ({b"size": [b"big"]}, "size has to be one of"),
        ],
    )
    def test_what_is_wrong_is_named(self, query: dict[bytes, list[bytes]], words: str) -> None:
        with pytest.raises((InvalidRequest, BadParameter)) as failed:
            read_query(Query, query)
        assert words in str(failed.value)

    def test_it_is_described(self) -> None:
        name, limit, is_on, size = parameters(Query, {})
        assert name == {
            "name": "name",
            "in": "query",
            "required": False,
            "description": "some text",
            "schema": {"type": "string", "maxLength": 5},
        }
        assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 9}
        assert (is_on["schema"], size["schema"]["enum"]) == ({"type": "boolean"}, ["small", "large"])


def test_a_description() -> None:
    defined: dict[str, Schema] = {}
    assert schema(Whole, defined) == {"$ref": "#/components/schemas/Whole"}
    assert defined["Whole"]["description"] == "All of it, in two lines."
    assert (defined["Whole"]["required"], defined["Part"]["required"]) == (["text"], ["partName"])
    assert defined["Whole"]["properties"]["parts"]["maxItems"] == 2
    assert schema(Whole, defined) == {"$ref": "#/components/schemas/Whole"}
