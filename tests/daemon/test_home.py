"""The home: created, checked, locked; the page's files found."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from twisted.logger import Logger, globalLogPublisher

from newage.daemon.home import FOLDERS, Home, HomeLock, check_home, client_folder, prepare_home, static_folder
from newage.errors import BadParameter, ConfigError, FileReadFailed, NewAgeError
from newage.telemetry.logs import LogSettings
from newage.telemetry.metrics import Counters


def observers() -> list[object]:
    """Who gets what is logged."""
    return list(globalLogPublisher._observers)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


class TestPrepare:
    def test_a_fresh_home_has_all_folders_private_where_it_matters(self, tmp_path: Path) -> None:
        prepare_home(tmp_path / "a" / "home")
        made = tmp_path / "a" / "home"
        assert {path.name for path in made.iterdir()} == set(FOLDERS)
        assert {name: mode(made / name) for name in ("keys", "data", "settings", "logs")} == dict.fromkeys(
            ("keys", "data", "settings", "logs"), 0o700
        )

    def test_a_home_of_the_reference_server_keeps_its_files(self, tmp_path: Path) -> None:
        for name, content in {
            "settings/server_settings.json": '{"serverPort": 4100}',
            "settings/monitor-settings.json": '{"clientId": "monitor", "isTrust": true}',
            "keys/clients.json": "{}",
            "exampleClient/monitor/monitor.html": "<p>",
        }.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        prepare_home(tmp_path)
        prepare_home(tmp_path)
        assert {path: path.read_bytes() for path in before} == before
        assert all((tmp_path / name).is_dir() for name in FOLDERS)

    def test_a_home_below_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigError, match=r"cannot be written: Not a directory: .*choose another --home"):
            prepare_home(tmp_path / "file" / "home")


class TestCheck:
    def test_a_possible_home_is_left_untouched(self, tmp_path: Path) -> None:
        check_home(tmp_path / "new" / "home")
        assert everything(tmp_path) == set()
        prepare_home(tmp_path)
        before = everything(tmp_path)
        check_home(tmp_path)
        assert everything(tmp_path) == before

    def test_a_file_is_no_home(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigError, match="file is not a folder; choose another --home"):
            check_home(tmp_path / "file")

    def test_a_folder_where_nothing_can_be_created(self) -> None:
        with pytest.raises(
            ConfigError, match=r"home /proc/newage cannot be written: .*; choose another --home or chown"
        ):
            check_home(Path("/proc/newage"))

    def test_a_file_in_place_of_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("")
        with pytest.raises(ConfigError, match="data"):
            check_home(tmp_path)

    def test_permissions_are_left_to_later_when_the_user_changes(self) -> None:
        check_home(Path("/proc/newage"), will_change_user=True)

    def test_a_home_in_use(self, tmp_path: Path) -> None:
        prepare_home(tmp_path)
        lock = HomeLock(tmp_path)
        lock.take()
        with pytest.raises(ConfigError, match="is in use by another newage; stop that one or choose another --home"):
            check_home(tmp_path)
        lock.release()
        lock.release()
        check_home(tmp_path)


class TestLock:
    def test_a_lock_that_cannot_be_written(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be written: No such file"):
            HomeLock(tmp_path / "none").take()

    def test_nothing_stays_open_after_a_refusal(self, tmp_path: Path) -> None:
        prepare_home(tmp_path)
        lock = HomeLock(tmp_path)
        lock.take()
        open_before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - of this process
        with pytest.raises(ConfigError):
            HomeLock(tmp_path).take()
        assert len(os.listdir("/proc/self/fd")) == open_before  # noqa: PTH208
        lock.release()


class TestHomeService:
    def make(self, folder: Path | None, *warnings: NewAgeError) -> Home:
        return Home(folder, LogSettings(), Counters(), debug=False, warnings=warnings)

    def test_nothing_happens_before_start(self, tmp_path: Path) -> None:
        self.make(tmp_path / "home")
        assert everything(tmp_path) == set()

    def test_start_creates_locks_and_logs_stop_releases(self, tmp_path: Path) -> None:
        service = self.make(tmp_path / "home", BadParameter("something is odd"), FileReadFailed("not JSON"))
        service.startService()
        with pytest.raises(ConfigError, match="in use"):
            check_home(tmp_path / "home")
        Logger().warn("said while running")
        service.stopService()
        Logger().warn("said afterwards")
        check_home(tmp_path / "home")
        text = (tmp_path / "home" / "logs" / "combined.log").read_text()
        assert f"home: {tmp_path}/home" in text
        assert "[warn] [llm-server] [3]: something is odd" in text
        assert "[error] [llm-server] [104]: not JSON" in text
        assert "said while running" in text
        assert "said afterwards" not in text

    def test_debug_entries_can_be_switched_on_before_and_while_it_runs(self, tmp_path: Path) -> None:
        service = self.make(tmp_path / "home")
        service.debug.replace(True)
        service.startService()
        Logger().debug("first detail")
        service.debug.replace(False)
        Logger().debug("second detail")
        service.stopService()
        text = (tmp_path / "home" / "logs" / "combined.log").read_text()
        assert "[debug] [llm-server]: first detail" in text
        assert "second detail" not in text

    def test_ephemeral_writes_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        service, before = self.make(None), observers()
        service.startService()
        assert observers() == before
        service.stopService()
        assert everything(tmp_path) == set()

    def test_a_home_in_use_is_refused_at_start_too(self, tmp_path: Path) -> None:
        first, second = self.make(tmp_path), self.make(tmp_path)
        first.startService()
        with pytest.raises(ConfigError, match="in use"):
            second.startService()
        second.stopService()
        with pytest.raises(ConfigError, match="in use"):
            check_home(tmp_path)
        first.stopService()

    def test_log_files_that_cannot_be_opened(self, tmp_path: Path) -> None:
        (tmp_path / "logs" / "combined.log").mkdir(parents=True)
        service, before = self.make(tmp_path), observers()
        with pytest.raises(ConfigError, match=r"combined\.log cannot be written: Is a directory"):
            service.startService()
        service.stopService()
        assert observers() == before


def test_the_page_is_found_in_the_checkout() -> None:
    assert (static_folder() / "index.html").is_file()


def test_the_client_in_javascript_is_found_in_the_checkout() -> None:
    assert (client_folder() / "connect.js").is_file()
