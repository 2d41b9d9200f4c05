"""The operator's way into a running hub: a Unix socket in the home, one JSON object a line (A37).

The folder of the socket is the hub's user's alone and so is the socket, from before anybody could connect; and who
connects is asked of the kernel as well. What is said on it, ``services.operator`` knows.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import orjson
from attrs import frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import ServerFactory, connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver

from newage.errors import ConfigError, NewAgeError
from newage.settings import limit

FOLDER = "run"  # of the home
SOCKET = "control.sock"
MAX_PATH_BYTES = 107  # what a socket's address has room for

Handle = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


@frozen(kw_only=True)
class ControlSettings:
    """The socket in the home that the `newage` command speaks to."""

    max_line_bytes: int = limit(8192, "bytes of one command", least=256)
    max_connections: int = limit(8, "commands connected at once")
    idle_seconds: float = limit(30.0, "seconds a connection may stay without a complete command", least=1)


# -------------------------------------------------------------------------------------------------------------- address


class Address:
    """The socket's path, short enough for the system whatever the home is called.

    A home with a long name is reached through a descriptor of the folder, which has to stay open: ``close`` it.
    """

    def __init__(self, home: Path) -> None:
        """:raises ConfigError: too long, and this system has no other way; OSError: there is no such folder."""
        self.real = home / FOLDER / SOCKET
        self.path = str(self.real)
        self._folder: int | None = None
        if len(os.fsencode(self.path)) > MAX_PATH_BYTES:
            self._folder = os.open(self.real.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self.path = f"/proc/self/fd/{self._folder}/{SOCKET}"
            if not Path(self.path).parent.is_dir():
                self.close()
                raise ConfigError(f"{self.real} is too long for a socket; choose a --home with a shorter path")

    def close(self) -> None:
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None


# ------------------------------------------------------------------------------------------------------------- protocol


class ControlProtocol(LineOnlyReceiver):
    """One operator: a command a line, an answer a line, one at a time.

    What fails is answered with ``error``; what is no command ends the connection, and so does silence.
    """

    _log: ClassVar[Logger] = Logger()
    delimiter = b"\n"
    factory: ControlFactory
    transport: Any

    def __init__(self, settings: ControlSettings) -> None:
        self.MAX_LENGTH = settings.max_line_bytes
        self._idle_seconds = settings.idle_seconds
        self._idle: IDelayedCall | None = None
        self._busy = False

    def connectionMade(self) -> None:
        """Nothing is heard of a user of the system to whom the home does not belong."""
        self.factory.open.add(self)
        user = self.factory.user_of(self.transport)
        if user is not None and user not in self.factory.users():
            self._log.warn("user {user} of this system was refused on the control socket", user=user, error_code=6)
            self.transport.abortConnection()
            return
        self._wait()

    def connectionLost(self, reason: Any = connectionDone) -> None:
        self.factory.open.discard(self)
        self._stop_waiting()

    def lineReceived(self, line: bytes) -> None:
        if self._idle is None and not self._busy:
            return  # it is being refused
        self._stop_waiting()
        command = _object(line)
        if self._busy or command is None:
            self._refuse("a command is one JSON object on one line, and the next one follows its answer")
            return
        self._busy = True
        Deferred.fromCoroutine(self._answer(command))

    def lineLengthExceeded(self, line: bytes) -> None:
        self._refuse(f"a command has at most {self.MAX_LENGTH} bytes")

    def _refuse(self, why: str) -> None:
        self._say({"error": why})
        self.transport.loseConnection()

    async def _answer(self, command: Mapping[str, Any]) -> None:
        try:
            answer = await self.factory.handle(command)
        except NewAgeError as error:
            answer = {"error": str(error)}
        except Exception:
            self._log.failure("the operator's command broke")
            answer = {"error": "the hub failed at it; its log has the details"}
        self._busy = False
        self._say(answer)
        self._wait()

    def _say(self, answer: Mapping[str, Any]) -> None:
        if self.connected:
            self.sendLine(orjson.dumps(answer))

    def _wait(self) -> None:
        if self.connected:
            self._idle = self.factory.clock.callLater(self._idle_seconds, self._tired)

    def _tired(self) -> None:
        self._idle = None
        self.transport.abortConnection()

    def _stop_waiting(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def user_of(transport: Any) -> int | None:
    """The system user at the other end, as the kernel says; None where it does not."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    credentials = transport.getHandle().getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])


def own_users() -> frozenset[int]:
    """Root and the hub's."""
    return frozenset({0, os.geteuid()})


class ControlFactory(ServerFactory):
    """
    :param clock: for the end of silent connections.
    :param users: the system users who may come in; asked at each connection, as twistd changes its own.
    """

    noisy = False

    def __init__(
        self,
        handle: Handle,
        settings: ControlSettings,
        clock: IReactorTime,
        users: Callable[[], frozenset[int]] = own_users,
        user_of: Callable[[Any], int | None] = user_of,
    ) -> None:
        self.handle = handle
        self.clock = clock
        self.users = users
        self.user_of = user_of
        self.open: set[ControlProtocol] = set()
        self._settings = settings

    def buildProtocol(self, addr: Any) -> Any:
        """None closes the connection: there are too many."""
        if len(self.open) >= self._settings.max_connections:
            return None
        protocol = ControlProtocol(self._settings)
        protocol.factory = self
        return protocol


# -------------------------------------------------------------------------------------------------------------- service


class Control(Service):
    """Listens while the hub runs. Started with the home's lock held: a socket that is there already is a dead hub's.

    :param reactor: to listen with (``IReactorUNIX``, ``IReactorTime``).
    :param home: None keeps everything in memory: there is no home to put a socket into.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(self, reactor: Any, settings: ControlSettings, home: Path | None, handle: Handle) -> None:
        self._reactor = reactor
        self._home = home
        self._factory = ControlFactory(handle, settings, reactor)
        self._address: Address | None = None
        self._port: Any = None

    def startService(self) -> None:
        """:raises ConfigError: the socket cannot be made."""
        super().startService()
        if self._home is None:
            return
        try:
            (self._home / FOLDER).chmod(0o700)
            self._address = Address(self._home)
            self._address.real.unlink(missing_ok=True)
            before = os.umask(0o177)  # never wider, not even between bind and chmod
            try:
                self._port = self._reactor.listenUNIX(self._address.path, self._factory, mode=0o600)
            finally:
                os.umask(before)
        except (OSError, CannotListenError) as error:
            self._close()
            place = self._home / FOLDER / SOCKET
            raise ConfigError(f"{place} cannot be made ({error}); choose another --home or chown it") from error

    def stopService(self) -> Deferred[Any]:
        """:return: fires when the socket is gone."""
        super().stopService()
        for each in list(self._factory.open):
            each.transport.loseConnection()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        port, self._port = self._port, None
        try:
            if port is not None:
                await maybeDeferred(port.stopListening)
        except FileNotFoundError:
            pass  # somebody deleted it before us
        finally:
            self._close()

    def _close(self) -> None:
        if self._address is not None:
            self._address.close()
            self._address = None
