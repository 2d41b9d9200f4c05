"""A WebSocket client on a bare TCP socket: for tests that must break the rules or look at frames."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from types import TracebackType

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class HungUpError(Exception):
    """The server closed the connection."""


class RawWebSocket:
    """Opens an Engine.IO WebSocket; frames go out exactly as told.

    :raises HungUpError: the server does not switch protocols; the message begins with its status line.
    """

    def __init__(
        self,
        port: int,
        query: str = "EIO=4&transport=websocket",
        timeout: float = 15.0,
        path: str = "/socket.io/",
    ) -> None:
        self._tcp = socket.create_connection(("127.0.0.1", port), timeout)
        self._buffer = b""
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        self._tcp.sendall(
            f"GET {path}?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = self._until(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            self._tcp.close()
            raise HungUpError(head.decode("latin-1"))

    def __enter__(self) -> RawWebSocket:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._tcp.close()

    def send(self, payload: bytes | str, opcode: int | None = None, *, first_byte: int | None = None) -> None:
        """One masked frame. ``first_byte`` replaces FIN, reserved bits and opcode."""
        data = payload.encode() if isinstance(payload, str) else payload
        code = opcode if opcode is not None else (TEXT if isinstance(payload, str) else BINARY)
        mask = os.urandom(4)
        length = len(data)
        head = struct.pack("!B", first_byte if first_byte is not None else 0x80 | code)
        if length < 126:
            head += struct.pack("!B", 0x80 | length)
        elif length < 65536:
            head += struct.pack("!BH", 0x80 | 126, length)
        else:
            head += struct.pack("!BQ", 0x80 | 127, length)
        repeated = (mask * (length // 4 + 1))[:length]
        masked = (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(length, "big")
        self.send_raw(head + mask + masked)

    def send_raw(self, data: bytes) -> None:
        """Bytes as they are. A connection that is already closed is no error: a fuzzer's peer may hang up."""
        with contextlib.suppress(ConnectionError):
            self._tcp.sendall(data)

    def receive(self) -> tuple[int, bytes]:
        """The next frame: opcode and payload. :raises HungUpError: the connection is closed."""
        first, second = self._exactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._exactly(8))
        return first & 0x0F, self._exactly(length)

    def receive_text(self) -> str:
        """The next text frame; others are skipped. :raises HungUpError: on a close frame or end of stream."""
        while True:
            opcode, payload = self.receive()
            if opcode == TEXT:
                return payload.decode()
            if opcode == CLOSE:
                raise HungUpError(payload)

    def drain(self) -> None:
        """Read until the server closes. :raises TimeoutError: it does not."""
        with contextlib.suppress(HungUpError, ConnectionError):
            while self.receive()[0] != CLOSE:
                pass

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._more()
        head, self._buffer = self._buffer.split(mark, 1)
        return head

    def _exactly(self, number: int) -> bytes:
        while len(self._buffer) < number:
            self._more()
        data, self._buffer = self._buffer[:number], self._buffer[number:]
        return data

    def _more(self) -> None:
        try:
            data = self._tcp.recv(65536)
        except ConnectionError as error:
            raise HungUpError(str(error)) from error
        if not data:
            raise HungUpError("end of stream")
        self._buffer += data
