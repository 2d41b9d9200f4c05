"""``@function``."""

from __future__ import annotations

import pytest

from newage.functions import Who, function
from newage.functions.door import Offered


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
