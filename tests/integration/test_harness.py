"""What the integration tests read of a process."""

from __future__ import annotations

import io
import re
import threading
from typing import Any

import pytest
from harness import PATIENCE, Lines


class ClosedMeanwhile(io.StringIO):
    """Somebody closes it after its first line, and the reader asks for the next."""

    def __next__(self) -> Any:
        line = super().__next__()
        self.close()
        return line


class Broken(io.StringIO):
    """Whose bytes are no text, for one."""

    def __next__(self) -> Any:
        raise ValueError("a fault")


@pytest.mark.parametrize(
    ("stream", "faults"), [(io.StringIO("one\n"), []), (ClosedMeanwhile("one\ntwo\n"), []), (Broken(), ["a fault"])]
)
def test_lines_end_quietly_with_their_stream_and_loudly_with_a_fault(
    stream: io.StringIO, faults: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda said: raised.append(str(said.exc_value)))
    lines = Lines(stream)
    assert lines.wait_for(re.compile("never comes"), PATIENCE) is None
    assert lines.join() == ("" if faults else "one")
    assert raised == faults
