"""A model server whose answers a test writes: OpenAI's API, with all that can go wrong, and a record of every prompt.

``FakeModel`` listens on a port of this machine, a thread for each request. ``answers(Script(...))`` says how; what was
asked is in ``requests``, with whether the asker hung up (the slot is idle then).
"""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

PATIENCE = 60.0  # seconds
MODEL = "fake"
FOR_EVER = 3600.0  # seconds


@dataclass(frozen=True)
class Script:
    """How one request is answered.

    :param tokens: the text, a frame each; ``reasoning`` comes before it, as ``reasoning_content``.
    :param first_after: seconds before the first frame; ``gap`` seconds between frames.
    :param held_after: after so many tokens nothing comes until ``FakeModel.release()``.
    :param status: not 200: no stream, but this status with an error as OpenAI words it.
    :param then: how the stream ends: as it should, without saying that it is the end, with an error frame, cut off, or
        never.
    :param error: the body of a status that is not 200. :param headers: of that, or of ``raw``.
    :param raw: a body of 200 that is sent as it is.
    """

    tokens: Sequence[str] = ("Hello ", "from ", "the ", "model.")
    reasoning: Sequence[str] = ()
    first_after: float = 0.0
    gap: float = 0.0
    held_after: int | None = None
    status: int = 200
    then: Literal["done", "undone", "error", "cut", "silence"] = "done"
    error: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None

    @property
    def text(self) -> str:
        return "".join(self.tokens)


@dataclass(eq=False)
class Asked:
    """A request that came in."""

    path: str
    headers: dict[str, str]
    raw: str
    sent: int = 0  # tokens that left
    state: Literal["open", "done", "gone"] = "open"  # gone: the asker hung up before the end
    ended: float = 0.0  # monotonic seconds
    released: bool = False
    over: bool = False  # the test is: whatever is left ends
    told: Script | None = None  # after ``first_after`` it is answered like this
    body: Any = field(init=False)

    def __post_init__(self) -> None:
        self.body = json.loads(self.raw or "null")

    @property
    def words(self) -> str:
        """The prompt as one text, whatever API it came by."""
        messages = self.body.get("messages") or [{"content": self.body.get("prompt", "")}]
        return "\n".join(_text(message.get("content")) for message in messages)


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return str(content)


class _HungUpError(Exception):
    """The asker is gone, or the test over."""


class FakeModel:
    """Listens from its making until ``close``."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._requests: list[Asked] = []
        self._rules: list[tuple[Callable[[Asked], bool], list[Script]]] = []
        model = self

        class Handler(_Handler):
            fake = model

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The base that clients of OpenAI's API are given."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def answers(self, *scripts: Script, to: str | Callable[[Asked], bool] = "") -> None:
        """Requests whose prompt holds ``to``, or for which it is true, get these scripts in order, the last for ever.
        The newest rule wins."""
        with self._changed:
            self._rules.insert(0, ((lambda asked: to in asked.words) if isinstance(to, str) else to, list(scripts)))

    def tell(self, asked: Asked, script: Script) -> None:
        """One that waits for its first token is answered like this."""
        self.note(asked, told=script, released=True)

    def release(self) -> None:
        """Whatever is held, or going to be, goes on."""
        self._tell(released=True)

    def reset(self) -> None:
        """Forget rules and requests; those that still go on end."""
        self._tell(over=True)
        with self._changed:
            self._rules.clear()
            self._requests = []

    def _tell(self, **changes: bool) -> None:
        with self._changed:
            for asked in self._requests:
                for name, value in changes.items():
                    setattr(asked, name, value)
            self._changed.notify_all()

    @property
    def requests(self) -> list[Asked]:
        with self._changed:
            return list(self._requests)

    @property
    def busy(self) -> int:
        """Requests that are being answered."""
        return sum(asked.state == "open" for asked in self.requests)

    def wait(self, wanted: Callable[[list[Asked]], Any], what: str, timeout: float = PATIENCE) -> Any:
        """The first true value of ``wanted(requests)``."""
        end = time.monotonic() + timeout
        with self._changed:
            while not (found := wanted(self._requests)):
                left = end - time.monotonic()
                assert left > 0, f"the model waited {timeout} s in vain for {what}: {self._requests}"
                self._changed.wait(left)
        return found

    def wait_asked(self, count: int = 1, timeout: float = PATIENCE) -> Asked:
        """The ``count``-th request."""
        found: Asked = self.wait(lambda all_: len(all_) >= count and all_[count - 1], f"request {count}", timeout)
        return found

    def wait_idle(self, timeout: float = PATIENCE) -> None:
        self.wait(lambda all_: all(asked.state != "open" for asked in all_), "being idle", timeout)

    def close(self) -> None:
        self.reset()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    # for the handlers

    def take(self, asked: Asked) -> Script:
        with self._changed:
            self._requests.append(asked)
            self._changed.notify_all()
            for applies, scripts in self._rules:
                if applies(asked):
                    return scripts.pop(0) if len(scripts) > 1 else scripts[0]
            return Script()

    def note(self, asked: Asked, **changes: Any) -> None:
        with self._changed:
            for name, value in changes.items():
                setattr(asked, name, value)
            self._changed.notify_all()


def _pause(asked: Asked, connection: socket.socket, seconds: float) -> None:
    """Let time pass, or be released; hear meanwhile when the asker hangs up.

    :raises _HungUpError: it did, or the test is over.
    """
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not asked.released:
        if asked.over:
            raise _HungUpError
        # the pace of the script, not a wait for an event
        readable, _, _ = select.select([connection], [], [], min(0.02, left))
        if readable and not connection.recv(1, socket.MSG_PEEK):
            raise _HungUpError


class _Handler(BaseHTTPRequestHandler):
    fake: FakeModel
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """No line on the terminal."""

    def do_GET(self) -> None:
        self._json(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        asked = Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, raw)
        script = self.fake.take(asked)
        try:
            self._answer(asked, script)
            self.fake.note(asked, state="done", ended=time.monotonic())
        except (OSError, _HungUpError):
            self.fake.note(asked, state="gone", ended=time.monotonic())
            self.close_connection = True

    def _answer(self, asked: Asked, script: Script) -> None:
        def pause(seconds: float) -> None:
            _pause(asked, self.connection, seconds)

        pause(script.first_after)
        if asked.told is not None:
            script = asked.told
            self.fake.note(asked, released=False)
        if script.status != 200:
            refused = script.error or {"error": {"message": f"Refused with {script.status}", "type": "refused"}}
            self._whole(script.status, json.dumps(refused).encode(), script.headers)
            return
        if script.raw is not None:
            self._whole(200, script.raw, script.headers)
            return
        chat = "chat" in self.path
        if not asked.body.get("stream"):
            message = {"role": "assistant", "content": script.text, "reasoning_content": "".join(script.reasoning)}
            choice = {"message": message} if chat else {"text": script.text}
            self._json(200, {"choices": [{"index": 0, "finish_reason": "stop", **choice}]})
            return
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        for thought in script.reasoning:
            self._frame({"choices": [{"index": 0, "delta": {"reasoning_content": thought}}]})
            pause(script.gap)
        for number, token in enumerate(script.tokens):
            if number == script.held_after:
                pause(FOR_EVER)
            elif number:
                pause(script.gap)
            self._frame({"choices": [{"index": 0, **({"delta": {"content": token}} if chat else {"text": token})}]})
            self.fake.note(asked, sent=number + 1)
        if script.then == "silence":
            pause(FOR_EVER)
        elif script.then == "error":
            self._frame({"error": {"message": "The model broke", "type": "server_error"}})
        elif script.then == "done":
            self._frame(
                {"choices": [{"index": 0, "finish_reason": "stop", **({"delta": {}} if chat else {"text": ""})}]}
            )
            if (asked.body.get("stream_options") or {}).get("include_usage"):
                usage = {"prompt_tokens": len(asked.words) // 4 + 1, "completion_tokens": len(script.tokens)}
                self._frame({"choices": [], "usage": usage})
            self._chunk(b"data: [DONE]\n\n")
        if script.then != "cut":
            self._chunk(b"")  # the end of the body; without it the asker's library says that it was cut

    def _frame(self, value: object) -> None:
        self._chunk(b"data: " + json.dumps(value).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _json(self, status: int, value: object) -> None:
        self._whole(status, json.dumps(value).encode(), {})

    def _whole(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | dict(headers)).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
