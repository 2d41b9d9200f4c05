"""What ``newage.functions`` shows to writers of packages."""

from __future__ import annotations

import pytest

from newage import functions
from newage.domain import model
from newage.functions import Who, function
from newage.functions.door import Offered
from newage.services.calls import calls


@function
def double(number: int) -> int:
    return 2 * number


def test_called_from_python_it_is_the_function_itself() -> None:
    assert double(4) == 8
    assert isinstance(double, Offered)
    assert not double.quick


def test_with_an_option() -> None:
    @function(quick=True)
    def name(who: Who) -> str:
        return who.client_id

    assert name.quick
    assert name(Who(identity="a-1", client_id="a")) == "a"


def test_what_no_client_can_give_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="no argument that a client gives"):

        @function
        def f(x: bytes) -> None:
            pass


def test_everything_that_is_promised_is_there() -> None:
    assert all(hasattr(functions, name) for name in functions.__all__)


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("Function", calls.Function),
        ("Caller", model.Caller),
        ("Kind", model.Kind),
        ("Peer", model.Peer),
        ("Session", model.Session),
    ],
)
def test_the_old_names_go_on_working_with_a_warning(name: str, same: object) -> None:
    with pytest.warns(DeprecationWarning, match=f"newage.functions.{name} will go: use @function and Who"):
        assert getattr(functions, name) is same


def test_and_no_others() -> None:
    with pytest.raises(AttributeError, match="no attribute 'function_'"):
        getattr(functions, "function_")  # noqa: B009
