"""A signature decides which arguments fit, and says in words why others do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.errors import BadArguments
from newage.functions.signature import Signature
from newage.functions.values import Who

ANNA = Who(identity="anna-1", client_id="anna")


def roll(who: Who, dice: int = 1, sides: int = 6) -> dict[str, int]:
    return {}


def refusal(run: Callable[..., Any], *args: Any) -> str:
    with pytest.raises(BadArguments) as refused:
        Signature.of(run).read(args)
    return str(refused.value)


def taking(annotation: Any) -> Callable[..., Any]:
    def f(x: Any) -> None:
        pass

    f.__annotations__["x"] = annotation
    return f


def test_it_reads_as_people_write_it() -> None:
    assert str(Signature.of(roll)) == "roll(dice: a whole number = 1, sides: a whole number = 6)"


@pytest.mark.parametrize(
    ("given", "passed"), [([], (1, 6)), ([3], (3, 6)), ([3, 20], (3, 20)), ([None, 20], (1, 20)), ([3, None], (3, 6))]
)
def test_what_is_absent_or_null_has_its_default(given: list[Any], passed: tuple[int, int]) -> None:
    assert Signature.of(roll).read(given) == passed


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["three"], "roll wants a whole number as dice, not text: "),
        ([1, 2.5], "roll wants a whole number as sides, not 2.5: "),
        ([True], "roll wants a whole number as dice, not true: "),
        ([[1]], "roll wants a whole number as dice, not a list: "),
        ([{"a": 1}], "roll wants a whole number as dice, not an object: "),
        ([1, 2, 3], "roll takes at most 2 arguments, and 3 were given: "),
    ],
)
def test_what_does_not_fit_is_refused_in_words(given: list[Any], said: str) -> None:
    assert refusal(roll, *given) == f"{said}{Signature.of(roll)}."


def test_what_is_needed_is_named() -> None:
    def greet(name: str, loud: bool = False) -> None:
        pass

    assert refusal(greet) == "greet needs name (text): greet(name: text, loud: true or false = false)."
    assert refusal(greet, None) == "greet wants text as name, not null: greet(name: text, loud: true or false = false)."
    assert refusal(lambda: None, 1).startswith("<lambda> takes no arguments, and 1 were given: <lambda>().")


def test_no_text_that_was_given_is_repeated() -> None:
    assert "secret" not in refusal(roll, "secret")
    assert len(refusal(taking(str), 10**300)) < 100


@pytest.mark.parametrize(
    ("annotation", "words", "fits", "others"),
    [
        (str, "text", ["", "a"], [1, None, ["a"]]),
        (int, "a whole number", [0, -3, 2**63], [1.5, True, "1"]),
        (float, "a number", [0, 1.5], [False, "1.5"]),
        (bool, "true or false", [True, False], [0, 1, "true"]),
        (None, "null", [None], [0, ""]),
        (list, "a list", [[], [1, "a"]], [{}, "a"]),
        (dict, "an object", [{}, {"a": 1}], [[], "a"]),
        (Any, "anything", [None, 1, "a", [], {}], []),
        (object, "anything", [None, 1, "a", [], {}], []),
        (list[int], "a list with a whole number in each place", [[], [1, 2]], [["1"], 1, [True]]),
        (Sequence[str], "a list with text in each place", [["a"]], ["a", [1]]),
        (dict[str, float], "an object with a number in each member", [{}, {"a": 1}], [{"a": "1"}, [1]]),
        (Mapping[str, list[str]], "an object with a list with text in each place in each member", [{"a": ["b"]}], [1]),
        (str | None, "text or null", ["a", None], [1]),
        (Optional[int], "a whole number or null", [1, None], ["a"]),  # noqa: UP045
        (Literal["up", 1], '"up" or 1', ["up", 1], ["down", True, 1.0, None, ["up"]]),
        ("int | str", "a whole number or text", [1, "a"], [1.5]),
    ],
)
def test_types(annotation: Any, words: str, fits: list[Any], others: list[Any]) -> None:
    signature = Signature.of(taking(annotation))
    assert str(signature) == f"f(x: {words})"
    for value in fits:
        assert signature.read([value]) == (value,)
    for value in others:
        with pytest.raises(BadArguments):
            signature.read([value])


def test_no_annotation_takes_anything() -> None:
    assert Signature.of(lambda x, y=(): (x, y)).read([{"a": [None]}]) == ({"a": [None]}, ())


def test_a_default_that_is_no_json_is_not_spelled_out() -> None:
    def f(x: str | None = None, y: Any = {1}) -> None:  # noqa: B006
        pass

    assert str(Signature.of(f)) == "f(x: text or null = null, y: anything = ...)"


def test_any_number_of_arguments() -> None:
    def add(first: float, *more: float) -> float:
        return 0

    signature = Signature.of(add)
    assert str(signature) == "add(first: a number, *more: a number)"
    assert signature.read([1, 2, 3.5]) == (1, 2, 3.5)
    assert refusal(add, 1, 2, "3").startswith("add wants a number as more, not text")


@pytest.mark.parametrize(
    ("run", "args"),
    [
        (lambda who, a, b: None, (ANNA, 1, 2)),
        (lambda a, who, b: None, (1, ANNA, 2)),
        (lambda a, b, who: None, (1, 2, ANNA)),
    ],
)
def test_the_caller_comes_where_it_is_wanted(run: Any, args: tuple[Any, ...]) -> None:
    run.__annotations__["who"] = Who
    signature = Signature.of(run)
    assert [each.name for each in signature.parameters] == ["a", "b"]
    assert signature.place(ANNA, signature.read([1, 2])) == args


def test_nobody_needs_to_know_the_caller() -> None:
    assert Signature.of(taking(int)).place(ANNA, (1,)) == (1,)


def keyword_only(*, x: int) -> None:
    pass


def keywords(**x: int) -> None:
    pass


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (taking(set[int]), "f: x: no argument that a client gives is set"),
        (taking(bytes), "f: x: no argument that a client gives is <class 'bytes'>"),
        (taking(dict[int, str]), "f: x: no argument that a client gives is dict"),
        (taking(list[bytes]), "f: x: no argument that a client gives is <class 'bytes'>"),
        (taking("Unheard"), "f: an annotation cannot be read: name 'Unheard' is not defined"),
        (keyword_only, "keyword_only: arguments are given by their place, so x must have one"),
        (keywords, "keywords: arguments are given by their place, so x must have one"),
    ],
)
def test_what_no_client_can_give_is_refused_when_it_is_written(run: Any, said: str) -> None:
    with pytest.raises(TypeError) as refused:
        Signature.of(run)
    assert str(refused.value).startswith(said)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=4))
def test_whatever_is_given_fits_or_is_refused(args: list[Any]) -> None:
    def f(a: int, b: str | None = None, *more: list[float]) -> None:
        pass

    signature = Signature.of(f)
    try:
        values = signature.read(args)
    except BadArguments as error:
        assert str(error).endswith(f"{signature}.")
    else:
        assert isinstance(values[0], int)
        assert values[1] is None or isinstance(values[1], str)
