"""What breaks around a hub: disk, database, descriptors, logs. Clients are told, a line says why, it ends by itself.

Rows of the table "When something breaks" in docs/operations.md.
"""

from __future__ import annotations

import http.client
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from harness import PATIENCE, Daemon, Driver, Hub, Socket, daemon_environment, request, until

CONFIGURATION = """
[sessions]
session_grace_ms = 100

[storage]
busy_timeout_ms = 200
look_seconds = 1

[requests]
request_rate = 100000
"""
NOT_STORED = "Failed to record request message."
REFUSED = re.compile(r"the database refused: (?P<why>.*)")


class BrokenDaemon(Daemon):
    """One whose log may say that something is broken, but never with a traceback."""

    def check_log(self) -> None:
        fault = re.compile(r".*(Traceback|Unhandled|never (awaited|retrieved))(.*\n){0,20}")
        for text in (self.output(), *(path.read_text("utf-8", "replace") for path in self.home.glob("logs/*.log"))):
            found = fault.search(text)
            assert found is None, found.group()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def database(self) -> Path:
        return self.home / "data" / "newage.sqlite3"

    def says(self, pattern: re.Pattern[str]) -> re.Match[str]:
        assert self.log is not None
        found = self.log.wait_for(pattern, PATIENCE)
        assert found is not None, self.output()
        return found


@pytest.fixture
def daemon(tmp_path: Path, driver: Driver) -> Iterator[BrokenDaemon]:
    (tmp_path / "newage.toml").write_text(CONFIGURATION, "utf-8")
    daemon = BrokenDaemon(tmp_path / "home", "--config", str(tmp_path / "newage.toml"))
    daemon.start()
    yield daemon
    driver.reset()
    daemon.end()


@pytest.fixture
def hub(daemon: BrokenDaemon, driver: Driver) -> Hub:
    return Hub(daemon, driver)


def say(client: Socket, words: str) -> Any:
    return client.call("LLM_REQUEST", request(words, message=words))


def said(client: Socket) -> list[str]:
    """What the room of the client holds."""
    told = client.call("GET_FULL_CONTEXT", {})
    assert told["status"] == "ok", told
    if not told["totalPages"]:
        return []
    page = client.payload("UPDATE_CONTEXT_PAGE", lambda page: page["updateId"] == told["updateId"])
    assert page["isLastPage"]
    return [message["data"] for message in page["contextPage"] if message["identity"] == "ann"]


def with_extension(hub: Hub) -> None:
    hub.extension(kind="tokens", tokens=["to", "ken"]).start_quickly()


def test_a_full_disk_refuses_in_words_and_is_over_when_there_is_room(daemon: BrokenDaemon, hub: Hub) -> None:
    """Files may not grow any more; SQLite and the logs are told so by the kernel, as by a disk without room."""
    with_extension(hub)
    client = hub.client("ann")
    assert say(client, "before")["status"] == "ok"
    client.wait("SERVER_STREAM_END")
    unlimited = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    refused = say(client, "meanwhile")
    assert (refused["status"], refused["message"]) == ("error", NOT_STORED)
    assert REFUSED.search(daemon.says(REFUSED).group())
    assert said(client) == ["before"]
    for number in range(50):
        assert say(client, f"again {number}")["status"] == "error"
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, unlimited)
    assert say(client, "after")["status"] == "ok"
    assert said(client) == ["before", "after"]
    assert len(REFUSED.findall(daemon.output())) < 20


def test_a_database_that_another_program_locks_is_waited_for(daemon: BrokenDaemon, hub: Hub) -> None:
    client = hub.client("ann")
    with closing(sqlite3.connect(daemon.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert say(client, "meanwhile")["message"] == NOT_STORED
        assert "locked" in daemon.says(REFUSED).group("why")
        other.execute("ROLLBACK")
    say(client, "after")
    assert said(client) == ["after"]


@pytest.mark.parametrize("at_once", [True, False], ids=["a write finds out", "a look finds out"])
def test_a_deleted_database_is_written_anew(daemon: BrokenDaemon, hub: Hub, at_once: bool) -> None:
    client = hub.client("ann")
    say(client, "before")
    shutil.rmtree(daemon.database.parent)
    if at_once:
        say(client, "after")
    daemon.says(re.compile("was deleted while the hub ran"))
    daemon.kill()
    hub.driver.reset()
    daemon.start()
    assert said(hub.client("ann")) == (["before", "after"] if at_once else ["before"])


def test_another_database_in_its_place_is_left_alone(daemon: BrokenDaemon, hub: Hub) -> None:
    client = hub.client("ann")
    say(client, "before")
    aside, other = daemon.database.with_name("aside"), daemon.database.with_name("other")
    aside.hardlink_to(daemon.database)
    other.write_bytes(b"not ours")
    other.replace(daemon.database)  # in one step: of one that is missing the hub writes a new one
    assert say(client, "meanwhile")["message"] == NOT_STORED
    assert "put the hub's own back" in daemon.says(REFUSED).group("why")
    assert daemon.database.read_bytes() == b"not ours"
    aside.replace(daemon.database)
    say(client, "after")
    assert said(client) == ["before", "after"]


def comes_in(daemon: BrokenDaemon) -> bool:
    """Whether somebody new is served, and not hung up on: the hub may not have seen yet who has gone."""
    try:
        return daemon.get("/").status == 200
    except (ConnectionError, http.client.HTTPException):
        return False


def test_without_descriptors_who_is_in_goes_on_and_others_come_in_later(daemon: BrokenDaemon, hub: Hub) -> None:
    with_extension(hub)
    client = hub.client("ann")
    say(client, "before")
    client.wait("SERVER_STREAM_END")
    used = len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))
    before = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (used + 3, before[1]))
    strangers = [socket.create_connection(("127.0.0.1", daemon.port), PATIENCE) for _ in range(20)]
    closed = 0
    for each in strangers:
        each.settimeout(PATIENCE)
        try:
            each.sendall(b"GET /missing HTTP/1.1\r\nHost: localhost\r\n\r\n")
            closed += not each.recv(1)
        except ConnectionError:
            closed += 1
    assert closed >= 10
    mark = client.mark()
    assert say(client, "meanwhile")["status"] == "ok"
    client.wait("SERVER_STREAM_END", since=mark)
    for each in strangers:
        each.close()
    until(lambda: comes_in(daemon), "others come in")
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, before)


def test_deleted_logs_are_made_again(daemon: BrokenDaemon, hub: Hub) -> None:
    shutil.rmtree(daemon.home / "logs")
    hub.client("ann")
    (daemon.home / "logs").mkdir()
    hub.client("bob", "/clients").fence()
    assert "bob" in (daemon.home / "logs" / "combined.log").read_text("utf-8")
    assert "bob" in (daemon.home / "logs" / "audit.jsonl").read_text("utf-8")


def test_settings_that_are_deleted_or_broken_change_nothing(daemon: BrokenDaemon, hub: Hub) -> None:
    settings = daemon.home / "settings" / "server_settings.json"
    settings.write_text("{", "utf-8")
    daemon.says(re.compile("cannot be read, so what it said before stays"))
    shutil.rmtree(settings.parent)
    daemon.says(re.compile("server_settings.json is gone; what it said stays"))
    client = hub.client("ann")
    say(client, "hello")
    assert said(client) == ["hello"]


def test_without_its_socket_the_command_says_that_the_home_is_in_use(daemon: BrokenDaemon) -> None:
    (daemon.home / "run" / "control.sock").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "newage.cli", "--home", str(daemon.home), "keys", "new", "phone"],
        env=daemon_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "is in use by a newage that does not listen to commands" in done.stderr


def test_a_stop_on_a_full_disk_ends_in_time(daemon: BrokenDaemon, hub: Hub) -> None:
    client = hub.client("ann")
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    assert say(client, "meanwhile")["status"] == "error"
    assert daemon.stop(signal.SIGTERM) < 10
