"""A model server that says the time: each token is ``<number>:<monotonic nanoseconds> ``, at a steady pace.

``python stand_in_model.py PORT``. It speaks enough of ``POST /v1/chat/completions`` (streamed) and ``GET /v1/models``
for hubs and proxies. The question says how much is wanted: ``tokens=3000 rate=50`` in its last message.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator

MODEL = "stand-in"
_ASKED = re.compile(rb"tokens=(\d+) rate=(\d+)")
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n"
    b"Connection: close\r\n\r\n"
)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": MODEL, "choices": [choice]}
    return _chunk(b"data: " + json.dumps(body).encode() + b"\n\n")


class Asked(asyncio.Protocol):
    """One connection, one answer. ``open_answers`` of the class counts those under way: 0 when all are over."""

    open_answers = 0

    def __init__(self) -> None:
        self._heard = b""
        self._timer: asyncio.TimerHandle | None = None
        self._answering = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, found, body = self._heard.partition(b"\r\n\r\n")
        if not found or self._answering:
            return
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if length and len(body) < int(length.group(1)):
            return
        self._answering = True
        if head.startswith(b"GET"):
            about = {"object": "list", "data": [{"id": MODEL, "object": "model"}], "open_answers": Asked.open_answers}
            text = json.dumps(about).encode()
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(text) + text
            )
            self._transport.close()
            return
        Asked.open_answers += 1
        asked = _ASKED.findall(body)
        tokens, rate = map(int, asked[-1]) if asked else (20, 50)
        self._transport.write(_HEAD + _event({"role": "assistant", "content": ""}))
        self._say(iter(range(tokens)), 1 / rate, self._loop.time() + 1 / rate)

    def _say(self, numbers: Iterator[int], pause: float, due: float) -> None:
        number = next(numbers, None)
        if number is None:
            self._transport.write(_event({}, "stop") + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
            self._transport.close()
            return
        self._transport.write(_event({"content": f"{number}:{time.monotonic_ns()} "}))
        self._timer = self._loop.call_at(due, self._say, numbers, pause, due + pause)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._answering and not self._heard.startswith(b"GET"):
            Asked.open_answers -= 1


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Asked, "127.0.0.1", port, backlog=1024)
    print("listening", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
