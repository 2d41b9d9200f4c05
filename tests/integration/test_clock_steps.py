"""The wall clock is set while the hub runs, or is wrong when it starts: stamps follow it, and nothing else (A29).

libfaketime steps the daemon's wall clock alone; its clients, and this process, keep the machine's.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from itertools import pairwise
from pathlib import Path

import pytest
from harness import PATIENCE, Daemon, Driver, Hub, Record, Socket, daemon_environment, request, twistd_command

HOUR, DAY, YEAR = 3600, 86_400, 365 * 86_400
LATE = 5.0  # seconds that a busy machine may take; a frozen clock takes an hour
PING, TYPING, RETENTION = 0.5, 1, DAY
CONFIGURATION = f"""
[engine]
ping_interval_seconds = {PING}
ping_timeout_seconds = {LATE}

[sessions]
session_grace_ms = 100

[presence]
typing_idle_seconds = {TYPING}

[rooms]
clients_may_create_rooms = true
offline_retention_seconds = {RETENTION}
sweep_seconds = 1
"""
TOKENS = [f"{number} " for number in range(100)]
TEXT = "".join(TOKENS)
PLAIN = {"streamMode": "plain"}


def libfaketime() -> Path:
    """Where Debian's package has put it, on any architecture; the one for processes with threads."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    assert found, "libfaketime is needed for this test: .ci/packages, or apt-get install libfaketime"
    return found[0]


class WallClock:
    """The wall clock of processes with this environment: ``set`` moves it, for all of them, at once."""

    def __init__(self, folder: Path, offset: float = 0) -> None:
        self._file = folder / "faketime"
        self.offset = 0.0
        self.set(offset)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **daemon_environment(),
            "LD_PRELOAD": str(libfaketime()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # else Python's waits for its own lock end at once, and it crawls
        }

    def set(self, offset: float) -> None:
        """:param offset: seconds ahead of the machine's clock."""
        self.offset = offset
        unfinished = self._file.with_suffix(".new")
        unfinished.write_text(f"{offset:+.0f}\n", "ascii")
        unfinished.replace(self._file)

    def now(self) -> float:
        return time.time() + self.offset


class SteppedDaemon(Daemon):
    """A daemon on such a clock."""

    def __init__(self, home: Path, clock: WallClock, *options: str, reactor: str = "epoll") -> None:
        super().__init__(home, *options)
        self.clock = clock
        self.reactor = reactor

    def command(self) -> list[str]:
        return [*twistd_command(), f"--reactor={self.reactor}", *super().command()[len(twistd_command()) :]]

    def environment(self) -> dict[str, str]:
        return self.clock.environment

    def says_it_is(self) -> float:
        """The Date of an answer, in seconds since the epoch."""
        return parsedate_to_datetime(self.get("/").headers["date"]).timestamp()

    def check_dates(self) -> None:
        assert abs(self.says_it_is() - self.clock.now()) < PATIENCE, "HTTP dates are those of the wall clock"


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path)


@pytest.fixture
def make(tmp_path: Path, clock: WallClock, driver: Driver) -> Iterator[Callable[..., Hub]]:
    """Starts hubs on one home, one after the other; the last one is stopped and all logs are checked."""
    made: list[Daemon] = []
    (tmp_path / "newage.toml").write_text(CONFIGURATION, "utf-8")

    def make(**how: str) -> Hub:
        for daemon in made:
            daemon.end()
        daemon = SteppedDaemon(tmp_path / "home", clock, "--config", str(tmp_path / "newage.toml"), **how)
        made.append(daemon)
        return Hub(daemon.start(), driver)

    yield make
    driver.reset()
    for daemon in made:
        daemon.end()
    assert not driver.faults()


# ------------------------------------------------------------------------------------------------------------ the tool


def test_the_wall_clock_steps_and_the_monotonic_clock_does_not(clock: WallClock) -> None:
    """What the other tests rest on, shown in the daemon's own environment."""
    program = "import time\nwhile input():\n    print(time.time(), time.monotonic(), flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=clock.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for offset in (0, HOUR, -HOUR, 2 * DAY, -50 * YEAR, 0):
            clock.set(offset)
            before = time.monotonic()
            process.stdin.write("what time is it?\n")
            process.stdin.flush()
            wall, monotonic = map(float, process.stdout.readline().split())
            assert before <= monotonic <= time.monotonic()
            assert abs(wall - clock.now()) < 2
        process.stdin.write("\n")


# -------------------------------------------------------------------------------------------------------------- the hub


def client(hub: Hub, name: str, nsp: str = "/llm", **how: object) -> Socket:
    return hub.client(name, nsp, auth=PLAIN, **how)


def room_of_three(hub: Hub) -> tuple[Socket, Socket]:
    """``ann`` and ``gue`` in the lounge, and ``away``, who wrote something of his own and went; their sockets."""
    ann, gue, away = (client(hub, name) for name in ("ann", "gue", "away"))
    rooms = {name: client(hub, name, "/rooms") for name in ("ann", "gue", "away")}
    assert rooms["ann"].call("CREATE_ROOM", {"roomName": "lounge"})["status"] == "ok"
    for name in ("gue", "away"):
        assert rooms[name].call("JOIN_ROOM", {"roomName": "lounge"})["status"] == "ok"
    extension = hub.extension(kind="docs", chunks=["an ", "answer"]).start_quickly()
    away.emit("LLM_REQUEST", request("words", extension.client_id, "my words"))
    away.wait("REQUEST_STATUS_UPDATE", lambda update: update["status"] == "completed")
    extension.stop()
    mark = gue.mark()
    for socket in (away, rooms["away"], rooms["gue"]):
        socket.close_engine()
    gue.wait("MEMBER_STATUS_UPDATE", lambda body: (body["identity"], body["status"]) == ("away", "offline"), since=mark)
    return ann, gue


def check_nothing_is_deleted(hub: Hub, ann: Socket) -> None:
    rooms = hub.client("ann", "/rooms")
    assert {"lounge", "away"} <= set(rooms.call("GET_ROOMS")["rooms"])
    members = rooms.call("GET_CLIENTS_IN_ROOM", {"roomName": "lounge"})["clients"]
    assert {member["identity"] for member in members} == {"ann", "gue", "away"}
    away = client(hub, "away")
    missed = away.call("GET_OFFLINE_MESSAGES", {"roomName": "away", "since": 0})
    assert [message["message"] for message in missed["messages"]] == ["my words", "an answer"]
    away.close_engine()


def sweeps(gue: Socket) -> None:
    """Some sweeps for absent members pass; a timer that fires in time says when."""
    for _ in range(2):
        types(gue)


def types(gue: Socket) -> float:
    """:return: how many seconds the hub took to notice that nobody types any more, and the way there and back."""
    mark, begun = gue.mark(), time.monotonic()
    gue.emit("START_TYPING", {"roomName": "lounge"})
    gue.wait("MEMBER_STATUS_UPDATE", status("gue", "typing"), since=mark)
    gue.wait("MEMBER_STATUS_UPDATE", status("gue", "idle"), since=mark)
    return time.monotonic() - begun


def status(identity: str, what: str) -> Callable[[Mapping[str, object]], bool]:
    return lambda body: (body["identity"], body["status"]) == (identity, what)


def longest_gap(records: list[Record]) -> float:
    """Seconds between two of them."""
    return max((later.at - earlier.at for earlier, later in pairwise(records)), default=0.0) / 1000


def test_steps_under_way_make_nothing_late_nothing_fail_and_delete_nothing(
    make: Callable[..., Hub], clock: WallClock
) -> None:
    hub = make()
    ann, gue = room_of_three(hub)
    waits = gue.call("LLM_REQUEST", request("queued", message="later", roomName="lounge"))
    assert waits["state"] == "queued"
    assert (
        client(hub, "ann", "/llm").call(
            "MUTE_MEMBER", {"roomName": "lounge", "identity": "away", "duration": 4 * HOUR}
        )["status"]
        == "ok"
    )
    extension = hub.extension(kind="tokens", tokens=TOKENS, gap=50).start_quickly()
    begun = ann.mark()
    ann.emit("LLM_REQUEST", request("running", extension.client_id, "tell me"))
    for count, offset in ((10, HOUR), (30, -HOUR), (50, 0), (65, 2 * DAY), (80, -50 * YEAR)):
        ann.wait("SERVER_STREAM_DATA", count=count, since=begun)
        clock.set(offset)
        assert isinstance(hub.daemon, SteppedDaemon)
        hub.daemon.check_dates()
        assert TYPING <= types(gue) < TYPING + LATE
    ann.wait("SERVER_STREAM_END", since=begun, timeout=60)
    ann.wait("REQUEST_STATUS_UPDATE", lambda update: update["status"] == "completed", since=begun)
    chunks = ann.all("SERVER_STREAM_DATA", since=begun)
    assert "".join(chunk.first["data"] for chunk in chunks) == TEXT
    assert longest_gap(chunks) < LATE
    for socket in (ann, gue):
        assert longest_gap(socket.engine.all("@ping")) < PING + LATE
        assert not socket.all("@disconnect") + socket.all("ERROR")
        said = {update["status"] for update in socket.payloads("REQUEST_STATUS_UPDATE")}
        assert not said & {"failed", "expired"}
    clock.set(2 * DAY)
    sweeps(gue)
    assert not gue.all("MEMBER_UNMUTED")
    check_nothing_is_deleted(hub, ann)


@pytest.mark.parametrize("wrong", [-2 * YEAR, 10 * YEAR, "1970"])
def test_a_clock_that_is_wrong_at_the_start_and_set_then_deletes_nothing(
    make: Callable[..., Hub], clock: WallClock, wrong: float | str
) -> None:
    hub = make()
    room_of_three(hub)
    clock.set(DAY - time.time() if isinstance(wrong, str) else wrong)
    hub = make()
    gue = client(hub, "gue")
    sweeps(gue)
    clock.set(0)
    sweeps(gue)
    check_nothing_is_deleted(hub, gue)


@pytest.mark.parametrize("reactor", ["select", "poll", "asyncio"])
def test_other_reactors_keep_time_too(make: Callable[..., Hub], clock: WallClock, reactor: str) -> None:
    hub = make(reactor=reactor)
    gue = client(hub, "gue")
    rooms = client(hub, "gue", "/rooms")
    assert rooms.call("CREATE_ROOM", {"roomName": "lounge"})["status"] == "ok"
    for offset in (HOUR, -HOUR):
        clock.set(offset)
        assert TYPING <= types(gue) < TYPING + LATE
    assert not gue.all("@disconnect")


def test_stamps_follow_the_wall_clock(make: Callable[..., Hub], clock: WallClock) -> None:
    """What people see is what the machine's clock says now."""
    hub = make()
    gue = client(hub, "gue")
    rooms = client(hub, "gue", "/rooms")
    for name, offset in (("one", 0), ("two", 2 * DAY), ("three", -2 * DAY)):
        clock.set(offset)
        assert rooms.call("CREATE_ROOM", {"roomName": name})["status"] == "ok"
        details = {room["name"]: room for room in rooms.call("GET_ROOMS")["roomDetails"]}
        made = time.strftime("%Y-%m-%d", time.gmtime(clock.now()))
        before = time.strftime("%Y-%m-%d", time.gmtime(clock.now() - PATIENCE))
        assert details[name]["createdAt"][:10] in (made, before)
    assert not gue.all("@disconnect")
