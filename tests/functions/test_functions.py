"""What ``newage.functions`` shows to writers of packages."""

from __future__ import annotations

import pytest

from newage import functions
from newage.domain import model
from newage.services.calls import calls


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
