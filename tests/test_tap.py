"""Options and composition of ``twistd newage``."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from twisted.application.service import IService, IServiceMaker, ServiceMaker
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.base import ReactorBase
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.pollreactor import PollReactor
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.testing import MemoryReactorClock
from twisted.plugin import getPlugins
from twisted.python import usage
from zope.interface.verify import verifyObject

from newage import __version__, tap
from newage.daemon.home import Home, prepare_home
from newage.daemon.lag import LagMeter
from newage.daemon.listening import Listener
from newage.daemon.signals import Signals
from newage.daemon.stages import Banner, StagedService, StartRefused
from newage.errors import ConfigError
from newage.web.selfcheck import SelfCheck

CHECKOUT = Path(__file__).parent.parent


def parse(*arguments: str, parent: dict[str, Any] | None = None) -> tap.Options:
    options = tap.Options()
    if parent is not None:
        options.parent = usage.Options()
        options.parent.update(parent)
    options.parseOptions(list(arguments))
    return options


def make(tmp_path: Path, *arguments: str, **more: Any) -> StagedService:
    return tap.makeService(parse("--home", str(tmp_path / "home"), "--port", "0", *arguments, **more))


def refusal_of(tmp_path: Path, *arguments: str, **more: Any) -> str:
    with pytest.raises(StartRefused) as refused:
        make(tmp_path, *arguments, **more)
    assert refused.value.code == str(refused.value)
    return str(refused.value)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - of this process


@pytest.fixture
def plugin_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The checkout's plugin folder, first among all."""
    import twisted.plugins

    folder = CHECKOUT / "twisted" / "plugins"
    monkeypatch.setattr(twisted.plugins, "__path__", [str(folder), *twisted.plugins.__path__])
    yield folder
    sys.modules.pop("twisted.plugins.newage_plugin", None)


class TestOptions:
    def test_nothing_said_is_nothing_given(self) -> None:
        assert set(parse().given().values()) == {None}

    def test_everything_said(self) -> None:
        options = parse("--home=h", "--port=1", "--bind=::1", "--bind", "127.0.0.1", "--ephemeral", "--demo", "-c", "f")
        assert options.given() == {
            ("server", "home"): "h",
            ("server", "port"): "1",
            ("server", "bind_address"): ["::1", "127.0.0.1"],
            ("server", "ephemeral"): True,
            ("server", "demo"): True,
        }
        assert options["config"] == "f"

    def test_two_options_objects_share_nothing(self) -> None:
        parse("--bind", "::1")
        assert parse()["bind"] == []

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (["--prot", "1"], "newage: option --prot not recognized; twistd newage --help lists the options"),
            (["--port"], "newage: option --port requires argument; twistd newage --help lists the options"),
            (["word"], "newage: Wrong number of arguments.; twistd newage --help lists the options"),
        ],
    )
    def test_a_wrong_option_is_one_line(self, arguments: list[str], text: str) -> None:
        with pytest.raises(StartRefused) as refused:
            parse(*arguments)
        assert str(refused.value) == text

    def test_help_names_every_option(self) -> None:
        text = str(parse())
        for name in ("--home", "--config", "--port", "--bind", "--ephemeral", "--demo"):
            assert name in text

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            parse("--version")
        assert ended.value.code == 0
        assert capsys.readouterr().out == f"newage {__version__}\n"


class TestMakeService:
    def test_it_opens_and_creates_nothing(self, tmp_path: Path) -> None:
        make(tmp_path)  # whatever is imported late is imported now
        before = open_files()
        service = make(tmp_path, "--demo")
        assert verifyObject(IService, service)
        assert open_files() == before
        assert list(tmp_path.iterdir()) == []
        assert not service.running

    def test_the_first_and_last_stages(self, tmp_path: Path) -> None:
        stages = list(make(tmp_path))
        assert [type(stage) for stage in stages[:2]] == [Signals, Home]
        assert [type(stage) for stage in stages[-3:]] == [Listener, SelfCheck, Banner]

    def test_figures_have_a_port_where_the_operator_wants_one(self, tmp_path: Path) -> None:
        config = tmp_path / "hub.toml"
        config.write_text("[metrics]\nlisten_port = 9464\n")
        stages = [type(stage) for stage in make(tmp_path, "--config", str(config))]
        assert stages[-5:] == [LagMeter, Listener, Listener, SelfCheck, Banner]
        assert LagMeter not in [type(stage) for stage in make(tmp_path)]

    def test_a_port_of_figures_that_cannot_be_had(self, tmp_path: Path) -> None:
        config = tmp_path / "hub.toml"
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            config.write_text(f"[metrics]\nlisten_port = {port}\n")
            before = open_files()
            refused = refusal_of(tmp_path, "--config", str(config))
        assert f"port {port} of 127.0.0.1 is in use" in refused
        assert refused.endswith("choose another listen_port in [metrics]")
        assert open_files() < before

    @pytest.mark.parametrize("option", ["--port", "--home", "--config", "--bind"])
    def test_an_empty_value_is_a_mistake_not_a_default(self, tmp_path: Path, option: str) -> None:
        assert "newage: " in refusal_of(tmp_path, f"{option}=")

    def test_all_mistakes_of_the_configuration(self, tmp_path: Path) -> None:
        path = tmp_path / "hub.toml"
        path.write_text("[server]\nprot = 1\n[log]\nkept_files = -1\n")
        lines = refusal_of(tmp_path, "--config", str(path), "--bind", "nowhere").splitlines()
        assert len(lines) == 3
        assert all(line.startswith("newage: ") for line in lines)

    def test_the_configuration_may_be_named_by_the_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NEWAGE_CONFIG", str(tmp_path / "none.toml"))
        assert "none.toml cannot be read" in refusal_of(tmp_path)

    def test_a_port_in_use(self, tmp_path: Path) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = str(other.getsockname()[1])
            text = refusal_of(tmp_path, "--port", port)
        assert text == (
            f"newage: port {port} of 127.0.0.1 is in use by another program; stop that one or choose another --port"
        )

    def test_a_home_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "home").write_text("")
        assert "is not a folder; choose another --home" in refusal_of(tmp_path)

    def test_an_impossible_home_does_not_matter_when_nothing_is_written(self, tmp_path: Path) -> None:
        (tmp_path / "home").write_text("")
        make(tmp_path, "--ephemeral")

    def test_a_home_is_judged_later_when_the_user_will_change(self, tmp_path: Path) -> None:
        parent = {"uid": 65534, "gid": None, "chroot": None, "nodaemon": True}
        tap.makeService(parse("--home", "/proc/newage", "--port", "0", parent=parent))

    @pytest.mark.parametrize(
        "setting", ["trusted_proxies", "trusted_networks", "admin_addresses", "bootstrap_addresses"]
    )
    def test_what_a_layer_refuses_when_it_is_built_is_one_line_too(self, tmp_path: Path, setting: str) -> None:
        path = tmp_path / "hub.toml"
        path.write_text(f'[web]\n{setting} = ["not/a/network"]\n')
        text = refusal_of(tmp_path, "--config", str(path))
        assert "not/a/network" in text
        assert setting in text


class TestAnnouncement:
    def test_a_daemon_says_where_it_will_be(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        make(tmp_path, "--port", str(port), "--bind", "127.0.0.1", parent={"nodaemon": False})
        said = capsys.readouterr().out
        assert f"http://127.0.0.1:{port}/" in said
        assert f"home: {tmp_path}/home" in said
        assert "connect SillyTavern" in said

    def test_any_port_is_known_only_later(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make(tmp_path, "--ephemeral", parent={"nodaemon": False})
        said = capsys.readouterr().out
        assert "a free port" in said
        assert "home: none, everything in memory" in said

    def test_the_foreground_has_its_log_for_that(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make(tmp_path, parent={"nodaemon": True})
        make(tmp_path)
        assert capsys.readouterr().out == ""


def asyncio_reactor() -> ReactorBase:
    return AsyncioSelectorReactor(asyncio.new_event_loop())


@pytest.fixture(params=[SelectReactor, PollReactor, EPollReactor, asyncio_reactor])
def a_reactor(request: pytest.FixtureRequest) -> Iterator[Any]:
    """One of one's own, beside the one of this process."""
    made = request.param()
    yield made
    for reader in made.removeAll():
        reader.connectionLost(None)


class TestReactorClock:
    def test_it_is_replaced_once(self, a_reactor: Any) -> None:
        assert a_reactor.seconds is not monotonic
        tap.keep_time(a_reactor)
        assert a_reactor.seconds is monotonic
        before = monotonic()
        call = a_reactor.callLater(50, list)
        assert before + 50 <= call.getTime() <= monotonic() + 50
        tap.keep_time(a_reactor)  # what waits now goes by it
        call.reset(70)
        assert before + 70 <= call.getTime() <= monotonic() + 70
        call.cancel()

    def test_timers_run_by_it(self, a_reactor: Any) -> None:
        tap.keep_time(a_reactor)
        begun = monotonic()
        rung: list[float | None] = []

        def ring() -> None:
            rung.append(monotonic())
            a_reactor.stop()

        a_reactor.callLater(0.02, ring)
        a_reactor.callLater(30, rung.append, None)
        a_reactor.run(installSignalHandlers=False)
        assert len(rung) == 1
        assert rung[0] is not None
        assert 0.02 <= rung[0] - begun < 20
        for call in a_reactor.getDelayedCalls():
            call.cancel()

    def test_not_when_something_waits_already(self, a_reactor: Any) -> None:
        call = a_reactor.callLater(50, list)
        with pytest.raises(ConfigError, match=r"Reactor has timers already.*: start newage first, or in a twistd of"):
            tap.keep_time(a_reactor)
        call.cancel()
        tap.keep_time(a_reactor)

    @pytest.mark.parametrize("stranger", [MemoryReactorClock(), object()])
    def test_not_when_it_has_a_clock_of_its_own(self, stranger: object) -> None:
        with pytest.raises(ConfigError, match=r"has a clock of its own.*: choose another reactor, .*--reactor=epoll"):
            tap.keep_time(stranger)

    def test_the_service_sees_to_it(self, tmp_path: Path) -> None:
        from twisted.internet import reactor

        make(tmp_path)
        assert reactor.seconds is monotonic


def test_a_home_in_use_is_known_before_the_fork(tmp_path: Path) -> None:
    from newage.daemon.home import HomeLock

    prepare_home(tmp_path / "home")
    lock = HomeLock(tmp_path / "home")
    lock.take()
    assert "is in use by another newage" in refusal_of(tmp_path)
    lock.release()
    make(tmp_path)


def test_twistd_finds_the_plugin_of_the_checkout(plugin_path: Path) -> None:
    (plugin,) = [each for each in getPlugins(IServiceMaker) if each.tapname == "newage"]
    assert isinstance(plugin, ServiceMaker)
    assert plugin.module == "newage.tap"
    assert plugin.options is tap.Options
    assert plugin.makeService is tap.makeService
    assert not (plugin_path / "__init__.py").exists()
    assert not (plugin_path.parent / "__init__.py").exists()
