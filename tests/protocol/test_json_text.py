"""JSON that is total: what is refused, what is kept, and that what came in can go out."""

from __future__ import annotations

import json
import time
from types import MappingProxyType
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.errors import ProtocolError
from newage.protocol.json_text import MAX_DEPTH, MAX_NODES, TooMuch, clean, dumps, loads

ANY_TEXT = st.text(st.characters(exclude_categories=[]))  # lone surrogates too
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        ANY_TEXT,
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(ANY_TEXT, inner)),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'["\\ud83d"]', ["\ud83d"]),
        (b'["\\uDE00",1.5,-3,{"a":[true,false,null]}]', ["\ude00", 1.5, -3, {"a": [True, False, None]}]),
        (b'["\\ud83d\\ude00"]', ["\U0001f600"]),
        (b'["\\ud83d\\ude00\\ud83d"]', ["\U0001f600\ud83d"]),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b" [1] ", [1]),
        (b"18446744073709551615", 2**64 - 1),
        (b"18446744073709551616", 2.0**64),
        (b'["\\ud83d",18446744073709551616,-9223372036854775809]', ["\ud83d", 2.0**64, -(2.0**63)]),
        (b'["\\ud83d",' + b"9" * 300 + b"]", ["\ud83d", float("9" * 300)]),
        (b'["' + "漢".encode() * 1000 + b'"]', ["漢" * 1000]),
    ],
)
def test_what_is_taken(text: bytes, value: dict[str, int] | float | int | list[Any] | list[int] | list[str]) -> None:
    assert loads(text) == value


@pytest.mark.parametrize("with_surrogate", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[",
        b"[1,]",
        b"{1:2}",
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e999]",
        b"[-1e999]",
        b"\xef\xbb\xbf[]",
        b'["\xff"]',
        b'["\xed\xa0\xbd"]',
        b"[" * 100_000,
        b"[" * 100 + b"]" * 100,
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b"[01]",
        b"['a']",
        b'["a\nb"]',
        b'["\\x"]',
        b'["\\',
        b'["\\ud83',
        b"[" + b"1" * 5_000 + b"]",
        b"[" * 990 + b"]" * 990,
    ],
)
def test_what_is_refused_whichever_parser_reads_it(text: bytes, with_surrogate: bool) -> None:
    if with_surrogate:
        text = b'["\\ud83d",' + text + b"]"
    with pytest.raises(ProtocolError):
        loads(text)


@pytest.mark.parametrize(
    "text",
    [
        b"[1e999]",
        b"[-1e999]",
        b"[1E+400]",
        b"[1" + b"0" * 400 + b"]",
        b"[" + b"1" * 250 + b"e99]",
        b'["\\ud83d",1e999]',
        b"[" * 65 + b"]" * 65,
        b"[" + b"1," * 50_000 + b"1]",
    ],
)
def test_json_that_is_too_much_is_told_from_what_is_none(text: bytes) -> None:
    with pytest.raises(TooMuch):
        loads(text)


@pytest.mark.parametrize("text", [b"[" * 65, b"[" * 65 + b"]" * 64, b"[" + b"1," * 50_000, b"[1e99", b"[1e99,]"])
def test_what_is_both_is_none(text: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        loads(text)
    assert caught.type is ProtocolError


def test_depth_is_limited() -> None:
    assert loads(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    with pytest.raises(ProtocolError, match="deep"):
        loads(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))
    wide = b"[" + b",".join([b"[" * 63 + b"]" * 63] * 3) + b"]"
    assert len(loads(wide)) == 3
    with pytest.raises(ProtocolError, match="deep"):
        loads(b"[" + b",".join([b"[]", b'{"a":' * 64 + b"1" + b"}" * 64]) + b"]")


def test_brackets_in_strings_do_not_count() -> None:
    text = orjson.dumps(["[" * 500, '\\"[{' * 200, "\\", ['"[' * 100]])
    assert loads(text) == ["[" * 500, '\\"[{' * 200, "\\", ['"[' * 100]]
    assert loads(orjson.dumps(["[,{" * 30_000])) == ["[,{" * 30_000]


def test_the_number_of_values_is_limited() -> None:
    assert len(loads(b"[" + b"1," * (MAX_NODES - 2) + b"1]")) == MAX_NODES - 1
    for text in (
        b"[" + b"1," * MAX_NODES + b"1]",
        b"[" + b"[]," * MAX_NODES + b"[]]",
        b"[" + b'{"a":1},' * (MAX_NODES // 2) + b"1]",
    ):
        with pytest.raises(ProtocolError, match="many"):
            loads(text)


def test_a_long_text_with_little_structure_is_taken() -> None:
    assert loads(b'["' + b"," * 900_000 + b'"]') == ["," * 900_000]
    assert loads(b'["' + b"x" * 60_000 + b'"]') == ["x" * 60_000]


@pytest.mark.parametrize("unit", [b"[],", b'"\\"', b"\\\\", b'"', b'{"a":'])
def test_a_hostile_megabyte_is_refused_quickly(unit: bytes) -> None:
    text = b"[" + unit * (1_000_000 // len(unit))
    start = time.process_time()
    with pytest.raises(ProtocolError):
        loads(text)
    assert time.process_time() - start < 1.0


@given(VALUES)
def test_what_came_in_goes_out_as_the_browser_would_read_it(value: object) -> None:
    text = json.dumps(value).encode()
    taken = loads(text)
    assert orjson.loads(dumps(taken)) == clean(value)


@given(st.binary())
def test_no_text_breaks_the_parser(text: bytes) -> None:
    try:
        value = loads(text)
    except ProtocolError:
        return
    dumps(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, None, True]}, b'{"a":[1,null,true]}'),
        ("\ud83d", '"\ufffd"'.encode()),
        (["\ud83d\ude00"], '["\U0001f600"]'.encode()),
        ({"\ude00": ("x", "\ud83d")}, '{"\ufffd":["x","\ufffd"]}'.encode()),
        (2**70, b"1.1805916207174113e+21"),
        ([10**400, -(10**400)], b"[null,null]"),
        (float("nan"), b"null"),
        (MappingProxyType({"a": MappingProxyType({})}), b'{"a":{}}'),
        ("漢\u2028", '"漢\u2028"'.encode()),
    ],
)
def test_what_goes_out(value: object, text: bytes) -> None:
    assert dumps(value) == text


@pytest.mark.parametrize("value", [{1: "\ud800"}, {1}, object(), b"bytes", ["\ud800", {2}]])
def test_what_is_not_json_is_a_mistake_of_ours(value: object) -> None:
    with pytest.raises(TypeError):
        dumps(value)


def test_a_circle_is_a_mistake_of_ours() -> None:
    circle: list[object] = ["\ud800"]
    circle.append(circle)
    with pytest.raises(TypeError):
        dumps(circle)


def test_a_default_gives_json_to_what_has_none() -> None:
    assert dumps([b"ab", "\ud800"], lambda value: len(value)) == '[2,"\ufffd"]'.encode()


@given(ANY_TEXT)
def test_text_that_is_cleaned_can_be_encoded(text: str) -> None:
    whole = clean(text)
    whole.encode()
    assert clean(whole) == whole
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert whole == text
