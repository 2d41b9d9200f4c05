"""Whose key or trust is taken back is put out at once, told why, everywhere he is (contract 2.8, A14); real clients."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import pytest
from expect import is_response
from harness import Daemon, Driver, Hub, Socket, daemon_environment, request
from homes import STRICT_CLIENTS, write_settings, write_strict_home

REVOKED, UNTRUSTED = "Your key was revoked.", "Client is not trusted."
BOSS = STRICT_CLIENTS[5]
EVERYWHERE = ("/llm", "/rooms", "/clients", "/function_call")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    home = tmp_path_factory.mktemp("revocation") / "home"
    write_strict_home(home)
    boss = {"clientId": BOSS, "isTrust": True, "isAdmin": True}
    write_settings(home, {"monitor": {"clientId": "monitor", "isTrust": True}, BOSS: boss})
    daemon = Daemon(home).start()
    yield daemon
    daemon.stop()


@pytest.fixture(scope="module")
def first_key(strict: Daemon, driver: Driver) -> str:
    """That of the first administrator, who gets it on this machine by asking."""
    auth = {"clientType": "monitor", "clientId": "monitor", "key": "getKey"}
    key: str = Hub(strict, driver).open("/auth", auth).payload("CLIENT_KEY_ASSIGNED")["key"]
    return key


class Hall(Hub):
    """The hub with an administrator, who makes keys."""

    administrator: Socket
    keys: dict[str, str]

    def enter(self, client_id: str, nsp: str, client_type: str = "web-app", engine: str | None = None) -> Socket:
        auth = {"clientType": client_type, "clientId": client_id, "key": self.keys[client_id]}
        socket = self.open(nsp, auth, engine=engine).connected()
        if nsp in ("/llm", "/clients"):
            socket.fence()
        return socket

    def guest(self, client_id: str) -> list[Socket]:
        """In every namespace by one connection, and on /llm by one more."""
        self.keys[client_id] = self.administrator.call("GENERATE_CLIENT_KEY", {"targetClientId": client_id})["key"]
        engine = self.engine()
        return [*(self.enter(client_id, nsp, engine=engine) for nsp in EVERYWHERE), self.enter(client_id, "/llm")]


@pytest.fixture
def hall(strict: Daemon, driver: Driver, first_key: str) -> Iterator[Hall]:
    hall = Hall(strict, driver)
    hall.keys = {"monitor": first_key}
    hall.administrator = hall.enter("monitor", "/clients", "monitor")
    yield hall
    driver.reset()
    assert not driver.faults()
    strict.check_log()


def put_out(sockets: Sequence[Socket], message: str, code: int) -> None:
    """Told why, then the DISCONNECT of each namespace."""
    for socket in sockets:
        assert socket.wait("@disconnect").first == "io server disconnect"
        told, _ = socket.records[-2:]
        assert (told.event, told.first["message"], told.first["errorCode"]) == ("ERROR", message, code), socket.name


def refusal(hall: Hall, client_id: str, client_type: str = "web-app") -> str:
    """Of who shows his key again."""
    auth = {"clientType": client_type, "clientId": client_id, "key": hall.keys[client_id]}
    message: str = hall.open("/llm", auth).refusal()["message"]
    return message


def trusts(hall: Hall, client_id: str, **members: object) -> None:
    write_settings(hall.daemon.home, {client_id: {"clientId": client_id, **members}})


def by_the_wire(hall: Hall, client_id: str) -> None:
    answer = hall.administrator.call("REMOVE_CLIENT_KEY", {"targetClientId": client_id})
    assert answer["status"] == "ok"


def by_the_command(hall: Hall, client_id: str) -> None:
    command = [sys.executable, "-m", "newage.cli", "--home", str(hall.daemon.home), "keys", "revoke", client_id]
    done = subprocess.run(command, env=daemon_environment(), cwd="/", capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def by_the_settings_file(hall: Hall, client_id: str) -> None:
    trusts(hall, client_id, isTrust=False)


def by_sighup(hall: Hall, client_id: str) -> None:
    (hall.daemon.home / "settings" / f"{client_id}.json").unlink()
    assert hall.daemon.process is not None
    os.kill(hall.daemon.process.pid, signal.SIGHUP)


WAYS: dict[str, tuple[Callable[[Hall, str], None], str, str]] = {
    "REMOVE_CLIENT_KEY": (by_the_wire, REVOKED, "Invalid key."),
    "newage keys revoke": (by_the_command, REVOKED, "Invalid key."),
    "settings file": (by_the_settings_file, UNTRUSTED, UNTRUSTED),
    "SIGHUP": (by_sighup, UNTRUSTED, UNTRUSTED),
}


@pytest.mark.parametrize(("way", "client_id"), list(zip(WAYS, STRICT_CLIENTS, strict=False)), ids=list(WAYS))
def test_he_is_put_out_everywhere_and_nobody_else_is(hall: Hall, way: str, client_id: str) -> None:
    revoke, told, afterwards = WAYS[way]
    sockets, bystander = hall.guest(client_id), hall.guest(STRICT_CLIENTS[-1])
    revoke(hall, client_id)
    put_out(sockets, told, 5)
    assert refusal(hall, client_id) == afterwards
    hall.administrator.fence()
    for socket in bystander[::4]:
        socket.fence()
    assert not any(socket.all("ERROR") or socket.all("@disconnect") for socket in (*bystander, hall.administrator))


def test_who_is_no_administrator_any_more(hall: Hall) -> None:
    boss = BOSS
    command = [sys.executable, "-m", "newage.cli", "--home", str(hall.daemon.home), "keys", "new", boss]
    done = subprocess.run(command, env=daemon_environment(), cwd="/", capture_output=True, text=True, check=True)
    hall.keys[boss] = done.stdout.strip()
    sockets = [hall.enter(boss, "/clients", "monitor"), hall.enter(boss, "/debug", "monitor")]
    trusts(hall, boss, isTrust=True)
    assert hall.daemon.process is not None
    os.kill(hall.daemon.process.pid, signal.SIGHUP)
    put_out(sockets, "You are no administrator any more.", 6)
    assert refusal(hall, boss, "monitor") == "Unauthorized"
    hall.enter(boss, "/llm")


def test_sent_away_by_an_administrator_he_may_come_back(hall: Hall) -> None:
    client_id = STRICT_CLIENTS[6]
    sockets = hall.guest(client_id)
    answer = hall.administrator.call("DISCONNECT_CLIENT", {"targetClientId": client_id, "reason": "go to bed"})
    assert (answer["status"], answer["sockets"]) == ("ok", len(sockets))
    put_out(sockets, "go to bed", 6)
    hall.enter(client_id, "/llm")


def test_what_he_asked_expires_where_it_waits_and_is_answered_where_it_is_asked(hall: Hall) -> None:
    extension = hall.extension("8001", kind="silent")
    extension.start()
    client_id, watcher_id = STRICT_CLIENTS[7], STRICT_CLIENTS[8]
    sockets, watcher = hall.guest(client_id), hall.guest(watcher_id)[0]
    rooms = hall.enter("monitor", "/rooms", "monitor")
    subject = {"roomName": client_id, "identity": watcher_id}
    assert rooms.call("ADD_CLIENT_TO_ROOM", subject)["status"] == "ok"
    assert rooms.call("SET_MEMBER_ROLE", {**subject, "role": "manager"})["status"] == "ok"
    asked, waiting = hall.new_id("asked"), hall.new_id("waiting")
    for request_id, state in ((asked, "forwarded"), (waiting, "queued")):
        assert sockets[0].call("LLM_REQUEST", request(request_id, extension.client_id))["state"] == state
    extension.llm.wait("LLM_REQUEST")
    by_the_wire(hall, client_id)
    put_out(sockets, REVOKED, 5)
    extension.stream(["all ", "the ", "same"], live=asked, knowsRequest=True)
    answer = watcher.payload("NEW_MESSAGE", is_response)["message"]
    assert answer["message"] == "all the same"
    following = hall.new_id("following")
    more = request(following, extension.client_id, roomName=client_id)
    assert watcher.call("LLM_REQUEST", more)["state"] == "forwarded", "nobody waits before it"
    extension.llm.wait("LLM_REQUEST", lambda payload: payload["requestId"] == following)
    assert {each.first["requestId"] for each in extension.llm.all("LLM_REQUEST")} == {asked, following}
