#!/usr/bin/env python3
"""Streamed answers of a model server through the hub's ``/v1``: nothing lost or doubled, how late, how much memory.

``python bench/model_streams.py`` runs 50 streams of 50 tokens/s for ten minutes (``--minutes``), then looks for the
highest rate at which the 99th percentile of the delay stays below 50 ms; ``--peer PYTHON`` does that with litellm's
proxy, too, of an environment in which ``pip install 'litellm[proxy]'`` was run. The delay is from the write of the
stand-in model (``stand_in_model.py``) to the read of the client; the hub, or the peer, has a core of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stand_in_model import MODEL
from stream_readers import Heard, readers, summary

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
SERVER_CORE, LOAD_CORE = 0, 1
BAR_MS = 50.0
STREAMS, RATE = 50, 50
MOST = 10_000  # of whatever is under way at once
_CLOCK = os.sysconf("SC_CLK_TCK")


class Server:
    """A process between the readers and the model."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, model: str, key: str) -> None:
        self._pid, self.port, self.model, self.key = process.pid, port, model, key

    def cpu(self) -> float:
        """Seconds so far."""
        fields = Path(f"/proc/{self._pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _CLOCK

    def memory(self) -> float:
        """Resident megabytes."""
        fields = Path(f"/proc/{self._pid}/statm").read_text("ascii").split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self._pid}/fd").iterdir()))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def running(
    command: list[str], port: int, path: str, core: int, log: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that answers ``GET path``; ended after."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *command], stdout=out, stderr=out, env={**os.environ, **environment}
        )
    try:
        end = time.monotonic() + 90
        while True:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2):
                break
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{command[0]} did not start: {log.read_text('utf-8', 'replace')[-2000:]}")
            time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()
        process.wait()


@contextmanager
def hub(folder: Path, upstream: int) -> Iterator[Server]:
    port = free_port()
    (folder / "newage.toml").write_text(
        f"""
[upstream.{MODEL}]
url = "http://127.0.0.1:{upstream}/v1"
model = "{MODEL}"
capacity = {MOST}
context_tokens = 1000000
max_tokens = 100000

[api]
requests_per_minute = {MOST}
requests_at_once = {MOST}
tokens_per_day = 0

[requests]
request_rate = {MOST}
max_live_requests = {MOST}
max_live_requests_per_identity = {MOST}

[streams]
max_streams_per_extension = {MOST}
max_outputs_per_extension = {MOST}
max_ended_outputs_per_extension = {MOST}
""",
        "utf-8",
    )
    command = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "--pidfile=", "-n", "newage"]
    command += ["--port", str(port), "--bind", "127.0.0.1", "--home", str(folder / "home")]
    command += ["--config", str(folder / "newage.toml")]
    path = {"PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
    with running(command, port, "/readyz", SERVER_CORE, folder / "hub.log", path) as process:
        newage = [sys.executable, "-m", "newage.cli", "--json", "--home", str(folder / "home")]
        made = subprocess.run(
            [*newage, "keys", "new", "bench", "--scope", "api"],
            env={**os.environ, **path},
            capture_output=True,
            check=True,
        )
        yield Server(process, port, f"llm:{MODEL}", json.loads(made.stdout)["key"])


@contextmanager
def litellm(folder: Path, upstream: int, python: str) -> Iterator[Server]:
    port = free_port()
    params = {"model": f"openai/{MODEL}", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "none"}
    (folder / "litellm.json").write_text(json.dumps({"model_list": [{"model_name": MODEL, "litellm_params": params}]}))
    program = str(Path(python).parent / "litellm")
    command = [program, "--config", str(folder / "litellm.json"), "--host", "127.0.0.1", "--port", str(port)]
    quiet = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with running(command, port, "/health/liveliness", SERVER_CORE, folder / "litellm.log", quiet) as process:
        yield Server(process, port, MODEL, "")


def measure(server: Server, streams: int, rate: int, seconds: float) -> tuple[Heard, float]:
    """:return: what was heard, and the server's CPU in percent of one core."""
    before, begun = server.cpu(), time.monotonic()
    heard = asyncio.run(readers(server.port, server.model, server.key, streams, int(rate * seconds), rate))
    return heard, 100 * (server.cpu() - before) / (time.monotonic() - begun)


def endure(server: Server, minutes: float) -> bool:
    """50 streams at 50 tokens/s, minute by minute: each begins and ends answers. :return: nothing was wrong."""
    good = True
    for minute in range(max(1, round(minutes))):
        heard, cpu = measure(server, STREAMS, RATE, min(60.0, 60 * minutes))
        good = good and not heard.wrong and heard.whole == STREAMS
        print(
            f"  minute {minute + 1}: {summary(heard)}; {cpu:.0f} % CPU, {server.memory():.1f} MB,"
            f" {server.descriptors()} descriptors",
            flush=True,
        )
    return good


def highest(server: Server, seconds: float) -> int:
    """More and more streams of 50 tokens/s until 1 % is too late, then between the two. :return: tokens a second."""
    good, bad, streams = 0, 0, 20
    while not bad or bad - good > max(2, bad // 10):
        heard, cpu = measure(server, streams, RATE, seconds)
        print(f"  {streams * RATE} tokens/s: {summary(heard)}; {cpu:.0f} % CPU", flush=True)
        if not heard.wrong and heard.whole == streams and heard.percentile(0.99) < BAR_MS:
            good = streams
        else:
            bad = streams
        streams = (good + bad) // 2 if bad else 2 * good
    return good * RATE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of the 50 streams; 0 leaves them out")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each step of the search; 0 leaves it out")
    parser.add_argument("--peer", default="", metavar="PYTHON", help="of an environment with litellm[proxy]")
    args = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    good = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = free_port()
        stand_in = [sys.executable, str(BENCH / "stand_in_model.py"), str(model)]
        with running(stand_in, model, "/v1/models", LOAD_CORE, folder / "model.log", {}):
            rates = {}
            with hub(folder, model) as server:
                if args.minutes:
                    print(f"{STREAMS} streams at {RATE} tokens/s through the hub")
                    good = endure(server, args.minutes)
                if args.seconds:
                    print("the highest rate of the hub")
                    rates["hub"] = highest(server, args.seconds)
            if args.peer:
                with litellm(folder, model, args.peer) as server:
                    print("the highest rate of litellm's proxy")
                    rates["litellm"] = highest(server, args.seconds)
            for who, rate in rates.items():
                print(f"{who}: {rate:.0f} tokens/s with 99 % within {BAR_MS:.0f} ms")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
