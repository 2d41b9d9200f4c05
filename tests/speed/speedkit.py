"""The whole hub in this process, on real sockets and a clock that stands still: what counts of work stand on.

``Core``, the web layer and Twisted's own epoll reactor as the daemon puts them together; only time is ours, so no
timer of the hub fires while something is counted, and each turn of the reactor is one that was asked for. Between two
turns a ``Tally`` counts what Python did in them, and nothing else.
"""

from __future__ import annotations

import json
import socket
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache
from pathlib import Path
from time import monotonic
from types import CodeType, FrameType
from typing import Any

from twisted.internet.epollreactor import EPollReactor

import newage
from newage.assembly.core import make_core
from newage.assembly.life import Life
from newage.config import Config, ServerSettings
from newage.web.site import make_site

PATIENCE = 20.0  # seconds; only a failure waits so long
# One call of its own or none, as the version of Python has it (PEP 709).
_INLINED = ("<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>")
_NEWAGE = str(Path(newage.__file__).parent)
_SYSTEM = {"poll": "epoll_wait", "send": "sendto", "recv": "recvfrom", "ctl": "epoll_ctl"}


class StillReactor(EPollReactor):
    """Twisted's reactor, turned by hand."""

    time = 1000.0

    def seconds(self) -> float:
        return self.time

    def until(self, done: Callable[[], object], *, step: float = 0.0) -> None:
        """Turn until it is so.

        :param step: how much time passes with each turn.
        """
        end = monotonic() + PATIENCE
        while not done():
            assert monotonic() < end, "it never came to that"
            self.iterate(0.001)
            self.time += step

    def rest(self, seconds: float) -> None:
        """Let that time pass."""
        end = self.time + seconds
        self.until(lambda: self.time >= end, step=0.05)

    def dispose(self) -> None:
        self.removeAll()
        self._poller.close()
        self.waker.connectionLost(None)


class Tally:
    """Counts what is called between ``with`` and its end; in this thread only.

    Ours are calls that newage's code makes or that run it: what Twisted does within one of its own is no matter of
    ours, and changes with its version.
    """

    def __init__(self) -> None:
        self._calls: Counter[tuple[bool, CodeType]] = Counter()
        self.c: Counter[str] = Counter()  # functions in C that newage's code calls
        self.system: Counter[str] = Counter()  # what asks the kernel, by the name of the system call

    def __enter__(self) -> Tally:
        self._before = sys.getprofile()
        sys.setprofile(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)

    def _event(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "call":
            back = frame.f_back
            self._calls[_is_ours(frame.f_code) or (back is not None and _is_ours(back.f_code)), frame.f_code] += 1
        elif event == "c_call":
            if arg.__name__ in _SYSTEM:
                self.system[_SYSTEM[arg.__name__]] += 1
            if _is_ours(frame.f_code):
                self.c[arg.__name__] += 1

    def python(self, *, ours: bool = False) -> Counter[str]:
        """Functions in Python by module and name."""
        found: Counter[str] = Counter()
        for (own, code), count in self._calls.items():
            if (own or not ours) and code.co_name not in _INLINED and code.co_filename != __file__:
                found[f"{Path(code.co_filename).stem}.{code.co_qualname}"] += count
        return found


@cache
def _is_ours(code: CodeType) -> bool:
    return code.co_filename.startswith(_NEWAGE)


_UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Client:
    """One Socket.IO client over WebSocket, as bytes: blocking, and outside of what is counted."""

    def __init__(self, port: int, reactor: StillReactor) -> None:
        self._tcp = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reactor = reactor
        self._buffer = b""
        self.received = 0  # bytes, frames and all
        self._tcp.sendall(_UPGRADE.replace(b"PORT", b"%d" % port))
        self._turn_until(lambda: b"\r\n\r\n" in self._buffer)
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101"), head
        self.next()

    def join(self, namespace: str, **auth: Any) -> Client:
        self.say(f"40{namespace},{json.dumps(auth)}")
        assert self.next().startswith(f"40{namespace},".encode())
        return self

    def say(self, packet: str) -> None:
        self.send(frame(packet))

    def send(self, data: bytes) -> None:
        self._tcp.sendall(data)

    def next(self) -> bytes:
        """The next packet; the reactor turns until it is there."""
        found: list[bytes] = []

        def one() -> bool:
            found.extend(self._frames(1))
            return bool(found)

        self._turn_until(one)
        return found[0]

    def event(self, name: str) -> list[Any]:
        """The arguments of the next event of that name; others are skipped."""
        while True:
            packet = self.next()
            start = packet.find(b"[")
            if packet.startswith(b"42") and (args := json.loads(packet[start:]))[0] == name:
                return list(args[1:])

    def ready(self, count: int) -> list[bytes]:
        """So many packets that the hub has already sent."""
        found = self._frames(count)
        while len(found) < count:
            self._receive()
            found += self._frames(count - len(found))
        return found

    def drain(self) -> None:
        """Take and forget what has come."""
        with suppress(BlockingIOError):
            while True:
                self._look()
        self._buffer = b""

    def close(self) -> None:
        self._tcp.close()

    def _receive(self) -> None:
        data = self._tcp.recv(65536)
        assert data, "the hub hung up"
        self.received += len(data)
        self._buffer += data

    def _look(self) -> None:
        """:raises BlockingIOError: there is nothing."""
        self._tcp.setblocking(False)
        try:
            self._receive()
        finally:
            self._tcp.settimeout(PATIENCE)

    def _turn_until(self, done: Callable[[], object]) -> None:
        def look() -> object:
            with suppress(BlockingIOError):
                self._look()
            return done()

        if not done():
            self._reactor.until(look)

    def _frames(self, most: int) -> list[bytes]:
        found: list[bytes] = []
        buffer = self._buffer
        while len(found) < most and len(buffer) >= 2:
            size, start = buffer[1], 2
            if size == 126:
                size, start = int.from_bytes(buffer[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(buffer[2:10], "big"), 10
            if len(buffer) < start + size:
                break
            found.append(buffer[start : start + size])
            buffer = buffer[start + size :]
        self._buffer = buffer
        return found


def frame(packet: str) -> bytes:
    """One masked text frame."""
    data, mask = packet.encode(), b"\x11\x22\x33\x44"
    size = len(data)
    head = bytes((0x81, 0x80 | size)) if size < 126 else bytes((0x81, 0x80 | 126)) + size.to_bytes(2, "big")
    assert size < 65_536
    return head + mask + bytes(byte ^ mask[at & 3] for at, byte in enumerate(data))


class House:
    """A site that listens, and clients of it. ``close`` ends what serves first."""

    def __init__(self, make_site: Callable[[StillReactor], Any]) -> None:
        self.reactor = StillReactor()
        self._port: Any = self.reactor.listenTCP(0, make_site(self.reactor), interface="127.0.0.1")
        self._clients: list[Client] = []

    def client(self) -> Client:
        client = Client(self._port.getHost().port, self.reactor)
        self._clients.append(client)
        return client

    def exchange(self, client: Client, data: bytes, tally: AbstractContextManager[Any]) -> None:
        """Send it, and let the hub do the two turns that it takes: read, then write."""
        client.send(data)
        with tally:
            self.reactor.iterate(PATIENCE)
            self.reactor.iterate(0)

    def close(self) -> None:
        self._port.stopListening()
        for client in self._clients:
            client.close()
        self.reactor.dispose()


class HubHouse(House):
    """The daemon's hub with all that belongs to it but its home."""

    def __init__(self, home: Path) -> None:
        config = Config(server=ServerSettings(home=str(home), ephemeral=True))

        def site(reactor: StillReactor) -> Any:
            self.core = make_core(config, reactor, set_debug=lambda on: None, log_folder=None, port=lambda: 0)
            self._life = Life(self.core, reactor)
            self._life.startService()
            return make_site(config.web, self.core.engines, reactor)

        super().__init__(site)

    def close(self) -> None:
        ended: list[object] = []
        self._life.stopService().addBoth(ended.append)
        self.reactor.until(lambda: ended, step=0.05)
        assert ended == [None]
        super().close()


class Stream:
    """One answer on its way from an extension to so many sockets of one person.

    :param mode: the form that they declare, ``plain`` or ``ss``; ``outputs``: they follow outputs; empty for none, as
        the published clients.
    :param text: of one token.
    """

    def __init__(self, house: HubHouse, receivers: int = 1, *, mode: str = "plain", text: str = "x" * 60) -> None:
        self.house = house
        self._text, self._sent = text, 0
        self.extension = house.client().join("/llm", clientId="SillyTavern-1", clientType="SillyTavern")
        declared = {"outputs": True} if mode == "outputs" else {"streamMode": mode} if mode else {}
        person = {"clientId": "ann", "clientType": "web-app", **declared}
        self.receivers = [house.client().join("/llm", **person) for _ in range(receivers)]
        question = {"requestId": "r-1", "target": "SillyTavern-1", "message": "go", "role": "master"}
        self.receivers[0].say(event("LLM_REQUEST", {**question, "isStreaming": True}))
        self.extension.event("LLM_REQUEST")
        self._ids = {"outputId": "out-1", "requestId": "r-1", "target": "server"}
        self.extension.say(event("CLIENT_STREAM_START", {"type": 1, "streamId": "st-1", **self._ids}))
        house.reactor.until(lambda: house.core.talk.streams.open_outputs)
        self._opened = self.receivers[0].event("$stream")[1]["$stream"] if mode == "ss" else ""
        self._reads = b""
        house.reactor.rest(1.0)  # who declared nothing has been probed
        for receiver in self.receivers:
            receiver.drain()

    def tokens(self, count: int, tally: AbstractContextManager[Any], *, events: int = 1) -> None:
        """So many that arrive together, each so many events to every receiver."""
        self.house.exchange(self.extension, b"".join(self._chunk() for _ in range(count)), tally)
        self.deliver(count * events)

    def token_to_the_library(self, tally: AbstractContextManager[Any]) -> None:
        """One token to a reader of ``$stream``, which acknowledges it and asks for the next one."""
        (reader,) = self.receivers
        if not self._reads:
            self._reads = frame(event("$stream-read", self._opened))
            self.house.exchange(reader, self._reads, nullcontext())
        self.house.exchange(self.extension, self._chunk(), tally)
        head, chunk = reader.ready(2)
        assert b'"$stream-write"' in head, head
        assert chunk == self._text.encode()
        ack = head[head.index(b",") + 1 : head.index(b"[")].decode()
        self.house.exchange(reader, frame(f"43/llm,{ack}[null]") + self._reads, tally)

    def deliver(self, events: int) -> None:
        """So many are at every receiver."""
        for receiver in self.receivers:
            for packet in receiver.ready(events):
                assert packet.startswith((b'42/llm,["SERVER_STREAM_DATA",', b'42/llm,["streamed_data",')), packet

    def token_of_the_reference(self, tally: AbstractContextManager[Any]) -> None:
        """One token as the reference extension sends it: a stream of its own in five parts, which names no request."""
        ids = {"streamId": f"st-{self._sent + 2}", "outputId": self._ids["outputId"], "target": "server"}
        self._sent += 1
        packets = [event("CLIENT_STREAM_START", {"type": 1, "numStreams": 5, **ids})]
        for index, part in enumerate(("MIDDLE", "MIDDLE", "MIDDLE", "MIDDLE", "LAST")):
            body = {"type": 5, "chunkIndex": index, "data": self._text, **ids}
            packets.append(event(f"CLIENT_STREAM_DATA_{part}", body))
        packets.append(event("CLIENT_STREAM_END", {"type": 3, **ids}))
        self.house.exchange(self.extension, b"".join(map(frame, packets)), tally)
        self.deliver(5)

    def _chunk(self) -> bytes:
        body = {"type": 5, "streamId": "st-1", **self._ids, "chunkIndex": self._sent, "data": self._text}
        self._sent += 1
        return frame(event("CLIENT_STREAM_DATA_MIDDLE", body))


def event(name: str, *args: Any, ack: int | None = None, namespace: str = "/llm") -> str:
    """One EVENT packet."""
    prefix = "" if namespace == "/" else f"{namespace},"
    return f"42{prefix}{'' if ack is None else ack}{json.dumps([name, *args])}"
