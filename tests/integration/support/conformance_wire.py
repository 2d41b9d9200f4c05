"""Raw clients of the conformance server: one wire over WebSocket, one over polling, the same to a test.

``receive`` answers heartbeats by itself and hands on everything else; text is ``str`` with its type character, binary
is ``bytes``. Nothing sleeps: a wait is a blocking read with a timeout that only failures reach.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rawsocket import BINARY, CLOSE, PING, TEXT, HungUpError, RawWebSocket

SERVER = Path(__file__).parent.parent / "conformance_server.py"
PATIENCE = 15.0  # seconds
SEPARATOR = "\x1e"


class ServerProcess:
    """The conformance server on a free port. ``stop`` checks that it logged no failure."""

    def __init__(self, *options: str) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - a pipe that nobody reads would fill up
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER), "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.search(r"listening on (\d+)", line)
        assert found, line
        self.port = int(found[1])

    def stop(self) -> None:
        assert self._process.poll() is None, "the server died"
        self._process.terminate()
        self._process.communicate(timeout=PATIENCE)
        with self._errors as file:
            file.seek(0)
            errors = file.read()
        assert errors == ""


class Http:
    """Single HTTP requests, each on a connection of its own."""

    def __init__(self, port: int, path: str) -> None:
        self.port = port
        self.path = path

    def request(
        self, method: str, query: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, Any]:
        """Status, body, headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, f"{self.path}?{query}", body, headers or {})
            response = connection.getresponse()
            return response.status, response.read(), response.headers
        finally:
            connection.close()

    def get(self, sid: str) -> tuple[int, bytes]:
        return self.request("GET", f"EIO=4&transport=polling&sid={sid}")[:2]

    def post(self, sid: str, body: str | bytes) -> tuple[int, bytes]:
        data = body.encode() if isinstance(body, str) else body
        headers = {"Content-Type": "text/plain;charset=UTF-8"}
        return self.request("POST", f"EIO=4&transport=polling&sid={sid}", data, headers)[:2]

    def park(self, sid: str) -> http.client.HTTPConnection:
        """Send a GET and do not read its answer yet."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("GET", f"{self.path}?EIO=4&transport=polling&sid={sid}")
        return connection

    def open(self) -> dict[str, Any]:
        """The payload of a new polling session's OPEN packet."""
        status, body, _ = self.request("GET", "EIO=4&transport=polling")
        assert (status, body[:1]) == (200, b"0"), body
        opened: dict[str, Any] = json.loads(body[1:])
        return opened

    def websocket(self, sid: str = "", query: str = "EIO=4&transport=websocket") -> RawWebSocket:
        return RawWebSocket(self.port, f"{query}&sid={sid}" if sid else query, PATIENCE, self.path)

    def get_until_closed(self, sid: str) -> int:
        """GET until the session is gone; the heartbeat bounds how often. :return: the last status."""
        end = time.monotonic() + PATIENCE
        status = 200
        while status == 200 and time.monotonic() < end:
            status, _ = self.get(sid)
        return status


class WebSocketWire:
    """A session over WebSocket."""

    name = "websocket"

    def __init__(self, http_side: Http) -> None:
        self._socket = http_side.websocket()
        self.opened = json.loads(self._socket.receive_text()[1:])

    def send(self, packet: str | bytes) -> None:
        self._socket.send(packet)

    def receive(self) -> str | bytes:
        """:raises HungUpError: the session is closed."""
        while True:
            opcode, payload = self._socket.receive()
            if opcode == TEXT and payload == b"2":
                self._socket.send("3")
            elif opcode == TEXT:
                return payload.decode()
            elif opcode == BINARY:
                return payload
            elif opcode == CLOSE:
                raise HungUpError("closed")
            else:
                assert opcode == PING

    def receive_text(self) -> str:
        """The next packet, which has to be text."""
        packet = self.receive()
        assert isinstance(packet, str)
        return packet

    def close(self) -> None:
        self._socket.close()


class PollingWire:
    """A session over HTTP long-polling."""

    name = "polling"

    def __init__(self, http_side: Http) -> None:
        self._http = http_side
        self.opened = http_side.open()
        self.sid = self.opened["sid"]
        self._queue: deque[str] = deque()

    def send(self, packet: str | bytes) -> None:
        text = packet if isinstance(packet, str) else "b" + base64.b64encode(packet).decode()
        with contextlib.suppress(ConnectionError, http.client.BadStatusLine):
            self._http.post(self.sid, text)

    def receive(self) -> str | bytes:
        """:raises HungUpError: the session is closed."""
        while True:
            if not self._queue:
                status, body = self._http.get(self.sid)
                if status != 200:
                    raise HungUpError(body)
                self._queue.extend(body.decode().split(SEPARATOR))
            packet = self._queue.popleft()
            if packet == "2":
                self.send("3")
            elif packet == "1":
                raise HungUpError("closed")
            elif packet.startswith("b"):
                return base64.b64decode(packet[1:])
            elif packet != "6":
                return packet

    def receive_text(self) -> str:
        """The next packet, which has to be text."""
        packet = self.receive()
        assert isinstance(packet, str)
        return packet

    def close(self) -> None:
        self.send("1")


# Heartbeats that do not come between what a test sends on a busy machine, and those that come soon but have time.
CALM = ("--ping-interval-seconds", "25", "--ping-timeout-seconds", "20")
LIVELY = ("--ping-interval-seconds", "0.3", "--ping-timeout-seconds", "2", "--connect-timeout-seconds", "20")


def serve(*options: str) -> Iterator[ServerProcess]:
    """The body of a module fixture."""
    server = ServerProcess(*options)
    yield server
    server.stop()
