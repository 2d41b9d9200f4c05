#!/usr/bin/env python3
"""Wrong keys at ``/v1``, 50 a second: how soon are they refused, and what do they cost streams beside them?

``python bench/wrong_bearers.py``: for each sort of wrong key a quiet stretch and one in which they come, each by a new
connection at its time (open loop). The hub has one core, the load the other, as in ``model_streams.py``, whose hub it
is. What a refusal costs the hub is its CPU time above that of the quiet stretch: other work on the machine does not
enter it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from model_streams import BENCH, LOAD_CORE, ROOT, Server, free_port, hub, running
from stream_readers import Heard, readers

RATE = 50  # tokens a second of each stream
BAR_MS = 5.0


def sorts(right: str, revoked: str) -> dict[str, Callable[[int], str]]:
    """The wrong key of each number; and the right one, to compare with."""
    known, _, _ = right.rpartition("-")
    return {
        "of a known id": lambda n: f"{known}-{n:026d}",
        "of unknown ids": lambda n: f"sk-newage-{n:08d}-{'a' * 26}",
        "revoked": lambda n: revoked,
        "right": lambda n: right,
    }


async def asked(port: int, key: str, right: str) -> float:
    """:return: milliseconds from the connection to the end of the answer.
    :raises AssertionError: it was another answer than the key deserves.
    """
    begun = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = [
            "GET /v1/models HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            f"Authorization: Bearer {key}",
            "Connection: close",
        ]
        writer.write("\r\n".join([*head, "", ""]).encode())
        answer = await asyncio.wait_for(reader.read(), 30)
        took = 1000 * (time.monotonic() - begun)
    finally:
        writer.close()
    status, _, body = answer.partition(b"\r\n\r\n")
    if key == right:
        assert status.startswith(b"HTTP/1.1 200"), status
    else:
        assert status.startswith(b"HTTP/1.1 401"), status
        assert json.loads(body)["error"]["code"] == "invalid_api_key", body
    return took


async def attack(port: int, right: str, key: Callable[[int], str], rate: int, seconds: float) -> list[float]:
    """Open loop: each begins at its time, whatever became of those before."""
    begun, tasks = time.monotonic(), []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(begun + number / rate - time.monotonic())
        tasks.append(asyncio.create_task(asked(port, key(number), right)))
    return await asyncio.gather(*tasks)


async def stretch(
    server: Server, seconds: float, streams: int, key: Callable[[int], str] | None, rate: int
) -> tuple[Heard, list[float], float]:
    """:return: the streams, the refusals, and the hub's CPU seconds."""
    before = server.cpu()
    reading = asyncio.create_task(readers(server.port, server.model, server.key, streams, int(RATE * seconds), RATE))
    took = [] if key is None else await attack(server.port, server.key, key, rate, seconds)
    if key is None:
        await asyncio.sleep(seconds)  # as long as the other one, also without streams
    heard = await reading
    return heard, took, server.cpu() - before


def percentile(found: list[float], share: float) -> float:
    return sorted(found)[min(len(found) - 1, int(share * len(found)))]


def key_of(folder: Path, client: str, *, then_revoked: bool = False) -> str:
    newage = [sys.executable, "-m", "newage.cli", "--json", "--home", str(folder / "home"), "keys"]
    path = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
    made = subprocess.run([*newage, "new", client, "--scope", "api"], env=path, capture_output=True, check=True)
    if then_revoked:
        subprocess.run([*newage, "revoke", client], env=path, capture_output=True, check=True)
    key: str = json.loads(made.stdout)["key"]
    return key


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each stretch")
    parser.add_argument("--streams", type=int, default=5, help="beside them, of 50 tokens/s")
    parser.add_argument("--rate", type=int, default=50, help="wrong keys a second")
    args = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    good = True
    with tempfile.TemporaryDirectory() as name:
        folder, model = Path(name), free_port()
        stand_in = [sys.executable, str(BENCH / "stand_in_model.py"), str(model)]
        with running(stand_in, model, "/v1/models", LOAD_CORE, folder / "model.log", {}), hub(folder, model) as server:
            revoked = key_of(folder, "gone", then_revoked=True)
            for sort, key in sorts(server.key, revoked).items():
                quiet, _, calm = asyncio.run(stretch(server, args.seconds, args.streams, None, args.rate))
                heard, took, cpu = asyncio.run(stretch(server, args.seconds, args.streams, key, args.rate))
                good = good and percentile(took, 0.99) < BAR_MS and not heard.wrong and heard.whole == args.streams
                print(
                    f"{sort}: {len(took)} answered, p50 {percentile(took, 0.5):.1f} ms, p99"
                    f" {percentile(took, 0.99):.1f} ms, {1000 * (cpu - calm) / len(took):.2f} ms of the hub's CPU each;"
                    f" streams p99 {quiet.percentile(0.99):.1f} ms quiet, {heard.percentile(0.99):.1f} ms beside it",
                    flush=True,
                )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
