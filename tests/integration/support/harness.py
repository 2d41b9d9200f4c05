"""What the integration tests stand on: the daemon as a process, and real Socket.IO clients in a Node process.

Every wait is for a log line, a record or an exit, or asks again (``until``), with a timeout that only failures reach.
``Daemon`` starts ``twistd newage``; ``Driver`` runs ``driver.js``; ``Hub`` binds the two and is what a test works with.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import http.client
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from socket import create_server
from types import TracebackType
from typing import IO, Any, NamedTuple

from forked import Forge, Forked, fits
from remote import Remote

HERE = Path(__file__).parent.parent
CHECKOUT = HERE.parent.parent
PATIENCE = 30.0  # seconds; a shared machine may be slow, a passing test never waits that long
POLLING = ("polling",)
WEBSOCKET = ("websocket",)
UPGRADE = ("polling", "websocket")
ALL_TRANSPORTS = (POLLING, WEBSOCKET, UPGRADE)
OWN_PORTS = (20_000, 32_000)  # below those that Linux gives to whoever wants any

LISTENING = re.compile(r"Listening on http://127\.0\.0\.1:(\d+)/")
# What no daemon under test may ever write; ``Unhandled`` covers Deferreds and reactor callbacks.
ALARM = re.compile(r"Traceback \(most recent call last\)|Unhandled|\[critical\]|CRITICAL|never (awaited|retrieved)")


BRISK = "[sessions]\nsession_grace_ms = 100\n"  # settings of a hub that has whoever leaves gone soon


def until(true: Callable[[], object], what: str, timeout: float = PATIENCE) -> None:
    """Asks again and again, where nobody tells: files of another process, figures of a server."""
    end = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < end, f"not after {timeout} s: {what}"
        time.sleep(0.02)


def free_port(address: str = "127.0.0.1") -> int:
    """For a server that has to be told its port, or comes back to it: none that the system gives to other sockets."""
    while True:
        with contextlib.suppress(OSError), create_server((address, random.randrange(*OWN_PORTS))) as found:
            return int(found.getsockname()[1])


def twistd_command() -> list[str]:
    """twistd of this interpreter's environment, else the module itself."""
    script = Path(sys.executable).parent / "twistd"
    return [str(script)] if script.exists() else [sys.executable, "-m", "twisted"]


def daemon_environment() -> dict[str, str]:
    """The checkout before anything installed: its sources, and its root, where twistd finds the plugin."""
    paths = [str(CHECKOUT / "src"), str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


@functools.cache
def forge() -> Forge:
    return Forge(daemon_environment())


class Lines:
    """The output of a process, line by line, as it comes."""

    def __init__(self, stream: IO[str]) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[str]) -> None:
        try:
            for line in stream:
                with self._changed:
                    self.lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        except ValueError:
            if not stream.closed:  # else whoever reaped the process closed it meanwhile, and that is its end
                raise
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def wait_for(self, pattern: re.Pattern[str], timeout: float, since: int = 0) -> re.Match[str] | None:
        """The first match in any line from number ``since`` on; None when the output ends or the time is up."""
        deadline = time.monotonic() + timeout
        seen = since
        with self._changed:
            while True:
                for line in self.lines[seen:]:
                    if match := pattern.search(line):
                        return match
                seen = len(self.lines)
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    return None
                self._changed.wait(left)

    def join(self) -> str:
        """Everything, once the process has closed its end."""
        self._thread.join(PATIENCE)
        return "\n".join(self.lines)


class Daemon:
    """One ``twistd -n newage`` on a home directory; may be started again after it ended."""

    def __init__(self, home: Path, *options: str, port: int = 0) -> None:
        self.home = home
        self.options = options
        self.wanted_port = port
        self.port = 0
        self.process: subprocess.Popen[str] | Forked | None = None
        self.log: Lines | None = None

    @classmethod
    def configured(cls, folder: Path, settings: str) -> Daemon:
        """With these lines of TOML, and its home, in that folder."""
        config = folder / "newage.toml"
        config.write_text(settings, "utf-8")
        return cls(folder / "home", "--config", str(config))

    @classmethod
    def strict(cls, folder: Path) -> Daemon:
        """It wants proof of everybody, as fast as they come."""
        return cls.configured(folder, "[auth]\nnetwork_safe = false\npairing_tries_per_minute = 100\n")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        start = [*twistd_command(), "-n", "--pidfile=", "newage"]
        return [*start, "--home", str(self.home), "--port", str(self.wanted_port), *self.options]

    def environment(self) -> dict[str, str]:
        return daemon_environment()

    def launch(self) -> None:
        """Start the process without waiting for it to listen."""
        self.home.parent.mkdir(parents=True, exist_ok=True)
        command, environment = self.command(), self.environment()
        twistd = twistd_command()
        if (
            command[: len(twistd)] == twistd
            and not os.environ.get("NEWAGE_NIGHTLY")
            and fits(environment, forge().environment)
        ):
            self.process = Forked(forge(), ["twistd", *command[len(twistd) :]], self.home.parent, environment)
        else:
            self.process = subprocess.Popen(
                command,
                cwd=self.home.parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        assert self.process.stdout is not None
        self.log = Lines(self.process.stdout)

    def start(self) -> Daemon:
        self.launch()
        assert self.log is not None
        found = self.log.wait_for(LISTENING, 3 * PATIENCE)
        if found is None:
            self.kill()
            raise AssertionError(f"the daemon did not come up:\n{self.log.join()}")
        self.port = int(found.group(1))
        return self

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> float:
        """Ask it to end; it must, with code 0 within 10 s. Returns the seconds it took. Checks the log."""
        assert self.process is not None
        begun = time.monotonic()
        self.process.send_signal(sign)
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running 10 s after {sign.name}:\n{self.output()[-5000:]}") from None
        taken = time.monotonic() - begun
        assert code == 0, f"exit code {code}:\n{self.output()[-5000:]}"
        self.check_log()
        return taken

    def __enter__(self) -> Daemon:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def kill(self) -> None:
        """SIGKILL: as a power cut."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def end(self) -> None:
        """Whatever a test left: stop what still runs."""
        if self.process is not None and self.process.poll() is None:
            self.stop()

    def output(self) -> str:
        assert self.log is not None
        return self.log.join() if self.process is None or self.process.poll() is not None else "\n".join(self.log.lines)

    def check_log(self) -> None:
        """No traceback, no unhandled error: neither on the terminal nor in the log files."""
        texts = [self.output(), *(p.read_text("utf-8", "replace") for p in sorted(self.home.glob("logs/*.log")))]
        for text in texts:
            if found := ALARM.search(text):
                around = text[max(0, found.start() - 1500) : found.start() + 4000]
                raise AssertionError(f"the daemon reported a fault:\n{around}")

    def get(
        self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET", body: bytes | None = None
    ) -> Response:
        """One plain HTTP request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            return Response(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()


def operator(daemon: Daemon, *arguments: str) -> subprocess.Popen[str]:
    """The command `newage`, for its operator to talk with."""
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "newage.cli", "--home", str(daemon.home), *arguments],
        env=daemon_environment(),
        cwd="/",
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def new_key(daemon: Daemon, *arguments: str) -> str:
    """What `newage keys new` with these arguments makes."""
    said, errors = operator(daemon, "keys", "new", *arguments).communicate(timeout=30)
    found = [word for word in said.split() if word.startswith("sk-newage-")]
    assert len(found) == 1, errors
    return found[0]


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Record(NamedTuple):
    """One thing that happened to one client; names with ``@`` come from the library, others from the wire."""

    event: str
    args: list[Any]
    at: float  # milliseconds on the driver's clock

    @property
    def first(self) -> Any:
        return self.args[0] if self.args else None


def _bytes_in(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"$bytes"}:
            return base64.b64decode(value["$bytes"])
        return {key: _bytes_in(member) for key, member in value.items()}
    return [_bytes_in(member) for member in value] if isinstance(value, list) else value


def _bytes_out(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {key: _bytes_out(member) for key, member in value.items()}
    return [_bytes_out(member) for member in value] if isinstance(value, list | tuple) else value


class DriverError(AssertionError):
    """A command failed in the driver: no ack in time, no such socket."""


class Driver(Remote):
    """The Node process that holds the clients, and everything they have experienced so far."""

    def __init__(self) -> None:
        assert (HERE / "node_modules" / "socket.io-client").is_dir(), f"run `npm ci` in {HERE} first"
        self._records: dict[str, list[Record]] = {}
        super().__init__(HERE / "driver.js", error=DriverError)

    def _told(self, said: Mapping[str, Any]) -> None:
        record = Record(said["e"], _bytes_in(said["a"]), said["t"])
        self._records.setdefault(said["s"], []).append(record)

    def result(self, number: int, timeout: float = PATIENCE) -> Any:
        return _bytes_in(super().result(number, timeout))

    def do(self, op: str, timeout: float = PATIENCE, **fields: Any) -> Any:
        return self.result(self.post(op, **fields), timeout)

    def records(self, name: str) -> list[Record]:
        with self._changed:
            return list(self._records.get(name, ()))

    def wait(self, name: str, wanted: Callable[[list[Record]], Any], timeout: float, what: str) -> Any:
        """The first true value of ``wanted(records of name)``."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                records = self._records.get(name, [])
                if value := wanted(records):
                    return value
                left = deadline - time.monotonic()
                if left <= 0 or self._over:
                    seen = "\n".join(f"  {r.event} {str(r.args)[:300]}" for r in records[-30:])
                    raise AssertionError(
                        f"{name} waited {timeout} s in vain for {what}; it has seen:\n{seen or '  nothing'}"
                    )
                self._changed.wait(left)

    def faults(self) -> list[str]:
        """Exceptions that a library or the stand-in let escape since the last call."""
        with self._changed:
            return [record.args[0] for record in self._records.pop("@driver", [])]

    def reset(self) -> None:
        """Close every client and forget what they have seen."""
        self.do("reset")
        with self._changed:
            self._records = {name: records for name, records in self._records.items() if name == "@driver"}


class Witness:
    """Something with a name in the driver that has records."""

    def __init__(self, driver: Driver, name: str) -> None:
        self.driver = driver
        self.name = name

    @property
    def records(self) -> list[Record]:
        return self.driver.records(self.name)

    def mark(self) -> int:
        """A point in time for ``since``."""
        return len(self.records)

    def all(self, event: str, where: Callable[..., Any] | None = None, since: int = 0) -> list[Record]:
        """What has arrived until now, no waiting."""
        return _matching(self.records[since:], event, where)

    def payloads(self, event: str, where: Callable[..., Any] | None = None, since: int = 0) -> list[Any]:
        return [record.first for record in self.all(event, where, since)]

    def wait(
        self,
        event: str,
        where: Callable[..., Any] | None = None,
        *,
        count: int = 1,
        since: int = 0,
        timeout: float = PATIENCE,
    ) -> Record:
        """The ``count``-th record of that event for whose arguments ``where`` holds."""

        def wanted(records: list[Record]) -> Record | None:
            found = _matching(records[since:], event, where)
            return found[count - 1] if len(found) >= count else None

        return self.driver.wait(self.name, wanted, timeout, f"{event} no. {count}")  # type: ignore[no-any-return]

    def payload(self, event: str, where: Callable[..., Any] | None = None, **options: Any) -> Any:
        """The first argument of the awaited event."""
        return self.wait(event, where, **options).first


def _matching(records: Sequence[Record], event: str, where: Callable[..., Any] | None) -> list[Record]:
    return [record for record in records if record.event == event and (where is None or where(*record.args))]


class Socket(Witness):
    """One socket.io-client socket in one namespace."""

    def __init__(self, driver: Driver, name: str, engine: str) -> None:
        super().__init__(driver, name)
        self.engine = Witness(driver, engine)

    def connected(self) -> Socket:
        self.wait("@connect")
        return self

    def emit(self, *args: Any) -> None:
        self.driver.do("emit", socket=self.name, args=_bytes_out(args))

    def burst(self, packets: Sequence[Sequence[Any]], gap: int = 0) -> None:
        """Many events in order, ``gap`` milliseconds apart."""
        self.driver.do(
            "burst", PATIENCE + len(packets) * gap / 500, socket=self.name, packets=_bytes_out(packets), gap=gap
        )

    def call(self, *args: Any, timeout: float = 20.0) -> Any:
        """Emit with an ack; returns the ack's first argument."""
        reply = self.call_all(*args, timeout=timeout)
        return reply[0] if reply else None

    def call_all(self, *args: Any, timeout: float = 20.0) -> list[Any]:
        """Emit with an ack; returns all of its arguments."""
        reply: list[Any] = self.driver.result(self.post_call(*args, timeout=timeout), timeout + 5)
        return reply

    def post_call(self, *args: Any, timeout: float = 20.0) -> int:
        """Emit with an ack that is awaited later by ``driver.result``."""
        return self.driver.post("call", socket=self.name, args=_bytes_out(args), timeout=timeout * 1000)

    def ask(self, *args: Any) -> None:
        """Emit with an ack, which becomes a record ``@ack`` with the event's name and its arguments."""
        self.driver.do("ask", socket=self.name, args=_bytes_out(args))

    def fence(self) -> None:
        """Come back when the server has handled all that this socket sent, and what it then sent has arrived."""
        if self.name.endswith(":llm") or self.nsp == "/llm":
            request_id = f"fence-{next(_fences)}"
            self.emit("message", {"type": 0, "data": "Connection active?", "source": "client", "requestId": request_id})
            self.wait("message", lambda payload: payload["requestId"] == request_id)
        else:
            self.driver.result(self.post_call("GET_CLIENT_LIST", {}))

    nsp = ""

    def transport(self) -> str:
        return str(self.driver.do("transport", engine=self.engine.name))

    def disconnect(self) -> None:
        self.driver.do("disconnect", socket=self.name)

    def close_engine(self) -> None:
        self.driver.do("close", engine=self.engine.name)

    def kill_transport(self) -> None:
        self.driver.do("kill", engine=self.engine.name)

    def refusal(self) -> dict[str, Any]:
        """The ERROR of a refusal as contract 2.5 wants it: CONNECT, ERROR, DISCONNECT; never CONNECT_ERROR."""
        self.wait("@disconnect")
        events = [record.event for record in self.records]
        assert events == ["@connect", "ERROR", "@disconnect"], events
        assert self.records[-1].first == "io server disconnect"
        error: dict[str, Any] = self.records[1].first
        assert error["type"] == "ERROR"
        assert error["errorCode"] in (5, 6)
        return error


_fences = itertools.count(1)


class Extension(Witness):
    """The stand-in of the reference extension (extension.js); its sockets are attributes: ``llm``, ``auth`` ..."""

    def __init__(self, driver: Driver, name: str, port: str) -> None:
        super().__init__(driver, name)
        self.client_id = f"SillyTavern-{port}"

    def __getattr__(self, label: str) -> Socket:
        engines = {"llm": "E3", "auth": "E3", "clients": "E3", "function_call": "E4", "clients2": "E5", "safe": "E2"}
        if label not in (*engines, "probe", "sillytavern"):
            raise AttributeError(label)
        socket = Socket(self.driver, f"{self.name}:{label}", f"{self.name}:{engines.get(label, 'E1')}")
        socket.nsp = {"clients2": "/clients", "safe": "/function_call", "probe": "/function_call"}.get(
            label, f"/{label}"
        )
        return socket

    def start(self) -> dict[str, Any]:
        """The whole start sequence; returns what the extension learnt from it."""
        learnt: dict[str, Any] = self.driver.do("extension_start", name=self.name)
        return learnt

    def start_quickly(self) -> Extension:
        """Only the ``/llm`` socket."""
        self.driver.do("extension_start", name=self.name, quick=True)
        return self

    def answers(self, kind: str, **how: Any) -> Extension:
        self.driver.do("extension_answer", name=self.name, answer={"kind": kind, **how})
        return self

    def stream(self, tokens: Sequence[str], **options: Any) -> str:
        """Send tokens now, as contract 5.6 describes them; returns the outputId."""
        timeout = PATIENCE + len(tokens) * options.get("gap", 0) / 500
        return str(self.driver.do("extension_tokens", timeout, name=self.name, tokens=list(tokens), options=options))

    def stop(self) -> None:
        self.driver.do("extension_stop", name=self.name)

    # what a model server has as well (``answering.ModelServer``)

    def packet(self, request_id: str) -> Any:
        """What it was forwarded of that request, which may still be on its way."""
        return self.llm.payload("LLM_REQUEST", lambda body: body["requestId"] == request_id)

    def asked_for(self, request_id: str, *words: str, **members: Any) -> None:
        """It is asked for these words, merged in this order; its packet holds these members, too."""
        packet = self.packet(request_id)
        assert packet["message"] == "\n\n".join(words)
        assert {name: packet[name] for name in members} == members

    def not_asked(self, *request_ids: str) -> None:
        """None of these has come."""
        self.llm.fence()
        assert not self.llm.all("LLM_REQUEST", lambda body: body["requestId"] in request_ids)

    def context_of(self, request_id: str) -> list[str]:
        """The words before it and its own, as the extension was given them."""
        return [each["message"] for each in self.packet(request_id)["context"] if not each.get("isSystem")]

    def reply(self, request_id: str, text: str) -> None:
        """Answer it, in one piece."""
        ids = {"requestId": request_id, "outputId": request_id + "-o"}
        self.llm.emit("message", {"type": 0, "data": text, "source": "client", **ids})

    def fail(self, request_id: str) -> None:
        """It comes to nothing."""
        self.llm.emit("ERROR", {"type": "ERROR", "message": "broken", "requestId": request_id})

    def begin(self, request_id: str, pieces: Sequence[str], at_first: int) -> Callable[[], None]:
        """Say the first of these pieces, and the others when what is returned is called."""
        ids = {"streamId": f"{self.name}-s", "outputId": f"{self.name}-o", "requestId": request_id, "target": "server"}
        event = "CLIENT_STREAM_DATA_MIDDLE"
        data = [[event, {"type": 5, **ids, "chunkIndex": n, "data": text}] for n, text in enumerate(pieces)]
        self.packet(request_id)
        self.llm.burst([["CLIENT_STREAM_START", {"type": 1, **ids}], *data[:at_first]])
        end = ["CLIENT_STREAM_END", {"type": 3, **ids, "final": True}]
        return lambda: self.llm.burst([*data[at_first:], end])


class Hub:
    """A running daemon as seen by one test: makes clients with names of their own."""

    _numbers = itertools.count(1)
    _ports = itertools.count(20001)

    def __init__(self, daemon: Daemon, driver: Driver, socket: Callable[[Driver, str, str], Socket] = Socket) -> None:
        self.daemon = daemon
        self._socket = socket
        self.driver = driver

    def new_id(self, stem: str = "web") -> str:
        return f"{stem}-{next(self._numbers)}"

    def engine(self, transports: Sequence[str] = WEBSOCKET, **options: Any) -> str:
        """One engine connection (a socket.io Manager) for several namespaces."""
        name = f"engine-{next(self._numbers)}"
        self.driver.do("engine", name=name, url=self.daemon.url, options={"transports": list(transports), **options})
        return name

    def open(
        self,
        nsp: str,
        auth: Any,
        *,
        transports: Sequence[str] = WEBSOCKET,
        engine: str | None = None,
        streams: Sequence[str] = (),
        library: str = "node",
        stall: bool = False,
        shorten: bool = False,
        replies: Mapping[str, Sequence[Any]] | None = None,
        **options: Any,
    ) -> Socket:
        """A socket with exactly this auth payload (None: none at all), not awaited.

        ``streams``: types the stream library listens to, in its ``library`` build 'node' or 'browser'; ``stall``: it
        takes one chunk and hangs. ``shorten``: keep only the lengths of long texts.
        """
        engine = engine or self.engine(transports, **options)
        name = f"{engine}{nsp}"
        reader = {"types": list(streams), "library": library, "stall": stall} if streams else None
        fields: dict[str, Any] = {"streams": reader, "shorten": shorten, "replies": _bytes_out(dict(replies or {}))}
        if auth is not None:
            fields["auth"] = auth
        self.driver.do("socket", name=name, engine=engine, nsp=nsp, **fields)
        socket = self._socket(self.driver, name, engine)
        socket.nsp = nsp
        return socket

    def client(self, client_id: str, nsp: str = "/llm", *, auth: Mapping[str, Any] | None = None, **how: Any) -> Socket:
        """A docs-style client, connected."""
        return self.open(nsp, {"clientType": "web-app", "clientId": client_id, **(auth or {})}, **how).connected()

    def monitor(self, nsp: str = "/llm", **how: Any) -> Socket:
        """The monitor page's handshake, its stale key included (captures/monitor.json)."""
        stale = "2b$10$tBhT3d0vsSo66fthSdbdXeYNCA8DZpUCMS.xD3r.8SY82F/RjCkvW"
        auth = {"clientType": "monitor", "clientId": "monitor", "key": stale, "desc": "服务器监控网页"}
        return self.open(nsp, auth, **how).connected()

    def extension(
        self,
        port: str | None = None,
        *,
        transports: Sequence[str] | None = None,
        declares: dict[str, Any] | None = None,
        back_after: int = 0,
        **answer: Any,
    ) -> Extension:
        """A stand-in of the reference extension, not started; keyword arguments say how it answers.

        :param declares: what it says of itself in its handshake beyond what the reference one says, as ``capacity``.
        :param back_after: milliseconds until it tries to come back after a loss; 0: a second, as the reference one.
        """
        port = port if port is not None else str(next(self._ports))
        name = f"extension-{next(self._numbers)}"
        manager = {"transports": list(transports)} if transports else {}
        options: dict[str, Any] = {"port": port, "options": manager}
        if back_after:
            options["options"] = {**manager, "reconnectionDelay": back_after}
        if declares:
            options["declares"] = declares
        if answer:
            options["answer"] = answer
        self.driver.do("extension", name=name, url=self.daemon.url, options=options)
        return Extension(self.driver, name, port)


def visit(hub: Hub) -> Iterator[Hub]:
    """For one test; at its end its clients are closed and the log is checked."""
    yield hub
    hub.driver.reset()
    faults = hub.driver.faults()
    assert not faults, "a client library threw:\n" + "\n".join(faults)
    assert hub.daemon.process is not None
    assert hub.daemon.process.poll() is None, f"the daemon died:\n{hub.daemon.output()[-5000:]}"
    hub.daemon.check_log()


def request(request_id: str, target: Any = None, message: str = "hello", **more: Any) -> dict[str, Any]:
    """The payload of an LLM_REQUEST as a client of the published docs writes it."""
    payload: dict[str, Any] = {"requestId": request_id, "message": message, **more}
    if target is not None:
        payload["target"] = target
    return payload
