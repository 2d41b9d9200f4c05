"""The settings folder is edited while the hub runs: changes are noticed, broken files are said once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from deferreds import SteppedWorkers
from hubkit import EPOCH
from logkit import Logged
from newage.errors import Unavailable
from newage.services.home.files import FileSettings, HomeFiles
from newage.services.home.server_file import ServerFile
from newage.services.home.watch import SettingsWatch, WatchSettings
from newage.services.world import World
from newage.settings import Live


class Watched:
    """A home, its server file, and the watch of it."""

    def __init__(self, home: Path, seconds: float = 2.0) -> None:
        self.folder = home / "settings"
        self.folder.mkdir(parents=True)
        self.clock = Clock()
        self.workers = SteppedWorkers()
        self.rescans = 0
        self._times = count(1)
        world = World(clock=self.clock, wall=lambda: EPOCH + self.clock.seconds(), new_id=lambda: "")
        files = HomeFiles(home, FileSettings())
        self.server = ServerFile(files, lambda content: {})
        self.write("server_settings", {"networkSafe": True})
        self.server.load(write_missing=False)
        self.settings = Live(WatchSettings(settings_watch_seconds=seconds))
        self.watch = SettingsWatch(world, files, self.server, self.rescan, self.workers, self.settings)

    def rescan(self) -> Deferred[None]:
        self.rescans += 1
        return succeed(None)

    def write(self, name: str, content: object) -> None:
        path = self.folder / f"{name}.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        os.utime(path, ns=(next(self._times), 0))  # as if edited a moment later

    def look(self) -> None:
        """The time of the next look has come, and it is done."""
        self.clock.advance(self.settings.value.settings_watch_seconds)
        self.workers.flush()


@pytest.fixture
def make_watch(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def make(**options: Any) -> Watched:
        made.append(Watched(tmp_path / "home", **options))
        return made[-1]

    yield make
    for each in made:
        each.watch.close()
        each.workers.flush()
        assert each.clock.getDelayedCalls() == []


@pytest.fixture
def watched(make_watch: Callable[..., Watched]) -> Watched:
    watched = make_watch()
    watched.watch.start()
    return watched


def test_nothing_changed_nothing_is_read(watched: Watched) -> None:
    for _ in range(3):
        watched.look()
    assert watched.rescans == 0


def test_a_change_before_the_first_look_is_not_missed(watched: Watched, logged: Logged) -> None:
    watched.write("server_settings", {"networkSafe": False})
    watched.look()
    assert not watched.server.network_safe
    assert logged() == ["server_settings.json was changed and read again"]
    assert logged.tags() == ["CONFIG_LOADED"]


def test_files_of_clients_are_the_trust_services(watched: Watched, logged: Logged) -> None:
    watched.write("phone", {"clientId": "phone", "isTrust": True})
    watched.look()
    (watched.folder / "phone.json").unlink()
    watched.look()
    watched.look()
    assert watched.rescans == 2
    assert logged() == []


def test_a_broken_file_is_said_once_and_the_last_values_stay(watched: Watched, logged: Logged) -> None:
    watched.write("server_settings", {"networkSafe": False})
    watched.look()
    watched.write("server_settings", '{"networkSafe": tr')
    watched.look()
    watched.look()
    assert not watched.server.network_safe
    [_, said] = logged()
    assert said.startswith("server_settings.json cannot be read, so what it said before stays")
    assert (watched.folder / "server_settings.json").read_text("utf-8") == '{"networkSafe": tr'
    watched.write("server_settings", {"networkSafe": True})
    watched.look()
    assert watched.server.network_safe


def test_a_file_that_is_gone_opens_no_door(watched: Watched, logged: Logged) -> None:
    watched.write("server_settings", {"networkSafe": False})
    watched.look()
    (watched.folder / "server_settings.json").unlink()
    watched.look()
    assert not watched.server.network_safe
    assert logged()[-1] == "server_settings.json is gone; what it said stays until the hub starts again"
    watched.write("server_settings", {"networkSafe": True})
    watched.look()
    assert watched.server.network_safe


def test_a_pinned_member_stays(watched: Watched) -> None:
    watched.server.pin({"networkSafe": True})
    watched.write("server_settings", {"networkSafe": False, "timeout": 7})
    watched.look()
    assert (watched.server.network_safe, watched.server.values["timeout"]) == (True, 7)
    watched.server.pin({})
    watched.write("server_settings", {"networkSafe": False})
    watched.look()
    assert not watched.server.network_safe


def test_a_folder_that_cannot_be_looked_at_is_said_once_until_it_can(watched: Watched, logged: Logged) -> None:
    def look_in_vain() -> None:
        watched.clock.advance(2)
        _, _, done = watched.workers.waiting.popleft()
        done.errback(Unavailable("Too busy."))

    look_in_vain()
    look_in_vain()
    assert logged() == ["the settings folder cannot be looked at; what it said before stays: Too busy."]
    watched.look()
    look_in_vain()
    assert len(logged()) == 2


def test_switched_off_and_on_again(make_watch: Callable[..., Watched]) -> None:
    watched = make_watch(seconds=0)
    watched.watch.start()
    assert watched.clock.getDelayedCalls() == []
    watched.settings.replace(WatchSettings(settings_watch_seconds=1))
    watched.settings.replace(WatchSettings(settings_watch_seconds=1))
    assert len(watched.clock.getDelayedCalls()) == 1
    watched.write("phone", {})
    watched.look()
    assert watched.rescans == 1


def test_a_change_during_a_look_is_one_watch(watched: Watched) -> None:
    watched.clock.advance(2)
    watched.settings.replace(WatchSettings(settings_watch_seconds=3))
    assert watched.clock.getDelayedCalls() == []
    watched.workers.flush()
    assert len(watched.clock.getDelayedCalls()) == 1


def test_a_change_before_it_begins_begins_nothing(make_watch: Callable[..., Watched]) -> None:
    watched = make_watch()
    watched.settings.replace(WatchSettings(settings_watch_seconds=1))
    assert watched.clock.getDelayedCalls() == []


def test_closed_during_a_look(watched: Watched, logged: Logged) -> None:
    watched.clock.advance(2)
    watched.watch.close()
    _, _, done = watched.workers.waiting.popleft()
    done.errback(Unavailable("stopped"))
    assert watched.clock.getDelayedCalls() == []
    assert logged() == []


def test_without_a_folder_it_starts(tmp_path: Path, make_watch: Callable[..., Watched]) -> None:
    watched = make_watch()
    (watched.folder / "server_settings.json").unlink()
    watched.folder.rmdir()
    watched.folder.symlink_to(tmp_path)  # a link is not followed
    watched.watch.start()
    assert len(watched.clock.getDelayedCalls()) == 1
