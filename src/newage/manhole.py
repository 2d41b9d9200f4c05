"""A Python console inside the running hub, over SSH: for operators, off by default.

Loopback unless told otherwise, public keys only, with a host key and authorized keys of the operator's own: without
them it refuses to start. Whoever gets in can do everything the process can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from attrs import field, frozen
from attrs.validators import and_, ge, le
from twisted.application.service import Service
from twisted.conch.checkers import InMemorySSHKeyDB, SSHPublicKeyChecker, readAuthorizedKeyFile
from twisted.conch.insults.insults import ServerProtocol
from twisted.conch.manhole import ColoredManhole
from twisted.conch.manhole_ssh import ConchFactory, TerminalRealm, TerminalSession
from twisted.conch.ssh.keys import BadKeyError, EncryptedKeyError, Key
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from newage.errors import ConfigError

USER = "newage"  # the only account; its authorized keys are the operator's file


@frozen(kw_only=True)
class ManholeSettings:
    """The operator's console over SSH."""

    enabled: bool = field(default=False, metadata={"doc": "open the console"})
    manhole_port: int = field(default=4022, validator=and_(ge(0), le(65535)), metadata={"doc": "TCP port; 0 = any"})
    manhole_address: str = field(default="127.0.0.1", metadata={"doc": "IP address it listens on"})
    host_key_file: str = field(
        default="keys/manhole_host_key",
        metadata={
            "doc": "private key of the console, made by: ssh-keygen -t ed25519 -N '' -f FILE; relative to the home"
        },
    )
    authorized_keys_file: str = field(
        default="keys/manhole_authorized_keys",
        metadata={"doc": "public keys that may log in, one a line; relative to the home"},
    )


class Console(ColoredManhole):
    """Greets with what is there to look at."""

    def __init__(self, namespace: Mapping[str, Any], banner: str) -> None:
        super().__init__(dict(namespace))
        self._banner = banner
        self._traces: list[Any] = []

    def initializeScreen(self) -> None:
        self.terminal.reset()
        for line in self._banner.splitlines():
            self.terminal.write(line.encode())
            self.terminal.nextLine()
        self.terminal.write(self.ps[self.pn])
        self.setInsertMode()

    def say(self, line: str) -> None:
        """One line of output that comes by itself, between what is being typed."""
        self.addOutput(line.encode("utf-8", "backslashreplace"), True)

    def connectionLost(self, reason: Any) -> None:
        for trace in self._traces:
            trace.stop()
        super().connectionLost(reason)

    def keep(self, trace: Any) -> None:
        """Stopped with the console."""
        self._traces.append(trace)


class Shell(TerminalSession):
    """A shell and nothing else; a resized window is no error."""

    def windowChanged(self, newWindowSize: Any) -> None:
        """The console wraps by itself."""

    def eofReceived(self) -> None:
        """The console sees ^D itself."""


class Realm(TerminalRealm):
    sessionFactory = Shell


class Manhole(Service):
    """
    :param reactor: to listen with (``IReactorTCP``).
    :param home: what relative file names are relative to.
    :param namespace: what the console offers, by name; called for each console, with the console.
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
        self.port = 0  # the real one, once listening

    def startService(self) -> None:
        """:raises ConfigError: a key file is missing, unreadable or open to others, or the port cannot be had."""
        super().startService()
        if not self._settings.enabled:
            return
        factory = self._factory()
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
        return maybeDeferred(port.stopListening) if port is not None else maybeDeferred(lambda: None)

    def _factory(self) -> Any:
        host_key = self._host_key()
        database = InMemorySSHKeyDB({USER.encode(): self._authorized_keys()})
        realm: Any = Realm()
        realm.chainedProtocolFactory = lambda: ServerProtocol(self._console)
        factory: Any = ConchFactory(Portal(realm, [SSHPublicKeyChecker(database)]))
        factory.publicKeys = {host_key.sshType(): host_key.public()}
        factory.privateKeys = {host_key.sshType(): host_key}
        return factory

    def _console(self) -> Console:
        console = Console({}, self._banner)
        console.namespace = dict(self._namespace(console))
        return console

    def _host_key(self) -> Key:
        path = self._home / self._settings.host_key_file
        cure = f"make one: ssh-keygen -t ed25519 -N '' -f {path}"
        try:
            if path.stat().st_mode & 0o077:
                raise ConfigError(f"the manhole's host key {path} is open to others; chmod 600 {path}")
            key: Key = Key.fromString(path.read_bytes())
        except OSError as error:
            raise ConfigError(f"the manhole's host key {path} cannot be read ({error.strerror}); {cure}") from error
        except (BadKeyError, EncryptedKeyError) as error:
            raise ConfigError(f"{path} is no private key without a passphrase; {cure}") from error
        return key

    def _authorized_keys(self) -> list[Key]:
        path = self._home / self._settings.authorized_keys_file
        try:
            with path.open("rb") as file:
                keys = list(readAuthorizedKeyFile(file))
        except OSError as error:
            raise ConfigError(
                f"the manhole's authorized keys {path} cannot be read ({error.strerror}); "
                "put the public keys of its users there, one a line"
            ) from error
        if not keys:
            raise ConfigError(f"{path} holds no public key; put those of the manhole's users there, one a line")
        return keys
