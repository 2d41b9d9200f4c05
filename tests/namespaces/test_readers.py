"""Every reader of every event is total: what it does not refuse in words is in range when it leaves the edge."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from math import isnan
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newage import namespaces
from newage.errors import NewAgeError
from newage.namespaces import auth, moderation
from newage.namespaces.function_call import parse_call
from newage.namespaces.handshake import parse_handshake
from newage.protocol.json_text import dumps, loads
from newage.services.accounts.limits import AuthSettings

READ_APART = {  # with what else they want
    "parse_call": lambda payload: parse_call(payload, 32),
    "parse_client_id": lambda payload: auth.parse_client_id(payload, "clientId", "id"),
    "parse_handshake": lambda payload: parse_handshake(payload, AuthSettings()),
    "parse_subject": moderation.parse_subject("no"),
}
NAMES = (
    *(
        "roomName",
        "targetRoom",
        "room",
        "clientId",
        "identity",
        "targetIdentity",
        "targetClientId",
        "role",
        "mode",
        "key",
    ),
    *("requestId", "messageId", "messageIds", "responseId", "responseIds", "outputId", "streamId", "target", "message"),
    *("data", "since", "before", "limit", "duration", "durationSeconds", "expires", "days", "uses", "page", "pageSize"),
    *("order", "level", "filename", "capacity", "features", "count", "index", "chunkIndex", "port", "policy", "args"),
    *("functionName", "updatedFields", "updatedMessage", "fromLlm", "clearRequests", "clearResponses", "password"),
)
NUMBERS = st.sampled_from(
    [0, -1, 1, 50, 200, 1.5, -0.5, 1e300, -1e300, 5e-324, 2**31, 2**53, 2**63 - 1, 2**63, 2**64 - 1, -(2**63)]
) | st.integers(-(2**63), 2**64 - 1)
TEXTS = st.sampled_from(
    ["", "1", "-1", "1e300", "1e999", "9" * 15, "9" * 19, "9" * 5_000, "nan", "Infinity", "permanent", "\ud800"]
) | st.text(max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | TEXTS, inner, max_size=4),
    max_leaves=8,
)
PAYLOADS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=12) | VALUES
COMPARED = {"sillytavern.parse_identify"}  # whatever it is, it is the caller's id or refused
PASSED_ON = {"data", "extra", "args", "streaming", "change", "key", "password"}  # JSON that is kept as it came


def readers() -> Iterator[tuple[str, Callable[[Any], Any]]]:
    for module in pkgutil.iter_modules(namespaces.__path__):
        loaded = import_module(f"newage.namespaces.{module.name}")
        for name, reader in inspect.getmembers(loaded, inspect.isfunction):
            if name.startswith("parse_") and reader.__module__ == loaded.__name__:
                yield f"{module.name}.{name}", READ_APART.get(name, reader) if module.name != "clients" else reader


READERS = dict(readers())


def numbers_in(value: Any) -> Iterator[int | float]:
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, tuple | list | set | frozenset):
        for each in value:
            yield from numbers_in(each)
    elif attrs.has(type(value)):
        for each in attrs.fields(type(value)):
            if each.name not in PASSED_ON:
                yield from numbers_in(getattr(value, each.name))


def test_all_are_tried() -> None:
    assert {"llm.parse_missed", "llm.parse_ask", "debug.parse_log_query", "moderation.parse_subject"} <= set(READERS)
    assert len(READERS) > 20


@pytest.mark.parametrize("name", READERS)
def test_what_is_read_is_refused_in_words_or_in_range(name: str) -> None:
    @settings(max_examples=20, deadline=None)
    @given(payload=PAYLOADS)
    def look(payload: Any) -> None:
        try:
            read = READERS[name](loads(dumps(payload)))
        except NewAgeError:
            return
        for number in () if name in COMPARED else numbers_in(read):
            assert isinstance(number, float) or -(2**63) <= number < 2**63, read
            assert not isnan(number)

    look()
