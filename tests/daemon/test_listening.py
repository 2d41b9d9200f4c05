"""The ports: which addresses, which port, and what is said when they cannot be had."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactor

from daemonkit import begin_running, formats
from newage.daemon import listening
from newage.daemon.listening import Keys, Listener, Sockets, address_list, bind, expand, listening_socket, url
from newage.errors import ConfigError


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of 127.0.0.1 that somebody else uses."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("::1", "0.0.0.0"), ("*",), ("localhost",)])
def test_addresses_to_listen_on(addresses: tuple[str, ...]) -> None:
    address_list(addresses)


@pytest.mark.parametrize("addresses", [(), ("example.org",), ("127.0.0.1", "")])
def test_names_are_no_addresses(addresses: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="must"):
        address_list(addresses)


class TestBind:
    def test_any_port_is_the_same_on_both_families(self) -> None:
        bound, absent = bind(("127.0.0.1", "::1"), 0, 5)
        try:
            assert len({each.port for each in bound}) == 1
            assert bound[0].port > 0
            assert [each.address for each in bound] + absent == ["127.0.0.1", "::1"]
            assert bound[0].socket.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        finally:
            for each in bound:
                each.socket.close()

    def test_both_wildcards_fit_beside_each_other(self) -> None:
        bound, _ = bind(expand(["*"]), 0, 5)
        assert [each.address for each in bound][:1] == ["0.0.0.0"]
        for each in bound:
            each.socket.close()

    def test_a_port_in_use_is_named_and_nothing_stays_open(self, taken: int) -> None:
        addresses = ("::1", "127.0.0.1")
        with pytest.raises(ConfigError, match=f"port {taken} of 127.0.0.1 is in use by another program; .* --port"):
            bind(addresses, taken, 5)
        bound, _ = bind(("::1", "127.0.0.2"), taken, 5)
        for each in bound:
            each.socket.close()

    def test_the_cure_names_what_the_operator_said(self, taken: int) -> None:
        keys = Keys("bind_address in [metrics]", "port in [metrics]")
        with pytest.raises(ConfigError, match=r"choose another port in \[metrics\]"):
            bind(("127.0.0.1",), taken, 5, keys=keys)

    def test_an_address_of_another_machine(self) -> None:
        with pytest.raises(ConfigError, match=r"192\.0\.2\.1 does not belong to this machine; choose another --bind"):
            bind(("192.0.2.1",), 0, 5)


class FakeSockets:
    """A machine of our making: which addresses exist, and which ports are taken there."""

    def __init__(self, errors: dict[str, list[int]]) -> None:
        self.errors = errors
        self.open: list[tuple[str, int]] = []
        self.next_port = 5000

    def __call__(self, address: str, port: int, _backlog: int) -> Any:
        if self.errors.get(address):
            number = self.errors[address].pop(0)
            if number:
                raise OSError(number, "fake")
        if not port:
            self.next_port += 1
        return FakeSocket(self, (address, port or self.next_port))


class FakeSocket:
    def __init__(self, owner: FakeSockets, name: tuple[str, int]) -> None:
        self.owner = owner
        self.name = name
        owner.open.append(name)

    def getsockname(self) -> tuple[str, int]:
        return self.name

    def close(self) -> None:
        self.owner.open.remove(self.name)


class TestBindElsewhere:
    """What this machine cannot be made to do."""

    @pytest.mark.parametrize("number", [errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT])
    @pytest.mark.parametrize(("four", "six"), [("127.0.0.1", "::1"), ("0.0.0.0", "::")])
    def test_a_machine_without_ipv6(self, number: int, four: str, six: str) -> None:
        machine = FakeSockets({six: [number]})
        bound, absent = bind((four, six), 4000, 5, machine)
        assert ([each.address for each in bound], absent) == ([four], [six])
        assert machine.open == [(four, 4000)]

    def test_nothing_but_an_absent_ipv6(self) -> None:
        machine = FakeSockets({"::1": [errno.EADDRNOTAVAIL]})
        with pytest.raises(ConfigError, match="none of ::1 exists on this machine; choose another --bind"):
            bind(("::1",), 4000, 5, machine)

    def test_any_port_is_tried_again_until_free_on_all(self) -> None:
        machine = FakeSockets({"::1": [errno.EADDRINUSE, errno.EADDRINUSE]})
        bound, _ = bind(("127.0.0.1", "::1"), 0, 5, machine)
        assert [(each.address, each.port) for each in bound] == [("127.0.0.1", 5003), ("::1", 5003)]
        assert machine.open == [("127.0.0.1", 5003), ("::1", 5003)]

    def test_but_not_for_ever(self) -> None:
        machine = FakeSockets({"::1": [errno.EADDRINUSE] * 100})
        with pytest.raises(ConfigError, match="in use"):
            bind(("127.0.0.1", "::1"), 0, 5, machine)
        assert len(machine.errors["::1"]) == 100 - listening.PORT_TRIES
        assert machine.open == []

    @pytest.mark.parametrize(
        ("number", "text"),
        [
            (errno.EACCES, "may not be used by this user; choose a --port above 1023"),
            (errno.EMFILE, "cannot listen on"),
        ],
    )
    def test_other_refusals(self, number: int, text: str) -> None:
        machine = FakeSockets({"::1": [number]})
        with pytest.raises(ConfigError, match=text):
            bind(("127.0.0.1", "::1"), 80, 5, machine)
        assert machine.open == []


def test_short_names_of_addresses() -> None:
    assert expand(["localhost"]) == ("127.0.0.1", "::1")
    assert expand(["*"]) == ("0.0.0.0", "::")
    assert expand(["::1", "localhost", "::1"]) == ("::1", "127.0.0.1")


def test_urls_as_a_browser_takes_them() -> None:
    assert url("127.0.0.1", 4000) == "http://127.0.0.1:4000/"
    assert url("::1", 4000) == "http://[::1]:4000/"


class TestListener:
    def make(self) -> tuple[Listener, Sockets, MemoryReactor]:
        reactor, sockets = MemoryReactor(), Sockets(("127.0.0.1",), 0, 5)
        return Listener(reactor, Factory(), sockets), sockets, reactor

    def test_ports_are_bound_while_privileged_and_said_when_started(self, log: list[dict[str, Any]]) -> None:
        listener, sockets, reactor = self.make()
        assert (reactor.adoptedPorts, sockets.port, sockets.urls) == ([], 0, ())
        listener.privilegedStartService()
        assert len(reactor.adoptedPorts) == 1
        assert sockets.port > 0
        listener.startService()
        assert len(reactor.adoptedPorts) == 1
        assert "Listening on {url}" not in formats(log)
        begin_running(reactor)
        said = [event["url"] for event in log if event.get("log_format") == "Listening on {url}"]
        assert said == [f"http://127.0.0.1:{sockets.port}/"] == list(sockets.urls)

    def test_start_alone_binds_as_well(self) -> None:
        listener, _, reactor = self.make()
        listener.startService()
        assert len(reactor.adoptedPorts) == 1

    def test_stop_closes_the_ports_once(self) -> None:
        listener, _, _ = self.make()
        listener.startService()
        assert listener.stopService().called
        assert listener.stopService().called

    def test_an_absent_family_is_logged(self, log: list[dict[str, Any]]) -> None:
        def without_six(address: str, port: int, backlog: int) -> socket.socket:
            if address == "::1":
                raise OSError(errno.EADDRNOTAVAIL, "no such address")
            return listening_socket(address, port, backlog)

        sockets = Sockets(("localhost",), 0, 5, without_six)
        Listener(MemoryReactor(), Factory(), sockets).startService()
        assert [event["address"] for event in log if "not listening there" in event.get("log_format", "")] == ["::1"]
