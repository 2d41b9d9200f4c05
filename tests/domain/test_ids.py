"""What may be an id (contract 2.4 steps 1-2, 2.9)."""

from __future__ import annotations

import pytest

from newage.domain.ids import (
    is_extension_id,
    is_new_id,
    is_new_identity,
    is_upstream_name,
    is_valid_id,
    is_valid_identity,
    may_trust_itself,
    upstream_identity,
    upstream_model,
)
from newage.domain.model import RESERVED_IDS


@pytest.mark.parametrize(
    "good", ["a", "my-client", "SillyTavern-", "SillyTavern-8000", "x" * 128, "böb", "名前", "a b", "..", "7"]
)
def test_valid(good: str) -> None:
    assert is_valid_id(good)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        " ",
        "x" * 129,
        "a/b",
        "a\\b",
        "a\nb",
        "a\0b",
        "a\x7fb",
        "a\u2028b",  # line separator
        "a\u202eb",  # turns what follows around
        "a\u200bb",  # invisible
        "\ud800",
        "o\u0308",  # not composed
        None,
        7,
        True,
        {},
        ["a"],
        *sorted(RESERVED_IDS),
    ],
)
def test_invalid(bad: object) -> None:
    assert not is_valid_id(bad)


@pytest.mark.parametrize(
    ("identity", "good"),
    [
        ("web1", True),
        ("web1-a", True),
        ("web12", True),
        ("web", False),
        ("other-web1", False),
        ("web1/x", False),
        (3, False),
    ],
)
def test_an_identity_begins_with_its_client_id(identity: object, good: bool) -> None:
    assert is_valid_identity(identity, "web1") is good


@pytest.mark.parametrize(
    ("client_id", "trusting"),
    [
        ("SillyTavern-", True),
        ("SillyTavern-8000", True),
        ("SillyTavern-99999", True),
        ("SillyTavern-100000", False),
        ("SillyTavern-80a", False),
        ("SillyTavern", False),
        ("SillyTavern-٣", False),
        ("SillyTavern-8000\n", False),
        ("my-SillyTavern-8000", False),
    ],
)
def test_who_may_trust_itself(client_id: str, trusting: bool) -> None:
    assert may_trust_itself(client_id) is trusting


def test_extension_ids() -> None:
    assert is_extension_id("SillyTavern-8000")
    assert is_extension_id("SillyTavernX")
    assert not is_extension_id("web1")


@pytest.mark.parametrize(
    ("name", "new"), [("ann", True), ("ann ", False), ("an\u034fn", False), ("a/b", False), (7, False)]
)
def test_new_ids_are_seen_whole(name: object, new: bool) -> None:
    assert is_new_id(name) is new


@pytest.mark.parametrize(
    ("identity", "client_id", "new"),
    [
        ("ann", "ann", True),
        ("ann-1", "ann", True),
        ("ann ", "ann", False),
        ("ann ", "ann ", True),  # one of before
        ("ann -1", "ann ", True),
        ("a\u3164-1", "a\u3164", True),
        ("a\u3164- ", "a\u3164", False),
        ("ann\u200d", "ann", False),
    ],
)
def test_new_identities_are_as_well_whatever_their_client_is_called(identity: str, client_id: str, new: bool) -> None:
    assert is_new_identity(identity, client_id) is new


@pytest.mark.parametrize("name", ["a", "7", "local", "llama-3", "x" * 32])
def test_an_upstream_is_an_extension_and_a_model(name: str) -> None:
    assert is_upstream_name(name)
    assert upstream_identity(f"llm:{name}") == f"llm-{name}"
    assert upstream_model(f"llm-{name}") == f"llm:{name}"
    assert is_new_id(f"llm-{name}")
    assert not is_extension_id(f"llm-{name}"), "nobody who comes by that name trusts himself"


@pytest.mark.parametrize("name", ["", "-", "-a", "a-", "A", "a_b", "a.b", "a b", "a\n", "x" * 33, "\u00e4"])
def test_what_no_upstream_may_be_called(name: str) -> None:
    assert not is_upstream_name(name)
    assert upstream_identity(f"llm:{name}") is None
    assert upstream_model(f"llm-{name}") is None


@pytest.mark.parametrize("other", ["", "newage", "local", "llm-local", "room:lobby"])
def test_other_models_are_no_upstreams(other: str) -> None:
    assert upstream_identity(other) is None


@pytest.mark.parametrize("other", ["", "llm:local", "SillyTavern-8000"])
def test_other_extensions_are_no_upstreams(other: str) -> None:
    assert upstream_model(other) is None
