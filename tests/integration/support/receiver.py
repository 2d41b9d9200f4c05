"""A receiver of webhooks outside the hub, which fails as a test says; it checks each signature by itself."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from harness import free_port, until

SECRET = "the-secret-of-the-integration-tests"

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Told:
    id: str
    body: Any

    @property
    def text(self) -> str:
        return str(self.body["data"]["message"]["text"])


def status(code: int, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


TAKES = status(204)


def hangs(handler: BaseHTTPRequestHandler) -> None:
    """Until the other side has had enough."""
    with suppress(OSError):
        handler.connection.settimeout(30)
        handler.connection.recv(1)
    handler.close_connection = True


def is_slow(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(0.3)  # this is what is tested
    TAKES(handler)


def closes(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def closes_in_the_middle(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 O")
    closes(handler)


def says_more_than_anybody_reads(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    with suppress(OSError):
        while True:
            handler.wfile.write(b"x" * 65_536)
    handler.close_connection = True


class Receiver:
    """``plan``: how the next ones are answered; then they are taken. ``told``: all that came, ``strange``: and was not
    from the hub."""

    def __init__(self) -> None:
        self.port = free_port()
        self.plan: list[Answer] = []
        self.told: list[Told] = []
        self.taken: list[Told] = []
        self.strange: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @contextmanager
    def listening(self) -> Iterator[None]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.take(self)

            def do_GET(self) -> None:
                receiver.strange.append(f"GET {self.path}")
                TAKES(self)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        name, at = handler.headers["webhook-id"], handler.headers["webhook-timestamp"]
        digest = hmac.new(SECRET.encode(), f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
        signed = "v1," + b64encode(digest).decode()
        if handler.headers["webhook-signature"] != signed or abs(time.time() - int(at)) > 300:
            self.strange.append(f"{handler.path} {dict(handler.headers)}")
        told = Told(name, json.loads(body))
        self.told.append(told)
        answer = self.plan.pop(0) if self.plan else TAKES
        if answer in (TAKES, is_slow, says_more_than_anybody_reads):
            self.taken.append(told)
        answer(handler)

    def wait(self, *texts: str) -> None:
        """Until each has been taken."""
        until(lambda: set(texts) <= {each.text for each in self.taken}, f"{texts} to be told")
