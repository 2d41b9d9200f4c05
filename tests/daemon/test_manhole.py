"""The console without a network: keys that are refused, bounds, what goes to the audit log."""

# mypy: allow-untyped-calls
from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from twisted.conch.error import ConchError, IgnoreAuthentication
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError, ConnectionDone
from twisted.internet.testing import MemoryReactor, StringTransport
from twisted.python.failure import Failure

from logkit import Logged
from newage.daemon.manhole import (
    LOGGED_REFUSALS_PER_SECOND,
    MAX_PENDING,
    Authentication,
    Console,
    Manhole,
    Shell,
)
from newage.daemon.manhole_settings import ManholeSettings
from newage.errors import ConfigError

BANNER = "a banner\nof two lines"


@pytest.fixture(scope="session")
def made_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "plain")], check=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(folder / "locked")], check=True)
    return folder


class Place:
    """A home with good keys."""

    def __init__(self, home: Path, made: Path) -> None:
        (home / "keys").mkdir()
        self.home = home
        self.made = made
        self.host_key = home / "keys" / "manhole_host_key"
        self.authorized = home / "keys" / "manhole_authorized_keys"
        self.reactor = MemoryReactor()
        self.write(self.host_key, (made / "plain").read_bytes())
        self.write(self.authorized, (made / "plain.pub").read_bytes())

    def write(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        path.chmod(0o600)

    def manhole(self, reactor: Any = None, **settings: Any) -> Manhole:
        wanted = ManholeSettings(**{"enabled": True, "manhole_port": 0, **settings})
        return Manhole(reactor or self.reactor, wanted, self.home, self.namespace, BANNER)

    def namespace(self, console: Console) -> Mapping[str, Any]:
        return {"console": console}

    def refusal(self, **settings: Any) -> str:
        with pytest.raises(ConfigError) as refused:
            self.manhole(**settings).startService()
        assert self.reactor.tcpServers == []
        assert len(str(refused.value).splitlines()) == 1
        return str(refused.value)


@pytest.fixture
def place(tmp_path: Path, made_keys: Path) -> Place:
    return Place(tmp_path, made_keys)


class TestStarting:
    def test_off_by_default_and_then_nothing_is_needed(self, tmp_path: Path) -> None:
        reactor = MemoryReactor()
        manhole = Manhole(reactor, ManholeSettings(), tmp_path, lambda console: {}, BANNER)
        manhole.startService()
        assert reactor.tcpServers == []
        assert manhole.stopService().called

    def test_on_loopback_and_it_says_so(self, place: Place, logged: Logged) -> None:
        manhole = place.manhole(manhole_port=4022)
        manhole.startService()
        [(port, _, _, interface)] = place.reactor.tcpServers
        assert (port, interface) == (4022, "127.0.0.1")
        [said] = logged()
        assert said.startswith("The manhole is open: ssh -p ")
        manhole.stopService()

    def test_a_port_that_is_taken(self, place: Place) -> None:
        class Taken(MemoryReactor):
            def listenTCP(self, port: int, *args: Any, **more: Any) -> Any:
                raise CannotListenError("127.0.0.1", port, OSError("in use"))

        with pytest.raises(ConfigError, match=r"cannot listen on 127\.0\.0\.1 port 4022: in use; choose another"):
            place.manhole(Taken(), manhole_port=4022).startService()

    @pytest.mark.parametrize("port", [-1, 65536])
    def test_a_port_that_is_none(self, port: int) -> None:
        with pytest.raises(ValueError, match="manhole_port"):
            ManholeSettings(manhole_port=port)


class TestKeys:
    def test_no_host_key(self, place: Place) -> None:
        place.host_key.unlink()
        assert "cannot be read (No such file or directory); make one: ssh-keygen" in place.refusal()

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
    def test_a_host_key_open_to_others(self, place: Place, mode: int) -> None:
        place.host_key.chmod(mode)
        assert f"is open to others; chmod 600 {place.host_key}" in place.refusal()

    @pytest.mark.parametrize("content", [b"", b"garbage", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", b"\xff\x00"])
    def test_a_host_key_that_is_none(self, place: Place, content: bytes) -> None:
        place.write(place.host_key, content)
        assert "is no private key without a passphrase; make one" in place.refusal()

    def test_a_host_key_with_a_passphrase(self, place: Place) -> None:
        place.write(place.host_key, (place.made / "locked").read_bytes())
        assert "is no private key without a passphrase" in place.refusal()

    def test_a_public_key_as_host_key(self, place: Place) -> None:
        place.write(place.host_key, (place.made / "plain.pub").read_bytes())
        assert "is a public key" in place.refusal()

    def test_no_authorized_keys(self, place: Place) -> None:
        place.authorized.unlink()
        assert "cannot be read (No such file or directory); put the public keys" in place.refusal()

    @pytest.mark.parametrize("content", [b"", b"# only a comment\n\n"])
    def test_empty_authorized_keys(self, place: Place, content: bytes) -> None:
        place.write(place.authorized, content)
        assert "holds no public key" in place.refusal()

    @pytest.mark.parametrize("content", [b"nonsense\n", b"\xef\xbb\xbfnonsense\r\n"])
    def test_lines_that_are_no_keys_let_nobody_in(self, place: Place, content: bytes) -> None:
        place.write(place.authorized, content)
        assert "holds no public key" in place.refusal()

    def test_authorized_keys_with_a_damaged_key(self, place: Place) -> None:
        place.write(place.authorized, place.authorized.read_bytes() + b"ssh-ed25519 !!!\n")
        assert "line 2 of " in place.refusal()

    def test_authorized_keys_that_are_no_text(self, place: Place) -> None:
        place.write(place.authorized, place.authorized.read_bytes() + b"\xe9\n")
        assert "line 2 is not UTF-8" in place.refusal()

    def test_authorized_keys_of_any_editor(self, place: Place) -> None:
        place.write(place.authorized, b"\xef\xbb\xbf" + place.authorized.read_bytes().replace(b"\n", b"\r\n"))
        place.manhole().startService()

    def test_authorized_keys_that_others_can_change(self, place: Place) -> None:
        place.authorized.chmod(0o620)
        assert f"can be changed by others; chmod 600 {place.authorized}" in place.refusal()

    def test_files_elsewhere(self, place: Place, tmp_path: Path) -> None:
        place.host_key.rename(tmp_path / "host")
        place.authorized.rename(tmp_path / "users")
        manhole = place.manhole(host_key_file=str(tmp_path / "host"), authorized_keys_file="users")
        manhole.startService()
        assert len(place.reactor.tcpServers) == 1


class TestConnections:
    def test_so_many_at_once(self, place: Place) -> None:
        manhole = place.manhole(max_consoles=2)
        manhole.startService()
        factory: Any = place.reactor.tcpServers[0][1]
        factory.doStart()
        made = [factory.buildProtocol(None) for _ in range(2)]
        for each in made:
            each.makeConnection(StringTransport())
        assert factory.buildProtocol(None) is None
        made[0].connectionLost(Failure(ConnectionDone()))
        another = factory.buildProtocol(None)
        assert another is not None
        manhole.stopService()
        assert made[1].transport.disconnecting
        made[1].connectionLost(Failure(ConnectionDone()))


class Tried:
    """An authentication whose outcome the test decides."""

    def __init__(self, outcome: Callable[[], Deferred[Any]]) -> None:
        class Fixed(Authentication):
            supportedAuthentications: Any = (b"publickey",)

            def auth_publickey(self, data: bytes) -> Deferred[Any]:
                return outcome()

        self.service = Fixed()

    def on(self, place: Place) -> Tried:
        manhole = place.manhole()
        manhole.startService()
        factory: Any = place.reactor.tcpServers[-1][1]
        factory.doStart()
        transport = factory.buildProtocol(None)
        transport.makeConnection(StringTransport())
        self.service.transport = transport
        return self

    def tries(self, kind: bytes = b"publickey", user: bytes = b"newage") -> None:
        self.service.tryAuth(kind, user, b"").addErrback(lambda failure: None)


class TestAudit:
    def test_who_gets_in(self, place: Place, logged: Logged) -> None:
        Tried(lambda: succeed("avatar")).on(place).tries()
        [fact] = logged.audited()
        assert (fact["action"], fact["outcome"], fact["clientId"]) == ("manhole.login", "ok", "newage")
        assert fact["address"] == "192.168.1.1"  # StringTransport's peer
        assert logged.tags() == ["CLIENT_AUTHENTICATED"]

    def test_who_does_not(self, place: Place, logged: Logged) -> None:
        tried = Tried(lambda: fail(UnauthorizedLogin())).on(place)
        tried.tries(user=b"root\xff" + b"x" * 100)
        tried.tries(b"password")
        first, second = logged.audited()
        assert (first["outcome"], first["method"], first["clientId"]) == ("refused", "publickey", "root�" + "x" * 59)
        assert second["method"] == "password"

    def test_questions_are_no_attempts(self, place: Place, logged: Logged) -> None:
        tried = Tried(lambda: fail(IgnoreAuthentication())).on(place)
        tried.tries()
        tried.tries(b"none")
        assert logged.audited() == []

    def test_who_hammers_does_not_fill_the_disk(self, place: Place, logged: Logged) -> None:
        tried = Tried(lambda: fail(ConchError("no"))).on(place)
        for _ in range(50):
            tried.tries()
        assert len(logged.audited()) <= 2 * LOGGED_REFUSALS_PER_SECOND  # a second may turn in between


class Terminal:
    """What a console writes to."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.lastWrite = b""
        self.lost = False

    def write(self, data: Any) -> None:
        self.lastWrite = data if isinstance(data, bytes) else data.encode()
        self.written.append(self.lastWrite)

    def nextLine(self) -> None:
        self.write(b"\n")

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: None

    @property
    def text(self) -> str:
        return b"".join(self.written).decode()


class Reader:
    """A console, how much it has not read, and whether it was left."""

    def __init__(self) -> None:
        self.pending = 0
        self.left = 0
        self.terminal = Terminal()
        self.console = Console(BANNER, lambda: self.pending, self.leave)
        self.console.makeConnection(self.terminal)

    def leave(self) -> None:
        self.left += 1


class TestConsole:
    def test_it_greets(self) -> None:
        assert Reader().terminal.text.startswith("a banner\nof two lines\n>>> ")

    def test_what_it_evaluates_is_shown(self) -> None:
        reader = Reader()
        reader.console.lineReceived(b"6 * 7")
        assert "42" in reader.terminal.text

    def test_lines_that_come_by_themselves(self) -> None:
        reader = Reader()
        reader.console.say("web1#0 <- né\udc80")
        assert "web1#0 <- né\\udc80\n>>> " in reader.terminal.text

    def test_a_reader_that_is_slow_misses_some(self) -> None:
        reader = Reader()
        reader.pending = MAX_PENDING + 1
        for number in range(3):
            reader.console.say(f"line {number}")
        assert "line" not in reader.terminal.text.removeprefix(BANNER)[8:]
        reader.pending = MAX_PENDING
        reader.console.say("line 3")
        reader.console.say("line 4")
        assert "(3 lines left out)\nline 3\n" in reader.terminal.text
        assert reader.terminal.text.count("left out") == 1

    def test_the_end_of_a_line_of_input_leaves(self) -> None:
        reader = Reader()
        reader.console.handle_EOF()
        assert reader.left == 1

    def test_what_was_promised_for_the_end_is_done_once(self) -> None:
        reader = Reader()
        ends: list[int] = []
        reader.console.at_end(lambda: ends.append(1))
        reader.console.at_end(lambda: ends.append(2))
        reader.console.connectionLost(Failure(ConnectionDone()))
        reader.console.connectionLost(Failure(ConnectionDone()))
        assert ends == [2, 1]


class Process:
    """conch's side of a session."""

    def __init__(self) -> None:
        self.session = self
        self.buf: bytes | None = None
        self.said = b""
        self.ended: list[int] = []

    def errReceived(self, data: bytes) -> None:
        self.said += data

    def processEnded(self, reason: Failure) -> None:
        outcome: Any = reason.value
        self.ended.append(outcome.exitCode)


class TestShell:
    def test_a_command_is_refused_with_advice(self) -> None:
        process = Process()
        Shell(None).execCommand(process, b"status()")
        assert b"echo 'status()' | ssh -T" in process.said
        assert process.ended == [1]

    def test_the_end_of_input_is_the_end(self) -> None:
        process = Process()
        shell = Shell(None)
        shell.eofReceived()
        shell.execCommand(process, b"")
        shell.eofReceived()
        assert process.ended == [1, 0]

    def test_a_window_may_change(self) -> None:
        Shell(None).windowChanged((1, 2, 3, 4))
