"""The forms of keys (B7)."""

from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.key_form import RANDOM_BYTES, has_hub_form, labelled_key, shown_key_id


@given(st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES))
def test_a_labelled_key_shows_its_id_and_is_the_hubs(random: bytes) -> None:
    key = labelled_key("0123abcd", random)
    assert len(key) == len("sk-newage-") + 8 + 1 + 26
    assert shown_key_id(key) == "0123abcd"
    assert has_hub_form(key)


def test_every_one_of_130_bits_counts() -> None:
    keys = {labelled_key("0123abcd", (1 << bit).to_bytes(RANDOM_BYTES)) for bit in range(6, 136)}
    assert len(keys | {labelled_key("0123abcd", bytes(RANDOM_BYTES))}) == 131


def test_the_reference_servers_form() -> None:
    key = str(uuid4())
    assert has_hub_form(key)
    assert shown_key_id(key) is None


@pytest.mark.parametrize(
    "key",
    [
        "",
        "hunter2",
        "0f8fad5b-d9cb-169f-a165-70867728950e",  # no version 4
        "0F8FAD5B-D9CB-469F-A165-70867728950E",
        "0f8fad5b-d9cb-469f-a165-70867728950e\n",
        "0f8fad5b-d9cb-469f-a165-70867728950\u0665",  # a digit, but no ASCII
        "sk-newage-0123abcd-" + "a" * 25,
        "sk-newage-0123abcd-" + "a" * 27,
        "sk-newage-0123abcd-" + "1" * 26,
        "sk-newage-0123ABCD-" + "a" * 26,
        "sk-newage-0123abc-" + "a" * 26,
        "sk-other-0123abcd-" + "a" * 26,
    ],
)
def test_other_forms_are_not_the_hubs(key: str) -> None:
    assert not has_hub_form(key)
    assert shown_key_id(key) is None
