"""A program under remote control: a JSON command a line, each answered by a line; other lines are what it tells."""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nodekit import node_program


def end_process(process: subprocess.Popen[str], seconds: float) -> None:
    """Wait for its end so long, then bring it about."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Remote(ABC):
    """One process of Node; it ends when its stdin does.

    :param error: what a failed command raises.
    """

    def __init__(self, script: Path, *arguments: str, error: type[AssertionError]) -> None:
        self._error = error
        self._process = subprocess.Popen(
            [node_program(), str(script), *arguments],
            cwd=script.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._changed = threading.Condition()  # something was answered or told
        self._writing = threading.Lock()  # never held with the other: it may have to read before it takes more
        self._answers: dict[int, Mapping[str, Any]] = {}
        self._numbers = itertools.count(1)
        self._over = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            with self._changed:
                if "id" in said:
                    self._answers[said["id"]] = said
                else:
                    self._told(said)
                self._changed.notify_all()
        with self._changed:
            self._over = True
            self._changed.notify_all()

    @abstractmethod
    def _told(self, said: Mapping[str, Any]) -> None:
        """A line that answers nothing; called with ``_changed`` held."""

    def post(self, op: str, **fields: Any) -> int:
        """Send a command without waiting for its answer; returns its number for ``result``."""
        number = next(self._numbers)
        assert self._process.stdin is not None
        with self._writing:
            self._process.stdin.write(json.dumps({"id": number, "op": op, **fields}) + "\n")
            self._process.stdin.flush()
        return number

    def result(self, number: int, timeout: float) -> Any:
        """What that command gave.

        :raises AssertionError: it failed, or nothing came in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: number in self._answers or self._over, timeout):
                raise self._error(f"command {number} was not answered within {timeout} s")
            answer = self._answers.pop(number, {"error": "the process ended"})
        if "error" in answer:
            raise self._error(answer["error"])
        return answer["ok"]

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        end_process(self._process, 10)
