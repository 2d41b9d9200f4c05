"""``twistd newage``: options in, a service out. The composition root; nothing else imports the reactor.

twistd calls ``makeService``, forks, binds ports (``privilegedStartService``), drops privileges, starts services, then
turns the reactor. So ``makeService`` opens nothing and leaves nothing open; it refuses what it can refuse, because
before the fork there is still a terminal to say it on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar

import attrs
from twisted.internet.base import ReactorBase
from twisted.python import usage

from newage import __version__
from newage.assembly.api import make_apis
from newage.assembly.core import make_core
from newage.assembly.inspection import BANNER, Inspection
from newage.assembly.life import Life
from newage.assembly.metrics import Metrics
from newage.assembly.readiness import Readiness
from newage.assembly.reload import Reloader
from newage.config import Config, Key, load
from newage.daemon.control import Control
from newage.daemon.descriptors import DescriptorLimit, connections
from newage.daemon.home import Home, check_home, client_folder, static_folder
from newage.daemon.lag import LagMeter
from newage.daemon.listening import Keys, Listener, Sockets, bind, expand, url
from newage.daemon.outgoing import outgoing
from newage.daemon.signals import Signals
from newage.daemon.stages import Banner, StagedService, StartRefused, refusal
from newage.daemon.systemd import Systemd
from newage.daemon.twistd_log import install, observer
from newage.errors import ConfigError
from newage.telemetry.exposition import CONTENT_TYPE
from newage.telemetry.metrics import Counters
from newage.telemetry.redaction import Redaction
from newage.web.metrics import WORDS as METRICS_WORDS
from newage.web.metrics import metrics_site
from newage.web.peer import PeerJudge
from newage.web.selfcheck import SECONDS as SELF_CHECK_SECONDS
from newage.web.selfcheck import SelfCheck
from newage.web.site import make_site

CONNECT_SECONDS = 10.0  # until a model server, or a receiver of webhooks, takes a connection


class Options(usage.Options):
    """What the command line can say; everything else is in the configuration file."""

    synopsis = "[options]"
    longdesc = (
        "A Socket.IO hub that opens SillyTavern to other clients. In the foreground: twistd -n newage. "
        "Every option has its key in the configuration file and its NEWAGE_ variable; an option wins."
    )
    optParameters: ClassVar[list[list[Any]]] = [
        ["home", None, None, "folder of settings, keys, data, logs and the database [default: ./newage-home]"],
        ["config", "c", None, "TOML file with settings; conf/newage.toml shows every key"],
        ["port", "p", None, "TCP port; 0 takes any free one and logs it [default: 4000]"],
    ]
    optFlags: ClassVar[list[list[Any]]] = [
        ["ephemeral", None, "keep everything in memory and write nothing to disk"],
        ["demo", None, "add an extension that answers with visibly generated text"],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["bind"] = []

    def opt_bind(self, address: str) -> None:
        """IP address to listen on; repeat it for several; "*" is every address [default: 127.0.0.1 and ::1]"""
        self["bind"].append(address)

    def opt_version(self) -> None:
        """Print the version of newage and exit"""
        print(f"newage {__version__}")  # noqa: T201 - the answer to a question on the command line
        raise SystemExit(0)

    def parseOptions(self, options: Any = None) -> None:
        """:raises StartRefused: one line; twistd would print all its help and then the mistake."""
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            raise StartRefused(f"{error}; twistd newage --help lists the options") from None

    def given(self) -> dict[Key, object]:
        """What was really said, by (table, key)."""
        said: dict[str, object] = {key: self[key] for key in ("home", "port")}
        said |= {flag: True if self[flag] else None for flag in ("ephemeral", "demo")}
        said["bind_address"] = self["bind"] or None
        return {("server", key): value for key, value in said.items()}


def makeService(options: Options) -> StagedService:
    """:raises StartRefused: options, configuration, home or ports are wrong."""
    given = options.given()
    file = os.environ.get("NEWAGE_CONFIG") if options["config"] is None else options["config"]
    file = None if file is None else str(Path(file).absolute())  # read again after twistd went to its --rundir

    def read() -> Config:
        return load(options=given, environ=os.environ, config_file=file)

    try:
        config = read()
        given[("server", "home")] = str(config.home)
        check(config, will_change_user=_will_change_user(options))
        from twisted.internet import reactor

        keep_time(reactor)
        service = build(config, reactor, read, getattr(options, "parent", None) or {})
    except ConfigError as error:
        raise refusal(error) from None
    if _daemon(options):
        announce(config)
    return service


def keep_time(reactor: Any) -> None:
    """Run a reactor by the monotonic clock, for as long as the process lives (contract A29).

    Twisted's goes by the wall clock: where that is set back, everything stands still until it has caught up.

    :raises ConfigError: the reactor asks another clock, or something waits by the old one already.
    """
    if getattr(reactor, "seconds", None) is monotonic:
        return
    name = type(reactor).__name__
    if not isinstance(reactor, ReactorBase) or type(reactor).seconds is not ReactorBase.seconds:
        raise ConfigError(
            f"{name} has a clock of its own, which newage cannot replace by one that never jumps: "
            "choose another reactor, as in twistd --reactor=epoll"
        )
    if reactor.getDelayedCalls():
        raise ConfigError(
            f"{name} has timers already, which go by a clock that may jump: "
            "start newage first, or in a twistd of its own"
        )
    reactor.seconds = monotonic  # callLater, timeout and runUntilCurrent ask the instance


def check(config: Config, *, will_change_user: bool = False) -> None:
    """What can be known before the fork; leaves nothing open and nothing on disk.

    :raises ConfigError: an address list cannot be read, the home or a port cannot be had.
    """
    PeerJudge.of(config.web)
    if not config.server.ephemeral:
        check_home(config.home, will_change_user=will_change_user)
    server, metrics = config.server, config.metrics
    bound, _ = bind(expand(server.bind_address), server.port, server.listen_backlog)
    try:
        if metrics.listen_port:
            more, _ = bind(
                expand(metrics.listen_address), metrics.listen_port, server.listen_backlog, keys=METRICS_KEYS
            )
            bound += more
    finally:
        for each in bound:
            each.socket.close()


def _twistd(options: Options, name: str) -> Any:
    parent = getattr(options, "parent", None)
    return None if parent is None else parent.get(name)


def _will_change_user(options: Options) -> bool:
    return any(_twistd(options, name) is not None for name in ("uid", "gid", "chroot"))


def _daemon(options: Options) -> bool:
    return getattr(options, "parent", None) is not None and not _twistd(options, "nodaemon")


def announce(config: Config) -> None:
    """A daemon's last words on the terminal; the foreground says the same in its log."""
    port = config.server.port
    where = (
        ", ".join(url(each, port) for each in expand(config.server.bind_address)) if port else "a free port (see log)"
    )
    place = "none, everything in memory" if config.server.ephemeral else str(config.home)
    sys.stdout.write(f"newage starts in the background: {where}\nhome: {place}\n{CONNECT}\n")
    sys.stdout.flush()


METRICS_KEYS = Keys("listen_address in [metrics]", "listen_port in [metrics]")
CONNECT = "To connect SillyTavern, give its extension this address and port (README, 'Connect SillyTavern')."


# ---------------------------------------------------------------------------------------------------------- composition


def _checked(read: Callable[[], Config]) -> Config:
    """A configuration that the next start would not refuse either.

    :raises ConfigError: naming every mistake.
    """
    config = read()
    PeerJudge.of(config.web)
    return config


def build(config: Config, reactor: Any, read: Callable[[], Config], twistd: Mapping[str, Any]) -> StagedService:
    """Everything, once, from the inside out; opens nothing. Stages stop in reverse: ports first, home last.

    :param read: reads the configuration again, for SIGHUP.
    :param twistd: its own options, which say where its log goes.
    """
    counters = Counters()
    hide = Redaction([*(each.key for each in config.upstreams), *(each.secret for each in config.webhooks)])

    def joined(application: object) -> None:
        install(application, observer(twistd, config.log, counters, reactor.callFromThread, hide))

    root = StagedService(reactor, config.server.stop_seconds, joined)
    home = Home(
        None if config.server.ephemeral else config.home,
        config.log,
        counters,
        debug=config.server.debug_mode,
        warnings=config.warnings,
        hide=hide,
    )
    folder = None if config.server.ephemeral else config.home
    server = config.server
    sockets = Sockets(server.bind_address, server.port, server.listen_backlog)
    core = make_core(
        config,
        reactor,
        set_debug=home.debug.replace,
        log_folder=None if folder is None else folder / "logs",
        port=lambda: sockets.port,
        counters=counters,
        agent=outgoing(reactor, CONNECT_SECONDS),
    )
    life = Life(core, reactor)
    web = attrs.evolve(config.web, max_connections=connections(config.web.max_connections))
    site = make_site(
        web,
        core.engines,
        reactor,
        static_dir=static_folder(),
        client_dir=client_folder(),
        home=folder,
        extra_lookup=core.calls.static.lookup,
        obstacle=Readiness(lambda: bool(life.running), core.database, reactor),
        counters=counters,
        apis=make_apis(core),
        api_body_bytes=config.api.max_body_bytes,
    )
    systemd = Systemd(reactor, os.environ)
    signals = Signals(reactor)
    stages = [
        signals,
        home,
        DescriptorLimit(config.web.max_connections, web.max_connections),
        life,
        Control(reactor, config.control, folder, core.accounts.operator.handle),
        systemd,
        Reloader(reactor, config, partial(_checked, read), life.reload, systemd, partial(signals.stop, "SIGHUP")),
        Listener(reactor, site, sockets),
        SelfCheck(reactor, outgoing(reactor, SELF_CHECK_SECONDS), config.web, site.gate, core.engines),
        Banner(reactor, CONNECT),
    ]
    if config.manhole.enabled:
        from newage.daemon.manhole import Manhole  # all of SSH: a start without it need not read that

        manhole = Manhole(reactor, config.manhole, config.home, Inspection(core).namespace, BANNER)
        stages.insert(stages.index(systemd), manhole)
    if config.metrics.listen_port:
        lag = LagMeter(reactor)
        metrics = Metrics(core, lag.late)
        figures = metrics_site(config.metrics, config.web, reactor, site.gate, metrics.scrape, CONTENT_TYPE)
        address, port = config.metrics.listen_address, config.metrics.listen_port
        open_to = Sockets(address, port, server.listen_backlog, keys=METRICS_KEYS)
        stages[-3:-3] = [lag, Listener(reactor, figures, open_to, METRICS_WORDS)]
    for stage in stages:
        stage.setServiceParent(root)
    return root
