"""Who opens sessions and joins nothing, as fast as he can, keeps nobody out (contract 2.12)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from harness import POLLING, UPGRADE, WEBSOCKET, Daemon, Driver, Hub, until

pytestmark = pytest.mark.integration

KNOCK = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Knocking:
    """A program that opens sessions: many over one connection, or each over its own."""

    def __init__(self, port: int, *, each_anew: bool) -> None:
        self.opened = 0
        self._port = port
        self._each_anew = each_anew
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join(10)

    def _run(self) -> None:
        batch = 1 if self._each_anew else 100
        while not self._over.is_set():
            with socket.create_connection(("127.0.0.1", self._port), 10) as line:
                while not self._over.is_set():
                    line.sendall(KNOCK * batch)
                    answered = b""
                    while answered.count(b'"maxPayload"') < batch:
                        received = line.recv(65_536)
                        if not received:
                            break
                        answered += received
                    self.opened += batch
                    if self._each_anew:
                        break


@pytest.mark.parametrize("each_anew", [False, True])
def test_clients_join_and_stay_while_a_stranger_opens_sessions(
    make_daemon: Callable[..., Daemon], driver: Driver, each_anew: bool
) -> None:
    daemon = make_daemon("--ephemeral", "--demo")
    hub = Hub(daemon, driver)
    before = hub.client("before")
    stranger = Knocking(daemon.port, each_anew=each_anew)
    with stranger.going_on():
        until(lambda: stranger.opened > 20, "the stranger is at it")
        came = [hub.client(hub.new_id(), transports=way) for way in (POLLING, WEBSOCKET, UPGRADE) for _ in range(2)]
        for client in [before, *came]:
            client.fence()
        opened = stranger.opened
        until(lambda: stranger.opened > opened, "the stranger goes on")
    assert not [record for client in [before, *came] for record in client.all("@disconnect")]
    assert daemon.output().count("had joined no namespace when another came") <= 10
