"""A secret shows itself to nobody who does not ask for it."""

from __future__ import annotations

import pickle

from newage.domain.secret import Secret


def test_it_is_not_shown() -> None:
    secret = Secret("sk-1234")
    assert (repr(secret), str(secret), f"{secret}") == ("(secret)",) * 3
    assert secret.reveal() == "sk-1234"
    assert b"sk-1234" not in pickle.dumps(secret)


def test_it_is_compared_and_counts_as_true() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret()}) == 2
    assert Secret("a")
    assert not Secret()
