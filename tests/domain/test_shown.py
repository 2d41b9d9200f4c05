"""How outputs are named and end."""

from __future__ import annotations

import pytest

from newage.domain.shown import OutputState


@pytest.mark.parametrize(
    ("failed", "cancelled", "state"),
    [
        (False, False, OutputState.ENDED),
        (True, False, OutputState.FAILED),
        (False, True, OutputState.CANCELLED),
        (True, True, OutputState.CANCELLED),
    ],
)
def test_an_output_ends_in_one_way(failed: bool, cancelled: bool, state: OutputState) -> None:
    assert OutputState.at_end(failed=failed, cancelled=cancelled) is state
