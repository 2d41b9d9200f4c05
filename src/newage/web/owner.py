"""Which system user a loopback connection comes from (contract B2): asked of the kernel, only when it matters.

Linux tells by netlink for one connection (0.1 ms), else in ``/proc/net/tcp`` and ``tcp6`` for all of them (some ms).
Where there is neither, everybody on this machine counts as the hub's user: there ``auth.local_admin`` decides alone.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from struct import Struct
from typing import Any, Final, TypeAlias

End: TypeAlias = tuple[str, int]  # address, port
# (our end, the peer's end) -> the user id of the peer's socket; None when there is no such connection any more.
OwnerLookup: TypeAlias = Callable[[End, End], int | None]

_SOCK_DIAG: Final = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY: Final = 20  # SOCK_DIAG_BY_FAMILY
_REQUEST: Final = 1  # NLM_F_REQUEST
_ESTABLISHED: Final = 1  # the only state in which the user is told: a closing socket belongs to 0
_HEADER: Final = Struct("=IHHII")
_ASKED: Final = Struct("=BBBxI")
_PORTS: Final = Struct("!HH")
_STATE: Final = Struct("=BB")
_USER: Final = Struct("=I")
_ERROR: Final = Struct("=i")
_USER_AT: Final = 64  # in the inet_diag_msg: 4 bytes, the 48 of the socket's id, expires, rqueue, wqueue
_MAX_SOCKETS: Final = 8  # sockets of one session that are remembered; between its upgrade and its end there are few
_ANY_COOKIE: Final = b"\xff" * 8


class Ownership:
    """Asks whether a session's socket belongs to the hub's user, until that is known; a ``Peer.owned``.

    Polling takes a socket for each request and leaves it; the newest that is still open tells.

    :param is_open: whether this connection still is one: a port that was left may be anybody's now.
    """

    __slots__ = ("_known", "_lookup", "_sockets")

    def __init__(self, ours: End, theirs: End, lookup: OwnerLookup, is_open: Callable[[], bool]) -> None:
        self._sockets: tuple[tuple[End, End, Callable[[], bool]], ...] = ((ours, theirs, is_open),)  # newest first
        self._lookup = lookup
        self._known: bool | None = None

    def __call__(self) -> bool:
        for ours, theirs, is_open in self._sockets if self._known is None else ():
            user = self._lookup(ours, theirs)
            if user is not None and is_open():  # asked after the kernel, so it was this one that the kernel told of
                self._known = user == os.geteuid()
                break
        return self._known is True

    def after(self, earlier: Ownership) -> Ownership:
        """The ownership of a session that had this earlier one."""
        if earlier._known is not None:
            return earlier
        self._sockets = (self._sockets + earlier._sockets)[:_MAX_SOCKETS]
        return self


def is_open(transport: Any) -> bool:
    """Whether a transport of Twisted's is still connected, as the kernel says; it knows before the reactor does."""
    try:
        transport.getHandle().getpeername()
    except (AttributeError, OSError):  # it has no handle any more
        return False
    return True


def system_lookup(platform: str = sys.platform) -> OwnerLookup:
    """The way of this system."""
    return owner_of if platform == "linux" else lambda ours, theirs: os.geteuid()


def owner_of(ours: End, theirs: End, first: OwnerLookup | None = None) -> int | None:
    """The user id of the peer's socket, on Linux.

    :param first: the way that is tried before the tables.
    """
    try:
        return (first or by_netlink)(ours, theirs)
    except OSError:  # an old kernel, or a sandbox without AF_NETLINK
        return by_proc(ours, theirs)


def by_netlink(ours: End, theirs: End) -> int | None:
    """:raises OSError: the kernel does not answer such questions."""
    family = socket.AF_INET6 if ":" in theirs[0] else socket.AF_INET
    wanted = _ASKED.pack(family, socket.IPPROTO_TCP, 0, 1 << _ESTABLISHED)
    wanted += _PORTS.pack(theirs[1], ours[1]) + _packed(theirs[0], family) + _packed(ours[0], family)
    wanted += bytes(4) + _ANY_COOKIE
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as netlink:
        netlink.send(_HEADER.pack(_HEADER.size + len(wanted), _BY_FAMILY, _REQUEST, 1, 0) + wanted)
        return user_in(netlink.recv(4096, socket.MSG_DONTWAIT))


def user_in(answer: bytes) -> int | None:
    """The user id that an answer of the kernel tells; None when it knows no such connection.

    :raises OSError: the answer is another error.
    """
    if _HEADER.unpack_from(answer)[1] != _BY_FAMILY:
        code = -_ERROR.unpack_from(answer, _HEADER.size)[0]
        if code == errno.ENOENT:
            return None
        raise OSError(code, os.strerror(code))
    _, state = _STATE.unpack_from(answer, _HEADER.size)
    return int(_USER.unpack_from(answer, _HEADER.size + _USER_AT)[0]) if state == _ESTABLISHED else None


def by_proc(ours: End, theirs: End, proc: Path = Path("/proc/net")) -> int | None:
    """:return: None also when the tables cannot be read."""
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        try:
            local, remote = _row_end(theirs, family), _row_end(ours, family)
            lines = (proc / table).read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        for line in lines[1:]:
            fields = line.split(None, 8)
            if fields[1] == local and fields[2] == remote and int(fields[3], 16) == _ESTABLISHED:
                return int(fields[7])
    return None


def _packed(address: str, family: Any) -> bytes:
    return socket.inet_pton(family, address.partition("%")[0]).ljust(16, b"\0")


def _row_end(end: End, family: Any) -> str:
    """An end as the tables of ``/proc/net`` write it: words of the machine's byte order in hexadecimal.

    :raises OSError: an IPv6 address cannot stand in the table of IPv4.
    """
    address = end[0].partition("%")[0]
    if family == socket.AF_INET:
        address = address.removeprefix("::ffff:")
    elif ":" not in address:
        address = "::ffff:" + address
    raw = socket.inet_pton(family, address)
    words = (int.from_bytes(raw[at : at + 4], sys.byteorder) for at in range(0, len(raw), 4))
    return "".join(f"{word:08X}" for word in words) + f":{end[1]:04X}"
