"""How the daemon starts, listens and stops: stages, ports, signals. The reactor is a parameter everywhere."""

from __future__ import annotations

import errno
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from typing import Any, ClassVar, TextIO, TypeAlias

from attrs import frozen
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.errors import ConfigError, NewAgeError

LEAST_STAGE_SECONDS = 0.25  # what a stage gets although earlier ones used up the time
PORT_TRIES = 20  # for one free port on several addresses


class StartRefused(SystemExit, Exception):
    """The hub cannot start; ``str()`` says why and what to do, one cause a line.

    Both bases matter. As a SystemExit it ends ``twistd -n`` with its text on stderr, code 1 and no traceback; as an
    Exception it lets twistd remove its pid file and tell the waiting parent of a daemon.
    """

    def __init__(self, reason: object) -> None:
        super().__init__("\n".join(f"newage: {line}" for line in str(reason).splitlines() if line))

    def tell(self, terminal: TextIO | None) -> None:
        """Say it on the real stderr, which twistd has turned into its log by now. None: a daemon, nobody listens."""
        if terminal is not None:
            terminal.write(f"{self}\n")
            terminal.flush()
        self.code = 1


def refusal(error: Exception) -> StartRefused:
    """What to say about an exception at start-up: our own texts as they are, others with their type."""
    if isinstance(error, StartRefused):
        return error
    if isinstance(error, NewAgeError):
        return StartRefused(error)
    return StartRefused(f"cannot start: {type(error).__name__}: {error}; the log has the details")


class StagedService(MultiService):
    """Children start in the order added and stop in reverse, each awaited, all within a bound.

    :param stop_seconds: for the whole stop; a stage that takes longer is cancelled, logged and left behind.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(self, clock: IReactorTime, stop_seconds: float) -> None:
        super().__init__()
        self._clock = clock
        self._stop_seconds = stop_seconds

    def privilegedStartService(self) -> None:
        """:raises StartRefused: a child failed; those before it are stopped again."""
        Service.privilegedStartService(self)
        self._each(list(self), lambda child: child.privilegedStartService(), also_stop=list(self))

    def startService(self) -> None:
        """:raises StartRefused: a child failed; all are stopped again, bound ports included."""
        Service.startService(self)
        self._each(list(self), lambda child: child.startService(), also_stop=list(self))

    def _each(self, children: list[Any], start: Callable[[Any], object], *, also_stop: list[Any]) -> None:
        for child in children:
            try:
                start(child)
            except Exception as error:
                if not isinstance(error, (NewAgeError, StartRefused)):
                    self._log.failure("{child} did not start", child=type(child).__name__)
                self._undo(also_stop)
                self.running = False
                reason = refusal(error)
                self._log.critical("{reason}", reason=str(reason))
                reason.tell(sys.__stderr__)
                raise reason from None

    def _undo(self, children: Sequence[Any]) -> None:
        """The reactor will never run: whatever their Deferreds wait for, it does not come."""
        for child in reversed(children):
            maybeDeferred(child.stopService).addErrback(self._unclean, child)

    def _unclean(self, failure: Failure, child: object) -> None:
        self._log.failure("{child} did not stop cleanly", failure, child=type(child).__name__)

    def stopService(self) -> Deferred[None]:
        """:return: fires when the last child stopped or its time was over; never fails."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        Service.stopService(self)
        until = self._clock.seconds() + self._stop_seconds
        children = list(self)
        while children:
            child = children.pop()
            left = until - self._clock.seconds() - LEAST_STAGE_SECONDS * len(children)
            try:
                await maybeDeferred(child.stopService).addTimeout(max(left, LEAST_STAGE_SECONDS), self._clock)
            except Exception:  # even a cancellation must not keep the next child running
                self._log.failure("{child} did not stop cleanly", child=type(child).__name__)


# ------------------------------------------------------------------------------------------------------------ listening


def expand(addresses: Iterable[str]) -> tuple[str, ...]:
    """``localhost`` and ``*`` as addresses of both families; each address once."""
    short = {"localhost": ("127.0.0.1", "::1"), "*": ("0.0.0.0", "::")}  # noqa: S104 - only if the operator writes *
    return tuple(dict.fromkeys(each for name in addresses for each in short.get(name, (name,))))


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
    addresses: Sequence[str], port: int, backlog: int, listen: Listen = listening_socket
) -> tuple[list[Bound], list[str]]:
    """Listen on every address with the same port.

    An IPv6 loopback or wildcard that the machine does not have is left out when another address could be bound.

    :param port: 0 takes one that is free on all of them.
    :return: the sockets, and the addresses left out.
    :raises ConfigError: naming address, port and cure; nothing stays open.
    """
    for last in (*[False] * (PORT_TRIES - 1), True):
        try:
            return _bind_once(addresses, port, backlog, listen)
        except ConfigError as error:
            cause = error.__cause__
            if port or last or not (isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE):
                raise
    raise AssertionError("unreachable")


def _bind_once(addresses: Sequence[str], port: int, backlog: int, listen: Listen) -> tuple[list[Bound], list[str]]:
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
                raise ConfigError(_explain(address, port, error)) from error
            port = made.getsockname()[1]
            bound.append(Bound(address, port, made))
        if not bound:
            raise ConfigError(f"none of {', '.join(addresses)} exists on this machine; choose another --bind")
    except BaseException:
        for each in bound:
            each.socket.close()
        raise
    return bound, absent


def _explain(address: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {address} is in use by another program; stop that one or choose another --port"
    if error.errno == errno.EACCES:
        return f"port {port} of {address} may not be used by this user; choose a --port above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"address {address} does not belong to this machine; choose another --bind"
    return f"cannot listen on {address} port {port}: {error.strerror}; choose another --bind or --port"


def url(address: str, port: int) -> str:
    return f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"


class Listener(Service):
    """The ports. Bound before privileges are dropped; what connects waits in the kernel until the reactor runs.

    :param reactor: adopts the listening sockets (``IReactorSocket``).
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        reactor: Any,
        factory: IProtocolFactory,
        *,
        addresses: Sequence[str],
        port: int,
        backlog: int,
        listen: Listen = listening_socket,
    ) -> None:
        self._reactor = reactor
        self._factory = factory
        self._addresses = expand(addresses)
        self._asked_port = port
        self._backlog = backlog
        self._listen = listen
        self._ports: list[IListeningPort] = []
        self.urls: tuple[str, ...] = ()
        self.port = 0  # the real one, once bound

    def privilegedStartService(self) -> None:
        """:raises ConfigError: naming address, port and cure."""
        bound, absent = bind(self._addresses, self._asked_port, self._backlog, self._listen)
        for each in bound:
            self._ports.append(self._reactor.adoptStreamPort(each.socket.fileno(), each.socket.family, self._factory))
            each.socket.close()  # the reactor has its own descriptor of it
        self.port = bound[0].port
        self.urls = tuple(url(each.address, each.port) for each in bound)
        for address in absent:
            self._log.warn("This machine has no {address}: not listening there", address=address)

    def startService(self) -> None:
        """Binds too, where nothing ran before as a privileged user (tests, other containers than twistd)."""
        if not self._ports:
            self.privilegedStartService()
        super().startService()
        self._reactor.callWhenRunning(self._say_where)  # only then is somebody answering

    def _say_where(self) -> None:
        for each in self.urls:
            self._log.info("Listening on {url}", url=each)

    def stopService(self) -> Deferred[Any]:
        """:return: fires when no new connection can come in."""
        super().stopService()
        ports, self._ports = self._ports, []
        return gatherResults([maybeDeferred(port.stopListening) for port in ports])


# -------------------------------------------------------------------------------------------------------------- signals


class Signals(Service):
    """SIGTERM and SIGINT stop the reactor, and the process ends with code 0.

    twistd's own handlers would make it end by the signal itself, which supervisors and scripts take for a crash.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def startService(self) -> None:
        """A signal that comes while the hub is still starting stops it as soon as it has started."""
        super().startService()
        self.install()
        self._reactor.callWhenRunning(self.install)  # again, over the reactor's own handlers

    def install(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._received)

    def _received(self, number: int, _frame: object) -> None:
        self._reactor.callFromThread(self.stop, signal.Signals(number).name)

    def stop(self, name: str) -> None:
        """Stop once; further signals change nothing, the stop is bounded anyway."""
        try:
            self._reactor.stop()
        except ReactorNotRunning:
            return
        self._log.info("Received {signal}, stopping", signal=name)


class Banner(Service):
    """Last to start: everything before it works, so say what to do next."""

    _log: ClassVar[Logger] = Logger()

    def __init__(self, reactor: Any, hint: str) -> None:
        self._reactor = reactor
        self._hint = hint

    def startService(self) -> None:
        super().startService()
        self._reactor.callWhenRunning(self._log.info, "{hint}", hint=self._hint)
