"""The line with faults does to bytes what a test says, and nothing else."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from fault_proxy import FaultProxy, Line

WORDS = b"0123456789" * 20


class Echo:
    """Says back what it hears; remembers the sizes it read and who is connected."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.sizes: list[int] = []
        self.gone = threading.Semaphore(0)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65_536):
                self.sizes.append(len(data))
                connection.sendall(data)
        self.gone.release()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.close()


def connect(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), 5)


def take(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(65_536)
        assert piece, "the connection ended"
        data += piece
    return data


def passes(client: socket.socket, word: bytes = b"x") -> None:
    client.sendall(word)
    assert take(client, len(word)) == word


def refuses(proxy: FaultProxy) -> None:
    with pytest.raises(ConnectionResetError), connect(proxy) as client:
        passes(client)


def is_silent(connection: socket.socket) -> bool:
    connection.settimeout(0.2)
    try:
        return not connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(5)


def test_a_sound_line_passes_everything_and_the_end(echo: Echo) -> None:
    with FaultProxy(echo.port) as proxy, connect(proxy) as client:
        client.sendall(WORDS)
        client.shutdown(socket.SHUT_WR)
        assert take(client, len(WORDS)) == WORDS
        assert client.recv(1) == b""


def test_latency_holds_each_way_and_does_not_add_up_over_pieces(echo: Echo) -> None:
    with FaultProxy(echo.port, Line(latency=0.1)) as proxy, connect(proxy) as client:
        begun = time.monotonic()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(100):
            client.sendall(WORDS[number * 2 : number * 2 + 2])
        assert take(client, len(WORDS)) == WORDS
        assert 0.2 <= time.monotonic() - begun < 10  # 20 s if it added up


def test_a_rate_is_kept(echo: Echo) -> None:
    with FaultProxy(echo.port, Line(bytes_per_second=1000)) as proxy, connect(proxy) as client:
        begun = time.monotonic()
        client.sendall(WORDS)
        assert take(client, len(WORDS)) == WORDS
        assert time.monotonic() - begun >= 0.2  # 200 bytes, in both directions


def test_slices_are_as_small_as_told(echo: Echo) -> None:
    """Sent a millisecond apart, so that a slow reader finds some alone, too; the rate would give a hundred at once."""
    with FaultProxy(echo.port, Line(slice_bytes=1, bytes_per_second=1000)) as proxy, connect(proxy) as client:
        client.sendall(WORDS)
        assert take(client, len(WORDS)) == WORDS
        assert max(echo.sizes) < len(WORDS)
        assert min(echo.sizes) < 100


def test_a_reset_ends_what_is_open_and_nothing_else(echo: Echo) -> None:
    with FaultProxy(echo.port) as proxy:
        with connect(proxy) as client:
            passes(client)
            proxy.reset()
            with pytest.raises(ConnectionResetError):
                client.recv(1)
            assert echo.gone.acquire(timeout=5)
        with connect(proxy) as again:
            passes(again, b"y")


def test_nobody_gets_through_a_cut_line_until_it_is_healed(echo: Echo) -> None:
    with FaultProxy(echo.port) as proxy:
        proxy.cut()
        refuses(proxy)
        proxy.heal()
        with connect(proxy) as again:
            passes(again, b"y")


def test_a_half_open_line_is_gone_for_the_client_alone(echo: Echo) -> None:
    with FaultProxy(echo.port) as proxy:
        with connect(proxy) as client:
            passes(client)
            proxy.half_open()
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        assert not echo.gone.acquire(timeout=0.2), "the server heard of it"
    assert echo.gone.acquire(timeout=5)


def test_a_black_hole_swallows_and_gives_back(echo: Echo) -> None:
    with FaultProxy(echo.port) as proxy, connect(proxy) as client:
        passes(client)
        proxy.black_hole()
        client.sendall(b"y")
        with connect(proxy) as other:
            other.sendall(b"z")
            assert is_silent(client)
            assert is_silent(other)
            proxy.heal()
            assert (take(client, 1), take(other, 1)) == (b"y", b"z")


def test_a_server_that_is_away_is_a_reset_line(echo: Echo) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # and does not listen
        with FaultProxy(silent.getsockname()[1]) as proxy:
            refuses(proxy)
