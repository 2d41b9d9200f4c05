"""The times of the settings, as whoever decides on answers wants them."""

from __future__ import annotations

from newage.domain.correlation import Patience
from newage.services.requests.limits import RequestSettings


def test_how_long_an_extension_is_waited_for() -> None:
    settings = RequestSettings(
        extension_first_sign_seconds=1, llm_request_timeout_seconds=2, extension_silence_seconds=3
    )
    assert settings.patience == Patience(first_sign=1, timeout=2, silence=3)
