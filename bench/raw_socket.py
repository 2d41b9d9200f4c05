"""The least of a Socket.IO client: one WebSocket over asyncio, as light as Python allows, for measuring others."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Self

_TEXT, _CLOSE = 0x1, 0x8
_PING, _PONG = "2", "3"  # Engine.IO


class Closed(Exception):
    """The hub ended the connection."""


class RawSocket:
    """Sends and receives Engine.IO packets as text; pings are answered while somebody receives."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int, address: str = "") -> Self:
        """:param address: from where a proxy would say that this comes; empty: no proxy.

        :raises Closed: no WebSocket was given.
        """
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            forwarded = f"X-Forwarded-For: {address}\r\n" if address else ""
            writer.write(
                f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                f"Sec-WebSocket-Version: 13\r\n{forwarded}\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Closed from error
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            raise Closed(head.decode("latin-1"))
        return cls(reader, writer)

    def send(self, packet: str) -> None:
        payload = packet.encode()
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2)
        # A mask of zeros leaves the payload as it is.
        self._writer.write(bytes([0x80 | _TEXT]) + length + bytes(4) + payload)

    def emit(self, namespace: str, event: str, body: Any, ack: int | None = None) -> None:
        self.send(f"42{namespace},{'' if ack is None else ack}{json.dumps([event, body])}")

    async def receive(self) -> str:
        """:raises Closed: nothing more comes."""
        while True:
            try:
                opcode, size = await self._reader.readexactly(2)
                if size == 126:
                    size = int.from_bytes(await self._reader.readexactly(2))
                elif size == 127:
                    size = int.from_bytes(await self._reader.readexactly(8))
                payload = await self._reader.readexactly(size)
            except (OSError, asyncio.IncompleteReadError) as error:
                raise Closed from error
            if opcode & 0xF == _CLOSE:
                raise Closed
            packet = payload.decode()
            if packet == _PING:
                self.send(_PONG)
            else:
                return packet

    def close(self) -> None:
        self._writer.transport.abort()


async def log_in(port: int, namespace: str, auth: dict[str, Any], address: str = "") -> tuple[RawSocket, str, float]:
    """Connect and show what ``auth`` holds.

    :return: the socket, why it was refused (empty, if it was not), and seconds until the answer to CONNECT, which the
        hub gives when it has decided.
    :raises Closed: without an answer.
    """
    begin = decided = time.monotonic()
    socket = await RawSocket.open(port, address)
    socket.send(f"40{namespace},{json.dumps(auth)}")
    while True:
        packet = await socket.receive()
        if packet.startswith(f"40{namespace},"):  # comes before a refusal, too (contract 2.5)
            decided = time.monotonic()
            socket.emit(namespace, "GET_ASSIGNMENTS_FOR_ROOM", {}, ack=0)
        elif packet.startswith(f'42{namespace},["ERROR"'):
            return socket, str(json.loads(packet[packet.index("[") :])[1].get("message")), decided - begin
        elif packet.startswith((f"43{namespace},0", f'42{namespace},["CLIENT_KEY_ASSIGNED"')):
            return socket, "", decided - begin
