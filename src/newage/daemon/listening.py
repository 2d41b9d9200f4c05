"""The ports: bound on every address or on none, and told by their URLs."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from typing import Any, ClassVar, TypeAlias

from attrs import frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.logger import Logger

from newage.errors import ConfigError

PORT_TRIES = 20  # for one free port on several addresses
LISTENING = "Listening on {url}"


def address_list(value: tuple[str, ...]) -> None:
    """What ``bind_address`` may be: at least one, each an IP address, ``localhost`` or ``*``.

    :raises ValueError: a name that would have to be looked up; what it means could change under a running hub.
    """
    if not value:
        raise ValueError("must name at least one address")
    for each in value:
        if each not in ("localhost", "*"):
            try:
                ip_address(each)
            except ValueError:
                raise ValueError(f'must hold IP addresses, "localhost" or "*", not {each!r}') from None


def expand(addresses: Iterable[str]) -> tuple[str, ...]:
    """``localhost`` and ``*`` as addresses of both families; each address once."""
    short = {"localhost": ("127.0.0.1", "::1"), "*": ("0.0.0.0", "::")}  # noqa: S104 - only if the operator writes *
    return tuple(dict.fromkeys(each for name in addresses for each in short.get(name, (name,))))


@frozen
class Keys:
    """By what an operator says where to listen."""

    address: str = "--bind"
    port: str = "--port"


@frozen
class Bound:
    """A listening socket before it has a factory."""

    address: str
    port: int
    socket: socket.socket


def listening_socket(address: str, port: int, backlog: int) -> socket.socket:
    """:raises OSError: as the system says it."""
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # else :: would take 0.0.0.0 as well, and binding both would fail
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((address, port))
        made.listen(backlog)
    except BaseException:
        made.close()
        raise
    return made


Listen: TypeAlias = Callable[[str, int, int], socket.socket]  # address, port, backlog


def bind(
    addresses: Sequence[str], port: int, backlog: int, listen: Listen = listening_socket, keys: Keys | None = None
) -> tuple[list[Bound], list[str]]:
    """Listen on every address with the same port.

    An IPv6 loopback or wildcard that the machine does not have is left out when another address could be bound.

    :param port: 0 takes one that is free on all of them.
    :return: the sockets, and the addresses left out.
    :raises ConfigError: naming address, port and cure; nothing stays open.
    """
    for last in (*[False] * (PORT_TRIES - 1), True):
        try:
            return _bind_once(addresses, port, backlog, listen, keys or Keys())
        except ConfigError as error:
            cause = error.__cause__
            if port or last or not (isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE):
                raise
    raise AssertionError("unreachable")


def _bind_once(
    addresses: Sequence[str], port: int, backlog: int, listen: Listen, keys: Keys
) -> tuple[list[Bound], list[str]]:
    bound: list[Bound] = []
    absent: list[str] = []
    try:
        for address in addresses:
            try:
                made = listen(address, port, backlog)
            except OSError as error:
                if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) and address in ("::1", "::"):
                    absent.append(address)
                    continue
                raise ConfigError(_explain(address, port, error, keys)) from error
            port = made.getsockname()[1]
            bound.append(Bound(address, port, made))
        if not bound:
            raise ConfigError(f"none of {', '.join(addresses)} exists on this machine; choose another {keys.address}")
    except BaseException:
        for each in bound:
            each.socket.close()
        raise
    return bound, absent


def _explain(address: str, port: int, error: OSError, keys: Keys) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {address} is in use by another program; stop that one or choose another {keys.port}"
    if error.errno == errno.EACCES:
        return f"port {port} of {address} may not be used by this user; choose a {keys.port} above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"address {address} does not belong to this machine; choose another {keys.address}"
    return f"cannot listen on {address} port {port}: {error.strerror}; choose another {keys.address} or {keys.port}"


def url(address: str, port: int) -> str:
    return f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"


class Sockets:
    """What is going to be listened on, so that others can ask for the port. Bound before privileges are dropped.

    ``port`` is what was asked for, and the real one from ``bind`` on; ``urls`` are empty until then.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        port: int,
        backlog: int,
        listen: Listen = listening_socket,
        keys: Keys | None = None,
    ) -> None:
        self._addresses = expand(addresses)
        self._backlog = backlog
        self._listen = listen
        self._keys = keys
        self.port = port
        self.urls: tuple[str, ...] = ()

    def bind(self) -> tuple[list[Bound], list[str]]:
        """:return: the sockets, whose closing is the caller's, and the addresses that this machine does not have.

        :raises ConfigError: naming address, port and cure.
        """
        bound, absent = bind(self._addresses, self.port, self._backlog, self._listen, self._keys)
        self.port = bound[0].port
        self.urls = tuple(url(each.address, each.port) for each in bound)
        return bound, absent


class Listener(Service):
    """The ports. What connects waits in the kernel until the reactor runs.

    :param reactor: adopts the listening sockets (``IReactorSocket``).
    :param words: the line of the log for each ``{url}``.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(self, reactor: Any, factory: IProtocolFactory, sockets: Sockets, words: str = LISTENING) -> None:
        self._reactor = reactor
        self._factory = factory
        self._sockets = sockets
        self._words = words
        self._ports: list[IListeningPort] = []

    def privilegedStartService(self) -> None:
        """:raises ConfigError: naming address, port and cure."""
        bound, absent = self._sockets.bind()
        for each in bound:
            self._ports.append(self._reactor.adoptStreamPort(each.socket.fileno(), each.socket.family, self._factory))
            each.socket.close()  # the reactor has its own descriptor of it
        for address in absent:
            self._log.warn("This machine has no {address}: not listening there", address=address)

    def startService(self) -> None:
        """Binds too, where nothing ran before as a privileged user (tests, other containers than twistd)."""
        if not self._ports:
            self.privilegedStartService()
        super().startService()
        self._reactor.callWhenRunning(self._say_where)  # only then is somebody answering

    def _say_where(self) -> None:
        for each in self._sockets.urls:
            self._log.info(self._words, url=each)

    def stopService(self) -> Deferred[Any]:
        """:return: fires when no new connection can come in."""
        super().stopService()
        ports, self._ports = self._ports, []
        return gatherResults([maybeDeferred(port.stopListening) for port in ports])
