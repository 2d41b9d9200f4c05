"""A line with faults: a TCP proxy before a server of this machine, for clients that know nothing of it.

It is an asyncio loop in a thread of its own; every method may be called from a test and has happened when it returns.
What a test can do to the line: make it late, slow or give its bytes in slices (``Line``), reset it, lose it for a while
(``cut`` ... ``heal``), forget one side of it (``half_open``), swallow everything (``black_hole`` ... ``heal``).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing sends RST
PIECE = 65_536
WAITING_BYTES = 1 << 20  # in each direction: beyond them the proxy stops reading, as a full line does
PATIENCE = 30.0  # seconds


@dataclass(frozen=True)
class Line:
    """How bytes pass, each way.

    :param latency: seconds that everything is late.
    :param bytes_per_second: None: as many as there are; so many tenths of it pass ten times a second.
    :param slice_bytes: never more in one segment; None: as they come.
    """

    latency: float = 0.0
    bytes_per_second: int | None = None
    slice_bytes: int | None = None


class _Way:
    """One direction of a connection: what was read waits until it is due, then passes in pieces."""

    def __init__(self, proxy: FaultProxy, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._source = source
        self._sink = sink
        self._late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING_BYTES // PIECE)
        self._forgotten = False

    def forget(self) -> None:
        """What comes from now on is read and thrown away."""
        self._forgotten = True

    async def read(self) -> None:
        loop = asyncio.get_running_loop()
        data = b"begin"
        while data:
            try:
                data = await self._source.read(PIECE)
            except OSError:
                data = b""
            if not self._forgotten:
                await self._late.put((loop.time() + self._proxy.line.latency, data))

    async def write(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while True:
                due, data = await self._late.get()
                await asyncio.sleep(due - loop.time())  # the delay of the line
                await self._proxy.passing.wait()
                if not data:
                    self._sink.write_eof()
                    return
                await self._pass(data)

    async def _pass(self, data: bytes) -> None:
        while data:
            line = self._proxy.line
            size = line.slice_bytes or len(data)
            if line.bytes_per_second is not None:
                size = min(size, max(1, line.bytes_per_second // 10))
            piece, data = data[:size], data[size:]
            if line.bytes_per_second is not None:
                await asyncio.sleep(len(piece) / line.bytes_per_second)  # the rate of the line
            await self._proxy.passing.wait()
            self._sink.write(piece)
            await self._sink.drain()
            await asyncio.sleep(0)  # a turn of the loop between two segments


class _Pair:
    """A client's connection and ours to the server."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter, ways: tuple[_Way, _Way]) -> None:
        self.near = near
        self.far = far
        self.ways = ways


def _reset(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


class FaultProxy:
    """Stands before ``port``; listens while entered."""

    def __init__(self, port: int, line: Line | None = None) -> None:
        self.line = line or Line()
        self.connections = 0  # accepted so far
        self.port = 0
        self._target = port
        self._refusing = False
        self._resets = 0  # a connection that is being made belongs to those before it
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.passing = asyncio.Event()
        self.passing.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop
        ).result(PATIENCE)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._do(self._server.close)
        self._do(self._reset_all)
        asyncio.run_coroutine_threadsafe(self._end_tasks(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self._loop.close()

    # what a test does to the line

    def change(self, line: Line) -> None:
        """From the next piece on."""
        self.line = line

    def aim(self, port: int) -> None:
        """At another server; whoever is connected comes again, to that one."""
        self._target = port
        self.reset()

    def reset(self) -> None:
        """Every connection ends with RST on both sides; new ones are welcome."""
        self._do(self._reset_all)

    def cut(self) -> None:
        """The same, and nobody gets through until ``heal``."""
        self._refusing = True
        self.reset()

    def half_open(self) -> None:
        """The clients lose their connections, the server is not told: its side stays open, silent, for ever."""
        self._do(self._forget_near)

    def black_hole(self) -> None:
        """Nothing passes and nothing is said, on old connections and new ones, until ``heal``."""
        self._do(self.passing.clear)

    def heal(self) -> None:
        """People get through again; what a black hole held arrives now, as TCP sends it once more."""
        self._refusing = False
        self._do(self.passing.set)

    # in the thread

    def _do(self, work: Callable[[], object]) -> None:
        done = threading.Event()

        def run() -> None:
            work()
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(PATIENCE)

    def _reset_all(self) -> None:
        self._resets += 1
        for pair in self._pairs:
            _reset(pair.near)
            _reset(pair.far)
        self._pairs.clear()

    def _forget_near(self) -> None:
        for pair in self._pairs:
            for way in pair.ways:
                way.forget()
            _reset(pair.near)

    async def _accept(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._refusing:
            _reset(near)
            return
        resets = self._resets
        try:
            far_reader, far = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:  # the server is away
            _reset(near)
            return
        if self._resets != resets:  # since a moment ago
            _reset(near)
            _reset(far)
            return
        ways = _Way(self, reader, far), _Way(self, far_reader, near)
        pair = _Pair(near, far, ways)
        self._pairs.add(pair)
        tasks = [asyncio.create_task(work()) for way in ways for work in (way.read, way.write)]
        self._tasks.update(tasks)
        for task in tasks:
            task.add_done_callback(self._tasks.discard)
        writing = [tasks[1], tasks[3]]
        with contextlib.suppress(asyncio.CancelledError):  # the end of the test
            await asyncio.wait(writing)
        for writer in (near, far):
            writer.close()
        self._pairs.discard(pair)

    async def _end_tasks(self) -> None:
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
