"""python-socketio as an engine: the one module that knows it."""

from __future__ import annotations

import asyncio
import logging
import ssl as tls
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import engineio
import socketio

from newage_client import _json
from newage_client._connection import Acked, EngineEars
from newage_client._failure import Failure

AWAY = "The hub cannot be reached"
CLOSE_SECONDS = 2.0  # for the hub to hear that we go
POST_SECONDS = 20.0  # one request of long polling
FRAME_MOST = 64 * 1024 * 1024  # bytes: a page of the history is one frame
QUIET = logging.Logger("newage_client.engine", logging.CRITICAL + 1)  # it would write down what is said, keys too


@dataclass(frozen=True)
class Address:
    """Where a hub is, and how it is reached."""

    url: str
    path: str = "socket.io"
    transports: tuple[str, ...] = ("polling", "websocket")
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # they may say who one is
    ssl: tls.SSLContext | None = None

    def engine(self, ears: EngineEars) -> SocketIOEngine:
        return SocketIOEngine(self, ears)


def address(
    url: str, *, path: str, transports: Sequence[str], headers: Mapping[str, str] | None, ssl: tls.SSLContext | None
) -> Address:
    """:raises ValueError: there can be no hub at such an address."""
    if not url.startswith(("http://", "https://")):
        raise ValueError("Give the hub's address, as http://localhost:4000")
    unknown = set(transports) - {"polling", "websocket"}
    if unknown or not transports:
        raise ValueError("A transport is 'polling' or 'websocket'")
    return Address(url.rstrip("/"), path, tuple(transports), dict(headers or {}), ssl)


STRICT = type("StrictPacket", (socketio.packet.Packet,), {"json": _json})


class SocketIOEngine:
    """One `socketio.AsyncClient`, which never comes back by itself: each connection is a new one."""

    def __init__(self, address: Address, ears: EngineEars) -> None:
        self._address = address
        self._ears = ears
        connector = aiohttp.TCPConnector() if address.ssl is None else aiohttp.TCPConnector(ssl=address.ssl)
        self._http = aiohttp.ClientSession(connector=connector)
        self._client = socketio.AsyncClient(
            reconnection=False,
            handle_sigint=False,
            logger=QUIET,
            engineio_logger=QUIET,
            serializer=STRICT,
            http_session=self._http,
            request_timeout=POST_SECONDS,
            websocket_extra_options={"max_msg_size": FRAME_MOST},
        )
        # The library reads nothing more while what it calls is at work, and an answer may take as long as it takes.
        vars(self._client)["_handle_event"] = self._event
        self._client.on("connect", ears.joined, namespace="*")
        self._client.on("disconnect", self._disconnect, namespace="*")
        self._client.on("connect_error", self._no_namespace, namespace="*")
        self._watch: asyncio.Task[None] | None = None
        self._answers: set[asyncio.Task[None]] = set()

    @property
    def transport(self) -> str:
        return str(self._client.transport() or "")

    async def open(self, namespace: str, auth: dict[str, Any]) -> None:
        try:
            await self._client.connect(
                self._address.url,
                headers=dict(self._address.headers),
                auth=auth,
                transports=list(self._address.transports),
                namespaces=[namespace],
                socketio_path=self._address.path,
                wait=False,
            )
        except (socketio.exceptions.ConnectionError, aiohttp.ClientError, OSError, ValueError) as error:
            raise Failure(f"{AWAY}: {error}", code="disconnected") from error
        self._watch = asyncio.create_task(self._until_gone())

    async def join(self, namespace: str, auth: dict[str, Any]) -> None:
        # The library joins all namespaces at once, and ours are joined when they are needed.
        packet = self._client.packet_class(socketio.packet.CONNECT, data=auth, namespace=namespace)
        await self._client._send_packet(packet)

    async def emit(self, namespace: str, event: str, payload: Any, acked: Acked | None = None) -> None:
        def called(*said: Any) -> None:
            if acked is not None:
                acked(said[0] if said else None)

        with suppress(socketio.exceptions.BadNamespaceError):  # it was left meanwhile, which is told
            await self._client.emit(event, payload, namespace=namespace, callback=called if acked else None)

    async def close(self) -> None:
        engine = self._client.eio
        own = (self._watch, engine.read_loop_task, engine.write_loop_task, *self._answers)
        loops = [task for task in own if task is not None]
        if engine.state == "connected" and engine.write_loop_task is not None:
            with suppress(TimeoutError, OSError, aiohttp.ClientError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await engine.queue.join()  # what was said is on its way
                    await self._client.disconnect()
        for task in loops:
            task.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        with suppress(ValueError):  # the library keeps those that did not end by themselves
            engineio.base_client.connected_clients.remove(engine)
        await self._http.close()

    # ---- what the library tells

    async def _event(self, namespace: str | None, number: int | None, said: list[Any]) -> None:
        """:param number: of the ack, where one is wanted."""
        where = namespace or "/"
        answer = self._ears.heard(where, said[0], said[1] if len(said) > 1 else None)
        if answer is not None:
            task = asyncio.create_task(self._answer(where, number, answer))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)
        elif number is not None:
            await self._ack(where, number, [])

    async def _answer(self, namespace: str, number: int | None, answer: Awaitable[Any]) -> None:
        body = await answer
        if number is not None:
            await self._ack(namespace, number, [body])

    async def _ack(self, namespace: str, number: int, said: list[Any]) -> None:
        packet = self._client.packet_class(socketio.packet.ACK, namespace=namespace, id=number, data=said)
        await self._client._send_packet(packet)

    def _disconnect(self, namespace: str, reason: str) -> None:
        if reason == self._client.reason.SERVER_DISCONNECT:
            self._ears.left(namespace)

    def _no_namespace(self, namespace: str, *said: Any) -> None:
        words = said[0].get("message") if said and isinstance(said[0], dict) else None
        self._ears.left(namespace, str(words or AWAY))

    async def _until_gone(self) -> None:
        with suppress(Exception):  # however it ended, it ended
            await self._client.eio.wait()
        self._ears.gone("")
