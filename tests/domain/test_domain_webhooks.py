"""Signing as Standard Webhooks does, and how long a receiver that fails is waited for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.webhooks import Patience, Said, signature, signing_key

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_example_of_standard_webhooks() -> None:
    signed = signature(signing_key(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_another_secret_is_its_bytes() -> None:
    assert signing_key("0123456789abcdef") == b"0123456789abcdef"


@pytest.mark.parametrize("secret", ["", "short", "whsec_MfKQ9r8G", "whsec_not base64 at all!!", "whsec_"])
def test_what_is_no_secret(secret: str) -> None:
    with pytest.raises(ValueError, match="must be") as caught:
        signing_key(secret)
    assert not secret or secret not in str(caught.value)


@given(st.binary(max_size=99), st.binary(max_size=99), st.integers(0, 2**40), st.integers(0, 2**40))
def test_another_body_or_time_is_signed_otherwise(one: bytes, other: bytes, at: int, later: int) -> None:
    key = signing_key(SECRET)
    same = signature(key, "msg_1", at, one) == signature(key, "msg_1", later, other)
    assert same == ((one, at) == (other, later))


@pytest.mark.parametrize(
    ("said", "taken", "gone", "words"),
    [
        (Said(200), True, False, "answered with status 200"),
        (Said(299), True, False, "answered with status 299"),
        (Said(199), False, False, "answered with status 199"),
        (Said(302), False, False, "answered with status 302"),
        (Said(410), False, True, "answered with status 410"),
        (Said(500), False, False, "answered with status 500"),
        (Said(why="does not run"), False, False, "does not run"),
    ],
)
def test_what_an_answer_means(said: Said, taken: bool, gone: bool, words: str) -> None:
    assert (said.taken, said.gone, said.words) == (taken, gone, words)


CHANCES = st.floats(0, 1, exclude_max=True)


@given(st.floats(0.1, 60), st.floats(60, 7200), st.lists(CHANCES, min_size=1, max_size=99))
def test_it_waits_twice_as_long_each_time_up_to_a_bound(first: float, most: float, chances: list[float]) -> None:
    patience = Patience(first, most, 86_400)
    due = first
    for number, chance in enumerate(chances, 1):
        wait = patience.failed(None, chance)
        assert due / 2 <= wait <= due
        assert patience.failures == number
        due = min(most, due * 2)


@given(st.integers(0, 9), CHANCES)
def test_a_success_begins_anew(failures: int, chance: float) -> None:
    patience = Patience(5, 3600, 86_400)
    for _ in range(failures):
        patience.failed(None, chance)
    patience.succeeded()
    assert patience.failed(None, chance) <= 5


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e12)), min_size=1, max_size=20), CHANCES)
def test_what_it_asks_for_is_obeyed_up_to_a_bound(asked: list[float | None], chance: float) -> None:
    patience = Patience(5, 3600, 86_400)
    for each in asked:
        wait = patience.failed(each, chance)
        assert wait >= min(each or 0, 86_400)
        assert wait <= max(3600, 86_400)


def test_thousands_of_failures_are_no_greater_number() -> None:
    patience = Patience(5, 3600, 86_400)
    assert {patience.failed(None, 0.0) for _ in range(5000)} <= {2.5 * 2**n for n in range(10)} | {1800}
