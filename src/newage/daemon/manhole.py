"""A Python console inside the running hub, over SSH: for operators, off by default.

Loopback unless told otherwise, public keys only, with a host key and authorized keys of the operator's own: without
them it refuses to start. Whoever gets in can do everything the process can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar

from twisted.application.service import Service
from twisted.conch.checkers import InMemorySSHKeyDB, SSHPublicKeyChecker, readAuthorizedKeyFile
from twisted.conch.error import IgnoreAuthentication
from twisted.conch.insults.insults import ServerProtocol
from twisted.conch.manhole import ColoredManhole
from twisted.conch.manhole_ssh import ConchFactory, TerminalRealm, TerminalSession
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import SSHServerTransport
from twisted.conch.ssh.userauth import SSHUserAuthServer
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError, ProcessDone, ProcessTerminated
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.daemon.manhole_settings import ManholeSettings
from newage.domain.people_text import NotText, read_text
from newage.errors import ConfigError
from newage.telemetry.audit import emit
from newage.telemetry.quota import AddressQuotas

USER = "newage"  # the only account; its authorized keys are the operator's file

MAX_PENDING = 262_144  # bytes waiting for a slow console before lines are left out
LOGGED_REFUSALS_PER_SECOND = 5  # of one address


class Console(ColoredManhole):
    """Greets with what is there to look at.

    :param pending: bytes that the reader has not taken yet.
    :param leave: closes the session, as something that went well.
    """

    def __init__(self, banner: str, pending: Callable[[], int], leave: Callable[[], None]) -> None:
        super().__init__({})
        self._banner = banner
        self._pending = pending
        self._leave = leave
        self._ends: list[Callable[[], None]] = []
        self._unsaid = 0

    def initializeScreen(self) -> None:
        self.terminal.reset()
        for line in self._banner.splitlines():
            self.terminal.write(line.encode())
            self.terminal.nextLine()
        self.terminal.write(self.ps[self.pn])
        self.setInsertMode()

    def say(self, line: str) -> None:
        """One line of output that comes by itself, between what is being typed; for a slow reader some are left out."""
        if self._pending() > MAX_PENDING:
            self._unsaid += 1
            return
        if self._unsaid:
            line, self._unsaid = f"({self._unsaid} lines left out)\n{line}", 0
        self.addOutput(line.encode("utf-8", "backslashreplace"), True)

    def at_end(self, call: Callable[[], None]) -> None:
        """Called when the console is closed, by whomever."""
        self._ends.append(call)

    def handle_QUIT(self) -> None:
        self._leave()

    def connectionLost(self, reason: Any) -> None:
        while self._ends:
            self._ends.pop()()
        super().connectionLost(reason)


class Shell(TerminalSession):
    """A shell and nothing else; works without a terminal too (``ssh -T``)."""

    height, width = 24, 80
    make_console: Callable[[Callable[[], int], Callable[[], None]], Console]
    chainedProtocolFactory: Any
    _proto: Any = None

    def openShell(self, proto: Any) -> None:
        self._proto = proto
        pending, leave = (lambda: len(proto.session.buf or b"")), partial(self._end, ProcessDone(0))
        self.chainedProtocolFactory = partial(ServerProtocol, self.make_console, pending, leave)
        super().openShell(proto)

    def execCommand(self, proto: Any, cmd: bytes) -> None:
        """Says what to do instead."""
        self._proto = proto
        proto.errReceived(b"the manhole runs no commands; type into it: echo 'status()' | ssh -T ...\n")
        self._end(ProcessTerminated(1))

    def _end(self, outcome: Exception) -> None:
        self._proto.processEnded(Failure(outcome))

    def windowChanged(self, newWindowSize: Any) -> None:
        """The console wraps by itself."""

    def eofReceived(self) -> None:
        """Nothing more will be typed; ^D is a character and comes to the console."""
        if self._proto is not None:
            self._end(ProcessDone(0))


class Authentication(SSHUserAuthServer):
    """Records who got in and who did not, and does not wait for long."""

    transport: Any
    loginTimeout = 60  # seconds
    attemptsBeforeDisconnect = 6

    def tryAuth(self, kind: bytes, user: bytes, data: bytes) -> Deferred[Any]:
        tried: Deferred[Any] = super().tryAuth(kind, user, data)
        return tried.addCallbacks(self._entered, self._refused, callbackArgs=(user,), errbackArgs=(kind, user))

    def _entered(self, result: Any, user: bytes) -> Any:
        emit("manhole.login", "CLIENT_AUTHENTICATED", "ok", self._who(user), {})
        return result

    def _refused(self, failure: Failure, kind: bytes, user: bytes) -> Failure:
        # A client asks with "none" what it may try, and with a bare public key whether that one would do.
        if kind != b"none" and not failure.check(IgnoreAuthentication):
            who = self._who(user)
            if self.transport.factory.quota.take(who["address"]) is not None:
                method = kind[:32].decode("ascii", "replace")
                told = {"method": method, "reason": "no such user, key or method"}
                emit("manhole.login", "CLIENT_AUTH_FAILED", "refused", who, told)
        return failure

    def _who(self, user: bytes) -> dict[str, Any]:
        return {"clientId": user[:64].decode("utf-8", "replace"), "address": self.transport.transport.getPeer().host}


class Transport(SSHServerTransport):
    """Is counted."""

    factory: Any

    def connectionMade(self) -> None:
        self.factory.open.add(self)
        super().connectionMade()

    def connectionLost(self, reason: Any = connectionDone) -> None:
        self.factory.open.discard(self)
        super().connectionLost(reason)


class SshFactory(ConchFactory):
    """:param limit: connections at once; further ones are closed at once."""

    protocol = Transport
    services: dict[bytes, Any] = {b"ssh-userauth": Authentication, b"ssh-connection": SSHConnection}
    noisy = False

    def __init__(self, portal: Portal, host_key: Key, limit: int) -> None:
        super().__init__(portal)
        self.publicKeys: dict[bytes, Any] = {host_key.sshType(): host_key.public()}
        self.privateKeys: dict[bytes, Any] = {host_key.sshType(): host_key}
        self.open: set[Transport] = set()
        self.quota = AddressQuotas(LOGGED_REFUSALS_PER_SECOND, monotonic)
        self._limit = limit

    def buildProtocol(self, addr: Any) -> Any:
        return super().buildProtocol(addr) if len(self.open) < self._limit else None


class Manhole(Service):
    """
    :param reactor: to listen with (``IReactorTCP``).
    :param home: what relative file names are relative to.
    :param namespace: what the console offers, by name; called with each console.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        reactor: Any,
        settings: ManholeSettings,
        home: Path,
        namespace: Callable[[Console], Mapping[str, Any]],
        banner: str,
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._home = home
        self._namespace = namespace
        self._banner = banner
        self._port: IListeningPort | None = None
        self._factory: SshFactory | None = None
        self.port = 0  # the real one, once listening

    def startService(self) -> None:
        """:raises ConfigError: a key file is missing, unreadable or open to others, or the port cannot be had."""
        super().startService()
        if not self._settings.enabled:
            return
        factory = self._factory = self._make_factory()
        try:
            self._port = self._reactor.listenTCP(
                self._settings.manhole_port, factory, interface=self._settings.manhole_address
            )
        except CannotListenError as error:
            raise ConfigError(
                f"the manhole cannot listen on {self._settings.manhole_address} port {self._settings.manhole_port}: "
                f"{error.socketError}; choose another manhole_port or set enabled = false"
            ) from error
        host: Any = self._port.getHost()
        self.port = host.port
        self._log.warn(
            "The manhole is open: ssh -p {port} {user}@{address} runs any code as this process",
            port=self.port,
            user=USER,
            address=self._settings.manhole_address,
        )

    def stopService(self) -> Deferred[Any]:
        super().stopService()
        port, self._port = self._port, None
        for each in list(self._factory.open) if self._factory is not None else ():
            each.loseConnection()
        return maybeDeferred(port.stopListening) if port is not None else succeed(None)

    def _make_factory(self) -> SshFactory:
        realm: Any = TerminalRealm()
        realm.sessionFactory = self._make_shell
        database = InMemorySSHKeyDB({USER.encode(): self._authorized_keys()})
        portal = Portal(realm, [SSHPublicKeyChecker(database)])
        return SshFactory(portal, self._host_key(), self._settings.max_consoles)

    def _make_shell(self, original: Any) -> Shell:
        shell = Shell(original)
        shell.make_console = self._make_console
        return shell

    def _make_console(self, pending: Callable[[], int], leave: Callable[[], None]) -> Console:
        console = Console(self._banner, pending, leave)
        console.namespace = dict(self._namespace(console))
        return console

    def _host_key(self) -> Key:
        path = self._home / self._settings.host_key_file
        cure = f"make one: ssh-keygen -t ed25519 -N '' -f {path}"
        try:
            if path.stat().st_mode & 0o077:
                raise ConfigError(f"the manhole's host key {path} is open to others; chmod 600 {path}")
            content = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"the manhole's host key {path} cannot be read ({error.strerror}); {cure}") from error
        try:
            key: Key = Key.fromString(content)
        except Exception as error:  # the parser raises what it stumbles over
            raise ConfigError(f"{path} is no private key without a passphrase; {cure}") from error
        if key.isPublic():
            raise ConfigError(f"{path} is a public key; {cure}")
        return key

    def _authorized_keys(self) -> list[Key]:
        path = self._home / self._settings.authorized_keys_file
        try:
            if path.stat().st_mode & 0o022:
                raise ConfigError(f"the manhole's authorized keys {path} can be changed by others; chmod 600 {path}")
            text = read_text(path.read_bytes())
        except NotText as error:
            raise ConfigError(f"the manhole's authorized keys {path}: {error}") from None
        except OSError as error:
            raise ConfigError(
                f"the manhole's authorized keys {path} cannot be read ({error.strerror}); "
                "put the public keys of its users there, one a line"
            ) from error
        keys: list[Key] = []
        for number, line in enumerate(text.split("\n"), 1):
            try:
                keys += readAuthorizedKeyFile(BytesIO(line.encode()))
            except Exception as error:  # the parser raises what it stumbles over
                cure = f"line {number} of {path} is no public key; correct it or begin it with #"
                raise ConfigError(cure) from error
        if not keys:
            raise ConfigError(f"{path} holds no public key; put those of the manhole's users there, one a line")
        return keys
