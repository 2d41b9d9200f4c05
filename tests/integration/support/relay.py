"""A TCP relay that brings everything later, or slowly: a server far away, for clients that know nothing of it."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType


class Relay:
    """Forwards connections to a port of this machine; each direction is ``seconds`` late. Listens while entered.

    :param bytes_per_second: that pass towards the client; None: as many as there are.
    """

    def __init__(self, port: int, seconds: float, bytes_per_second: int | None = None) -> None:
        self._target = port
        self._seconds = seconds
        self._rate = bytes_per_second
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    @property
    def port(self) -> int:
        found: int = self._listener.getsockname()[1]
        return found

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Relay:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(5)  # who has just come is cut with the others
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()
        for each in (self._listener, *self._open):
            each.close()

    def _start(self, work: Callable[..., object], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the end of the test
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open += [near, far]
                for source, sink, rate in ((near, far, None), (far, near, self._rate)):
                    late: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
                    self._start(self._read, source, late)
                    self._start(self._write, sink, late, rate)

    def _read(self, source: socket.socket, late: queue.SimpleQueue[tuple[float, bytes]]) -> None:
        data = b"begin"
        while data:
            try:
                data = source.recv(65_536)
            except OSError:
                data = b""
            late.put((time.monotonic() + self._seconds, data))

    def _write(
        self, sink: socket.socket, late: queue.SimpleQueue[tuple[float, bytes]], bytes_per_second: int | None
    ) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = late.get()
                time.sleep(max(0.0, due - time.monotonic()))  # the delay of the line, no wait for an event
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                if bytes_per_second is not None:
                    time.sleep(len(data) / bytes_per_second)  # the rate of the line, no wait for an event
                sink.sendall(data)
