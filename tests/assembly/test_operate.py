"""How the command line reaches a hub that runs, and one that does not."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from newage.assembly import operate
from newage.assembly.operate import check_owner, reached
from newage.config import Config, ServerSettings
from newage.daemon.control import FOLDER, SOCKET
from newage.daemon.home import HomeLock, prepare_home
from newage.errors import BadParameter, ConfigError, NewAgeError
from newage.services.accounts.limits import AuthSettings
from newage.telemetry.audit import AUDIT_FILE


@pytest.fixture
def config(tmp_path: Path) -> Config:
    home = tmp_path / "home"
    prepare_home(home)
    return Config(server=ServerSettings(home=str(home)), auth=AuthSettings(bcrypt_rounds=4))


def ask(config: Config, **command: Any) -> tuple[dict[str, Any], bool]:
    with reached(config) as (asking, running):
        return asking(command), running


@pytest.fixture
def answer(config: Config) -> Iterator[Callable[[bytes], list[Any]]]:
    """Something that takes one command at the hub's place; what it was asked."""
    threads: list[threading.Thread] = []

    def answer(line: bytes) -> list[Any]:
        asked: list[Any] = []
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(config.home / FOLDER / SOCKET))
        listener.listen()

        def serve() -> None:
            with listener, listener.accept()[0] as connection:
                asked.append(json.loads(connection.recv(65_536)))
                connection.sendall(line)

        threads.append(threading.Thread(target=serve, daemon=True))
        threads[-1].start()
        return asked

    yield answer
    for thread in threads:
        thread.join(10)


class TestStopped:
    def test_its_own_services_do_the_work_and_keep_it(self, config: Config) -> None:
        made, running = ask(config, do="keys.new", clientId="phone")
        assert not running
        listed, _ = ask(config, do="keys.list")
        assert [key["keyId"] for key in listed["keys"]] == made["keyIds"]

    def test_what_is_done_is_in_the_audit_log(self, config: Config) -> None:
        ask(config, do="keys.new", clientId="phone")
        lines = (config.home / "logs" / AUDIT_FILE).read_text("utf-8").splitlines()
        assert [json.loads(line)["action"] for line in lines] == ["client.trust", "key.generate"]

    def test_what_is_wrong_is_said_and_the_home_is_free_again(self, config: Config) -> None:
        with pytest.raises(BadParameter):
            ask(config, do="keys.new", clientId="a/b")
        assert ask(config, do="keys.list")[0]["keys"] == []

    def test_who_has_the_home_but_does_not_listen_is_not_disturbed(self, config: Config) -> None:
        lock = HomeLock(config.home)
        lock.take()
        with pytest.raises(ConfigError, match="does not listen to commands"):
            ask(config, do="keys.list")
        lock.release()

    def test_no_home(self, config: Config, tmp_path: Path) -> None:
        elsewhere = attrs.evolve(config, server=ServerSettings(home=str(tmp_path / "none")))
        with pytest.raises(ConfigError, match="there is no newage at"):
            ask(elsewhere, do="keys.list")


class TestRunning:
    def test_it_is_asked_through_its_socket(self, config: Config, answer: Callable[[bytes], list[Any]]) -> None:
        asked = answer(b'{"keys": []}\n')
        assert ask(config, do="keys.list") == ({"keys": []}, True)
        assert asked == [{"do": "keys.list"}]

    def test_its_refusal_is_an_error(self, config: Config, answer: Callable[[bytes], list[Any]]) -> None:
        answer(b'{"error": "not today; come back"}\n')
        with pytest.raises(NewAgeError, match="not today; come back"):
            ask(config, do="keys.list")

    @pytest.mark.parametrize("half", [b"", b'{"keys": ['])
    def test_half_an_answer_is_none(self, config: Config, answer: Callable[[bytes], list[Any]], half: bytes) -> None:
        answer(half)
        with pytest.raises(ConfigError, match="closed the connection without an answer"):
            ask(config, do="keys.list")

    def test_one_that_is_stuck_is_not_waited_for_for_ever(
        self, config: Config, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(operate, "ANSWER_SECONDS", 0.1)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(config.home / FOLDER / SOCKET))
            listener.listen()
            with pytest.raises(ConfigError, match="is it stuck"):
                ask(config, do="keys.list")

    def test_the_socket_of_a_dead_one_is_no_hub(self, config: Config) -> None:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(config.home / FOLDER / SOCKET))
        assert not ask(config, do="keys.list")[1]


class TestOwner:
    def test_ones_own_home_and_none_at_all(self, config: Config, tmp_path: Path) -> None:
        check_owner(config.home)
        check_owner(tmp_path / "none")

    def test_another_users_home(self, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
        owner = config.home.stat().st_uid
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
        with pytest.raises(ConfigError, match=f"belongs to another user; run this as .* '#{owner}' newage"):
            check_owner(config.home)
