"""The hub between its ports and its home: stores, services, gateway and namespaces, put together once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import SystemRandom
from typing import Any
from uuid import uuid4

from attrs import frozen
from twisted.web.iweb import IAgent

from newage.assembly.accounts import Accounts, Basis, make_accounts
from newage.assembly.calls import Calls, make_calls, make_plugins
from newage.assembly.namespaces import make_dispatcher
from newage.assembly.people import People, make_people
from newage.assembly.pools import Pools, make_pools
from newage.assembly.status import Status
from newage.assembly.talk import Talk, make_talk
from newage.assembly.upstreams import make_upstreams
from newage.bridge.cards import FOLDER as CHARACTERS
from newage.bridge.cards import Cards
from newage.bridge.demo import DemoExtension
from newage.bridge.upstream_llm import UpstreamExtension
from newage.bridge.webhook_post import WebhookPoster
from newage.cluster.local import LocalAdapter
from newage.config import Config
from newage.config.live import LiveTables
from newage.daemon.workers import ThreadWorkers
from newage.functions.members import PluginService
from newage.gateway.engineio.engines import EngineServer
from newage.gateway.socketio.dispatch import Dispatcher
from newage.gateway.socketio.hub import Hub
from newage.gateway.socketio.multiplex import multiplexer
from newage.ports import IWorkers
from newage.services.api.budgets import Budgets
from newage.services.api.spent import SpentKeeper
from newage.services.home.diagnostics import Diagnostics
from newage.services.home.log_reader import LogReader
from newage.services.home.watch import SettingsWatch
from newage.services.world import World, wall_clock
from newage.storage.database import Database
from newage.storage.stores import Stores, memory_stores, sql_stores
from newage.telemetry.metrics import Counters


@frozen(kw_only=True)
class Core:
    """``engines`` is what the web layer connects to; ``life.Life`` starts and stops the parts."""

    basis: Basis
    pools: Pools
    database: Database | None
    hub: Hub
    accounts: Accounts
    people: People
    talk: Talk
    calls: Calls
    plugins: PluginService
    watch: SettingsWatch
    status: Status
    diagnostics: Diagnostics
    dispatcher: Dispatcher
    engines: EngineServer
    counters: Counters
    demo: DemoExtension | None
    cards: Cards
    upstreams: tuple[UpstreamExtension, ...]
    budgets: Budgets
    spent: SpentKeeper

    @property
    def inside(self) -> tuple[UpstreamExtension | DemoExtension, ...]:
        """The extensions inside the process, the first to be asked first."""
        return (*self.upstreams, *(() if self.demo is None else (self.demo,)))


def make_core(
    config: Config,
    reactor: Any,
    *,
    set_debug: Callable[[bool], None],
    log_folder: Path | None,
    port: Callable[[], int],
    stores: Stores | None = None,
    counters: Counters | None = None,
    agent: IAgent | None = None,
) -> Core:
    """Opens nothing.

    :param set_debug: raises or lowers the level of the log files.
    :param log_folder: where READ_LOG looks; None with ``--ephemeral``.
    :param port: the one that is listened on.
    :param stores: None: those of the home, or of memory with ``--ephemeral``.
    :param counters: of the process.
    :param agent: by what model servers and webhooks are reached; without one they are not.
    """
    counters = counters or Counters()
    live, pools = LiveTables.of(config), make_pools(config, reactor)
    world = World(clock=reactor, wall=wall_clock, new_id=lambda: str(uuid4()))
    database = None
    if stores is None and config.server.ephemeral:
        stores = memory_stores()
    if stores is None:
        path = config.home / "data" / config.storage.file_name
        database = Database(path, config.storage, pools.writer, pools.readers)
        stores = sql_stores(database)
    basis = Basis(
        config=config,
        live=live,
        world=world,
        stores=stores,
        hash_workers=pools.hashes,
        file_workers=pools.files,
    )
    hub = Hub(cluster=LocalAdapter, settings=config.gateway)
    accounts = make_accounts(basis, read_only=config.server.ephemeral)
    people = make_people(basis, hub, accounts)
    random = SystemRandom()
    talk = make_talk(
        basis,
        hub,
        people.sessions,
        people.names,
        chance=random.random,
        choose=random.choice,
        has_key=lambda client_id: bool(accounts.keys.records(client_id)),
        is_bot=accounts.keys.is_bot,
        poster=None if agent is None else WebhookPoster(reactor, agent),
    )
    calls = make_calls(basis, hub, accounts, people, talk.assignments.assigned)

    def plugin_threads(name: str) -> IWorkers:
        limits = config.plugins
        return ThreadWorkers(
            reactor.callFromThread, name, limits.plugin_threads, limits.max_thread_queue, forsaken=True
        )

    status = Status(world=world, port=port, server_file=accounts.server_file, sessions=people.sessions, talk=talk)
    logs = LogReader(log_folder, pools.files, live.log_reader)
    diagnostics = Diagnostics(
        outbox=hub, status=status, logs=logs, set_debug=set_debug, debug_mode=config.server.debug_mode
    )
    cards = Cards(config.home / CHARACTERS)
    upstreams = make_upstreams(config.upstreams, world, talk, cards, agent)
    budgets = Budgets(world, config.api)
    dispatcher = make_dispatcher(basis, hub, accounts, people, talk, calls.calls, diagnostics)
    return Core(
        basis=basis,
        pools=pools,
        database=database,
        hub=hub,
        accounts=accounts,
        people=people,
        talk=talk,
        calls=calls,
        plugins=make_plugins(basis, people.sessions, people.names, talk, plugin_threads),
        watch=SettingsWatch(
            world, accounts.files, accounts.server_file, accounts.trust.rescan, pools.files, live.watch
        ),
        status=status,
        diagnostics=diagnostics,
        dispatcher=dispatcher,
        engines=EngineServer(
            clock=reactor,
            make_upper=multiplexer(hub, dispatcher, config.gateway),
            engine=config.engine,
            settings=config.gateway,
            counters=counters,
        ),
        counters=counters,
        demo=DemoExtension(reactor, wall_clock, talk.streams, config.demo) if config.server.demo else None,
        cards=cards,
        upstreams=upstreams,
        budgets=budgets,
        spent=SpentKeeper(world, stores.spent, (budgets, *(each.ceilings for each in upstreams))),
    )
