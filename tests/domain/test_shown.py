"""How outputs are named and end."""

from __future__ import annotations

import pytest

from newage.domain.shown import OutputState, ShownOutput


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


@pytest.mark.parametrize("private", [False, True])
def test_what_is_private_is_for_its_requester(private: bool) -> None:
    about = ShownOutput(
        stream_id="s",
        output_id="o",
        request_id="r",
        room="den",
        client_id="X",
        identity="X",
        requester="ann",
        private=private,
    )
    assert (about.is_for("ann"), about.is_for("ben")) == (True, not private)
