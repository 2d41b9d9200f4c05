"""Readers of streamed answers: what came, how late, in order or not. ``readers(...)`` runs in one event loop."""

from __future__ import annotations

import asyncio
import json
import re
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

_TOKEN = re.compile(r"(\d+):(\d+) ")


@dataclass
class Heard:
    """What the readers of one run were told; delays in nanoseconds, from the model's write to this program's read."""

    delays: array[int] = field(default_factory=lambda: array("q"))
    whole: int = 0  # answers with every token once, in order, and a clean end
    wrong: list[str] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """:return: milliseconds."""
        found = sorted(self.delays)
        return found[min(len(found) - 1, int(share * len(found)))] / 1e6 if found else float("nan")


class _Reader:
    """One answer: the text of its events is joined, for a proxy may cut tokens where it likes."""

    def __init__(self, heard: Heard, tokens: int) -> None:
        self._heard, self._tokens = heard, tokens
        self._text, self._next = "", 0

    def hear(self, line: bytes, now: int) -> bool:
        """:return: whether that was the end."""
        if not line.startswith(b"data:"):
            return False
        data = line[5:].strip()
        if data == b"[DONE]":
            if self._next == self._tokens and not self._text:
                self._heard.whole += 1
            else:
                self._heard.wrong.append(f"{self._next} of {self._tokens} tokens")
            return True
        body = json.loads(data)
        if "error" in body:
            self._heard.wrong.append(str(body["error"]))
            return False
        for choice in body["choices"]:
            self._text += choice["delta"].get("content") or ""
        while found := _TOKEN.match(self._text):
            self._text = self._text[found.end() :]
            if int(found.group(1)) != self._next:
                self._heard.wrong.append(f"token {found.group(1)} where {self._next} was due")
            self._next = int(found.group(1)) + 1
            self._heard.delays.append(now - int(found.group(2)))
        return False


async def _read(port: int, model: str, key: str, question: str, tokens: int, heard: Heard) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": question}]}).encode()
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    writer.write(
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{authorization}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    one = _Reader(heard, tokens)
    try:
        status = await reader.readline()
        if b" 200" not in status:
            heard.wrong.append((status + await asyncio.wait_for(reader.read(600), 5)).decode("utf-8", "replace"))
            return
        while line := await reader.readline():
            if one.hear(line, time.monotonic_ns()):
                return
        heard.wrong.append("the connection ended before the answer")
    finally:
        writer.close()


async def readers(port: int, model: str, key: str, streams: int, tokens: int, rate: int, spread: float = 1.0) -> Heard:
    """So many answers at once, each of so many tokens at ``rate`` a second.

    :param spread: seconds over which they begin.
    """
    heard = Heard()

    async def one(number: int) -> None:
        await asyncio.sleep(spread * number / streams)
        await _read(port, model, key, f"tokens={tokens} rate={rate}", tokens, heard)

    for done in await asyncio.gather(*map(one, range(streams)), return_exceptions=True):
        if isinstance(done, BaseException):
            heard.wrong.append(repr(done))
    return heard


def summary(heard: Heard, names: Sequence[str] = ("p50", "p99", "max")) -> str:
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    late = ", ".join(f"{name} {heard.percentile(shares[name]):.1f} ms" for name in names)
    return f"{heard.whole} answers whole, {len(heard.delays)} tokens, {late}, wrong: {heard.wrong[:3] or 'nothing'}"
