"""What is secret does not leave."""

from __future__ import annotations

from newage.domain.secret import Secret
from newage.telemetry.redaction import NOTHING_HIDDEN, Redaction


def test_secrets_are_taken_out_of_texts() -> None:
    hide = Redaction([Secret("sk-abc"), Secret("sk-abcdef"), Secret("short"), Secret()])
    assert hide("Bearer sk-abcdef, key=sk-abc; short") == "Bearer (secret), key=(secret); short"
    assert hide("nothing") == "nothing"
    assert NOTHING_HIDDEN("sk-abc") == "sk-abc"
