"""Whose a loopback connection is: asked of the real kernel, and of tables as Linux writes them."""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from newage.web.owner import End, OwnerLookup, Ownership, by_netlink, by_proc, is_open, owner_of, system_lookup, user_in

WAYS = [by_netlink, by_proc, owner_of, system_lookup()]
WAY_NAMES = ["netlink", "proc", "one or the other", "the system's"]


class Pair:
    """Two ends of one TCP connection."""

    def __init__(self, family: socket.AddressFamily, address: str, client: socket.AddressFamily | None = None) -> None:
        with socket.socket(family) as listener:
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind((address, 0))
            listener.listen()
            self.theirs = socket.socket(client or family)
            here = "127.0.0.1" if self.theirs.family == socket.AF_INET else "::1"
            self.theirs.connect((here, listener.getsockname()[1]))
            self.ours, _ = listener.accept()

    def ends(self) -> tuple[End, End]:
        return self.ours.getsockname()[:2], self.ours.getpeername()[:2]

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


PAIRS = {
    "IPv4": lambda: Pair(socket.AF_INET, "127.0.0.1"),
    "IPv6": lambda: Pair(socket.AF_INET6, "::1"),
    "IPv4 at a listener for both": lambda: Pair(socket.AF_INET6, "::", socket.AF_INET),
}


@pytest.fixture(params=list(PAIRS))
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    made = PAIRS[request.param]()
    yield made
    made.close()


@pytest.mark.parametrize("way", WAYS, ids=WAY_NAMES)
def test_the_owner_of_a_connection(pair: Pair, way: OwnerLookup) -> None:
    assert way(*pair.ends()) == os.geteuid()


@pytest.mark.parametrize("way", WAYS, ids=WAY_NAMES)
def test_a_connection_that_is_none_has_no_owner(pair: Pair, way: OwnerLookup) -> None:
    ours, theirs = pair.ends()
    assert way(ours, (theirs[0], 1)) is None


@pytest.mark.parametrize("way", WAYS, ids=WAY_NAMES)
def test_a_closing_socket_has_no_owner(pair: Pair, way: OwnerLookup) -> None:
    """Linux says 0, root, of a socket whose process let it go."""
    ends = pair.ends()
    pair.theirs.close()
    assert way(*ends) is None


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
OURS, THEIRS = ("127.0.0.1", 4000), ("127.0.0.1", 50_000)


LOOPBACK = f"{int.from_bytes(bytes((127, 0, 0, 1)), sys.byteorder):08X}"


def row(local: int, remote: int, state: str, user: int) -> str:
    """A row of the table, of two loopback ports."""
    ends = f"{LOOPBACK}:{local:04X} {LOOPBACK}:{remote:04X}"
    return f"   0: {ends} {state} 00000000:00000000 00:00000000 00000000  {user}        0 21 1 0\n"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row(50_000, 4000, "01", 1001)], 1001),
        ([row(4000, 50_000, "01", 1000), row(50_000, 4000, "01", 33)], 33),  # the first is our own end
        ([row(50_000, 4000, "06", 0)], None),  # TIME_WAIT
        ([row(50_000, 4001, "01", 1001)], None),
        ([], None),
    ],
)
def test_the_rows_of_the_table(tmp_path: Path, rows: list[str], expected: int | None) -> None:
    (tmp_path / "tcp").write_text(HEAD + "".join(rows))
    assert by_proc(OURS, THEIRS, tmp_path) == expected


def test_tables_that_cannot_be_read_tell_nothing(tmp_path: Path) -> None:
    assert by_proc(OURS, THEIRS, tmp_path) is None


def test_where_netlink_is_not_to_be_had_the_tables_are_read(pair: Pair) -> None:
    def closed(ours: End, theirs: End) -> int:
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))

    assert owner_of(*pair.ends(), closed) == os.geteuid()


def test_what_the_kernel_answers() -> None:
    head, error = struct.Struct("=IHHII"), struct.Struct("=i")
    told = head.pack(88, 20, 0, 1, 0) + bytes((socket.AF_INET, 1)) + bytes(62) + struct.pack("=II", 33, 4711)
    assert user_in(told) == 33
    assert user_in(told[:17] + b"\x06" + told[18:]) is None
    assert user_in(head.pack(36, 2, 0, 1, 0) + error.pack(-errno.ENOENT)) is None
    with pytest.raises(PermissionError):
        user_in(head.pack(36, 2, 0, 1, 0) + error.pack(-errno.EPERM))


def test_elsewhere_everybody_on_this_machine_is_the_hubs_user() -> None:
    assert system_lookup("darwin")(OURS, THEIRS) == os.geteuid()


def _yes() -> bool:
    return True


def test_a_port_that_was_left_tells_nothing_whoever_has_it_now() -> None:
    """Another user of this machine opens a session, leaves its port, and waits until the hub's user gets it."""
    opened = {1}
    session = Ownership(OURS, THEIRS, lambda ours, theirs: os.geteuid(), lambda: 1 in opened)
    opened.clear()
    assert not session()
    later = Ownership(OURS, (THEIRS[0], 2), lambda ours, theirs: None, _yes).after(session)
    assert not later()
    opened.add(1)
    assert session(), "nothing was kept of what did not count"


@pytest.mark.parametrize("how", ["reset", "closed by us"])
def test_the_kernel_says_whether_a_connection_is_one(how: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
        transport = SimpleNamespace(getHandle=lambda: ours)
        assert is_open(transport)
        if how == "reset":
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            ours.close()
        theirs.close()
        assert not is_open(transport)
        ours.close()
    assert not is_open(SimpleNamespace()), "Twisted's has no socket after its end"


def test_the_newest_socket_that_is_open_tells_of_a_session() -> None:
    """A WebSocket's session polled before, and its last GET came after the upgrade's request."""
    users: dict[int, int] = {}

    def lookup(ours: End, theirs: End) -> int | None:
        return users.get(theirs[1])

    session = Ownership(OURS, (THEIRS[0], 0), lookup, _yes)
    for port in range(1, 5):
        session = Ownership(OURS, (THEIRS[0], port), lookup, _yes).after(session)
    assert not session()
    users[2] = os.geteuid()
    users[1] = os.geteuid() + 1
    assert session()
    users.clear()
    assert session(), "once it is known it stays known"
    assert Ownership(OURS, THEIRS, lookup, _yes).after(session) is session


def test_few_sockets_of_a_session_are_remembered() -> None:
    asked: list[int] = []

    def lookup(ours: End, theirs: End) -> None:
        asked.append(theirs[1])

    session = Ownership(OURS, (THEIRS[0], 0), lookup, _yes)
    for port in range(1, 100):
        session = Ownership(OURS, (THEIRS[0], port), lookup, _yes).after(session)
    assert not session()
    assert asked == [99, 98, 97, 96, 95, 94, 93, 92]


@pytest.mark.parametrize(("answer", "expected"), [(os.geteuid(), True), (os.geteuid() + 1, False), (None, False)])
def test_the_owner_is_asked_for_until_it_is_known(answer: int | None, expected: bool) -> None:
    asked: list[tuple[End, End]] = []

    def lookup(ours: End, theirs: End) -> int | None:
        asked.append((ours, theirs))
        return answer

    owned = Ownership(OURS, THEIRS, lookup, _yes)
    assert not asked
    assert owned() is expected
    assert owned() is expected
    assert asked == [(OURS, THEIRS)] * (1 if answer is not None else 2)
