"""Everything put together, once, from the inside out. Opens nothing: ``Core.startService`` does (assembly/life.py)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from random import SystemRandom
from time import monotonic
from typing import Any
from uuid import uuid4

from attrs import evolve, frozen

from newage import __version__
from newage.bridge.demo import DemoExtension
from newage.cluster.local import LocalAdapter
from newage.config import Config
from newage.config.live import LiveTables
from newage.daemon.workers import PhasedWorkers, ThreadWorkers
from newage.domain.model import Caller, RequestMode
from newage.functions.members import PluginService
from newage.gateway.engineio.engines import EngineServer
from newage.gateway.socketio.dispatch import Dispatcher, Namespace
from newage.gateway.socketio.hub import Hub
from newage.gateway.socketio.multiplex import multiplexer
from newage.namespaces import assignments, auth, clients, function_call, llm, messages, moderation, rooms, sillytavern
from newage.namespaces.debug import DebugEvents
from newage.namespaces.door import Door
from newage.namespaces.function_call import register_builtins
from newage.namespaces.links import SocketLink
from newage.namespaces.sillytavern import ExtensionSettings
from newage.ports import ISocket, IWorkers
from newage.services.accounts.attempts import AttemptLimiter
from newage.services.accounts.auth import EXTENSIONS, STAFF, AuthService, HandshakeRequest
from newage.services.accounts.hashing import HashService, make_hash
from newage.services.accounts.key_admin import KeyAdministration
from newage.services.accounts.keys import KeyService
from newage.services.accounts.operator import OperatorService
from newage.services.accounts.trust import TrustService
from newage.services.calls.calls import CallService
from newage.services.calls.file_functions import FileFunctions
from newage.services.history.editing import EditingService
from newage.services.history.log import HistoryService
from newage.services.history.missed import OfflineService
from newage.services.home.files import HomeFiles
from newage.services.home.log_reader import LogReader
from newage.services.home.server_file import ServerFile
from newage.services.home.static_routes import StaticRoutes
from newage.services.home.watch import SettingsWatch
from newage.services.requests.desks import Desks
from newage.services.requests.forwarding import Forwarder
from newage.services.requests.intake import RequestService
from newage.services.requests.ledger import RequestLedger
from newage.services.requests.sending import Sender
from newage.services.requests.slots import Pacer
from newage.services.requests.thinking import ConversationService
from newage.services.rooms.activity import ActivityService
from newage.services.rooms.assignments import AssignmentService
from newage.services.rooms.default_mode import DefaultMode
from newage.services.rooms.moderation import ModerationService
from newage.services.rooms.mutes import Mutes
from newage.services.rooms.notices import MuteNotices, RoomNotices
from newage.services.rooms.registry import RoomRegistry
from newage.services.rooms.retention import RoomRetention
from newage.services.rooms.rooms import RoomService
from newage.services.sessions.client_list import ClientListService
from newage.services.sessions.names import Names
from newage.services.sessions.session_audit import SessionAudit
from newage.services.sessions.sessions import SessionService
from newage.services.streams.answers import AnswerService
from newage.services.streams.downstream import DownstreamService
from newage.services.streams.upstream import StreamService
from newage.services.world import World, wall_clock
from newage.storage.database import Database
from newage.storage.stores import Stores, memory_stores, sql_stores


@frozen
class Threads:
    """The pools, each for its own kind of work."""

    writer: PhasedWorkers
    readers: PhasedWorkers
    hashes: PhasedWorkers
    files: PhasedWorkers

    @classmethod
    def of(cls, config: Config, reactor: Any) -> Threads:
        def pool(name: str, threads: int, queue: int) -> PhasedWorkers:
            return PhasedWorkers(ThreadWorkers(reactor.callFromThread, name, threads, queue))

        storage, auth, files = config.storage, config.auth, config.files
        return cls(
            pool("store writer", 1, 16),
            pool("store readers", storage.reader_threads, storage.read_queue_limit),
            pool("hashes", auth.hash_threads, auth.hash_queue_limit),
            pool("files", files.file_threads, files.file_queue_limit),
        )

    def all(self) -> tuple[PhasedWorkers, ...]:
        return (self.writer, self.readers, self.hashes, self.files)


class Assembly:
    """The parts of the hub between its ports and its home: services, gateway, namespaces, stores.

    ``engines`` is what the web layer connects to. ``core.Core`` starts and stops the parts.

    :param set_debug: raises or lowers the level of the log files.
    :param log_folder: where READ_LOG looks; None with ``--ephemeral``.
    """

    def __init__(
        self, config: Config, reactor: Any, *, set_debug: Callable[[bool], None], log_folder: Path | None
    ) -> None:
        self._config = config
        self._reactor = reactor
        self.live = LiveTables.of(config)
        self._started = (wall_clock(), reactor.seconds())
        self.port: Callable[[], int] = lambda: config.server.port  # replaced by who listens: port 0 takes any
        self.world = world = World(clock=reactor, wall=wall_clock, new_id=lambda: str(uuid4()))
        self._threads = Threads.of(config, reactor)
        self._database: Database | None = None
        self._stores = self._make_stores()
        self.hub = hub = Hub(cluster=LocalAdapter, settings=config.gateway)
        self._make_people(world, hub)
        self._make_conversation(world, hub)
        self._make_calls()
        self._make_plugins(world)
        self._listen()
        self.logs = LogReader(log_folder, self._threads.files, self.live.log_reader)
        self.debug = DebugEvents(hub, self.status, self.logs, set_debug, config.server.debug_mode)
        self.dispatcher = self._make_namespaces()
        self.engines = EngineServer(
            clock=reactor,
            make_upper=multiplexer(hub, self.dispatcher, config.gateway),
            engine=config.engine,
            settings=config.gateway,
        )
        self._demo = DemoExtension(reactor, wall_clock, self.streams, config.demo) if config.server.demo else None

    # ------------------------------------------------------------------------------------------------------- building

    def _make_stores(self) -> Stores:
        if self._config.server.ephemeral:
            return memory_stores()
        storage = self._config.storage
        path = self._config.home / "data" / storage.file_name
        self._database = Database(path, storage, self._threads.writer, self._threads.readers)
        return sql_stores(self._database)

    def _make_people(self, world: World, hub: Hub) -> None:
        """Sessions, keys, trust: who is there."""
        config, threads, store = self._config, self._threads, self._stores.keys
        self.sessions = SessionService(world, hub, self.live.sessions)
        read_only = config.files.read_only or config.server.ephemeral
        self.files = HomeFiles(config.home, evolve(config.files, read_only=read_only))
        self.server_file = ServerFile(self.files)
        hashes = HashService(threads.hashes, config.auth)
        self.keys = KeyService(store, hashes, world, config.auth, secrets.token_bytes(32))
        self.trust = TrustService(
            self.files, store, threads.files, lambda raw: make_hash(raw, config.auth.bcrypt_rounds), world, config.auth
        )
        self.administration = KeyAdministration(self.keys, self.trust, self.sessions)
        self.limiter = AttemptLimiter(monotonic, config.auth)
        self.operator = OperatorService(self.keys, self.trust, self.limiter, world)
        self.names = Names(self.sessions, lambda name: self.trust.knows(name, network_safe=True))
        self.auth = AuthService(
            keys=self.keys,
            trust=self.trust,
            limiter=self.limiter,
            hashes=hashes,
            world=world,
            settings=config.auth,
            network_safe=lambda: self.server_file.network_safe,
            names=self.names,
        )
        self.watch = SettingsWatch(
            world, self.files, self.server_file, self.trust.rescan, threads.files, self.live.watch
        )
        self.client_list = ClientListService(
            world, hub, self.sessions.online_sessions, config.client_list, config.downstream.alias_events
        )

    def _make_calls(self) -> None:
        """Function calls, and the URLs that one of them adds."""
        config, files = self._config, self._threads.files
        self.static = StaticRoutes(self.files, files, config.static)
        self.calls = CallService(self.sessions, self.hub, self.assignments.assigned, self.live.calls)
        functions = FileFunctions(
            self.files,
            files,
            self.server_file,
            self.trust,
            lambda raw: make_hash(raw, config.auth.bcrypt_rounds),
            lambda: self.server_file.network_safe,
            self.administration.rank_of,
        )
        register_builtins(self.calls, functions, self.static)

    def _make_plugins(self, world: World) -> None:
        """What operators install: functions, and members of rooms."""
        settings = self._config.plugins

        def threads(name: str) -> IWorkers:
            call = self._reactor.callFromThread
            return ThreadWorkers(call, name, settings.plugin_threads, settings.max_thread_queue, forsaken=True)

        self.plugins = PluginService(
            world=world,
            sessions=self.sessions,
            names=self.names,
            rooms=self.rooms,
            entering=self.room_service,
            history=self.history,
            requests=self.requests,
            messages=self._stores.messages,
            serving=self.assignments.assigned,
            make_workers=threads,
            call_seconds=lambda: self.live.calls.value.function_call_timeout_ms / 1000,
            settings=settings,
        )

    def _make_conversation(self, world: World, hub: Hub) -> None:
        """Rooms, assignments, history, requests, streams: what is said, and who answers."""
        config, stores, sessions = self._config, self._stores, self.sessions
        aliases = config.downstream.alias_events
        self.default_mode = DefaultMode(stores.state, RequestMode(config.rooms.default_room_message_request_mode))
        self.rooms = RoomRegistry(world, hub, sessions, self.names, stores.rooms, self.default_mode, self.live.rooms)
        self.retention = RoomRetention(world, sessions, self.rooms, self.live.rooms)
        self.room_service = RoomService(world, sessions, self.rooms, self.live.rooms)
        self.mutes = Mutes(world, self.rooms)
        self.moderation = ModerationService(world, self.rooms, self.mutes, self.default_mode)
        choose = SystemRandom().choice
        self.assignments = AssignmentService(world, hub, sessions, self.rooms, stores.state, config.relations, choose)
        self.history = HistoryService(
            world,
            hub,
            sessions,
            self.rooms,
            stores.messages,
            self.live.history,
            self.assignments.assigned,
            aliases=aliases,
        )
        self.activity = ActivityService(world, hub, sessions, self.rooms, self.live.presence)
        self.desks = Desks(world, sessions, self.live.requests)
        self.pacer = Pacer(self.desks)
        forwarder = Forwarder(hub, sessions, self.activity, self.pacer)
        self.ledger = ledger = RequestLedger(world, hub, self.desks, forwarder, self.live.requests)
        self.requests = RequestService(
            world=world,
            sessions=sessions,
            rooms=self.rooms,
            assignments=self.assignments,
            history=self.history,
            ledger=ledger,
            sender=Sender(self.rooms, self.history, self.desks, forwarder, ledger),
            forwarder=forwarder,
            settings=self.live.requests,
        )
        self.downstream = DownstreamService(world, hub, sessions, self._members, self.live.downstream)
        answers = AnswerService(world, hub, sessions, ledger, self.history)
        self.streams = StreamService(
            world, sessions, self.desks, ledger, answers, self.downstream, self.activity, self.live.streams
        )
        self.conversation = ConversationService(
            world=world,
            rooms=self.rooms,
            assignments=self.assignments,
            history=self.history,
            ledger=ledger,
            sessions=sessions,
            pacer=self.pacer,
            settings=self.live.conversation,
            chance=SystemRandom().random,
            choose=choose,
        )
        self.offline = OfflineService(world, hub, self.rooms, stores.messages, stores.marks, self.live.history)
        self.editing = EditingService(
            world,
            self.rooms,
            self.history,
            stores.messages,
            self.requests.taken_back,
            lambda: self.live.requests.value.max_request_bytes,
        )

    def _members(self, room_id: str) -> tuple[str, ...]:
        room = self.rooms.with_id(room_id)
        return () if room is None else tuple(room.members)

    def _listen(self) -> None:
        """Who is told first: rooms exist before anything is said of them, notices go out before system messages."""
        for session_listener in (
            SessionAudit(),
            self.retention,
            self.assignments,
            self.activity,
            self.client_list,
            self.downstream,
            self.desks,
            self.streams,
            self.offline,
        ):
            self.sessions.add_listener(session_listener)
        for room_listener in (
            self.retention,
            self.mutes,
            RoomNotices(self.hub, self.sessions, aliases=self._config.downstream.alias_events),
            self.assignments,
            self.requests,
            MuteNotices(self.hub, self.sessions),
            self.streams,
            self.downstream,
            self.activity,
            self.offline,
            self.history,
            self.conversation,
        ):
            self.rooms.add_listener(room_listener)

    def _make_namespaces(self) -> Dispatcher:
        dispatcher = Dispatcher()
        kept = ExtensionSettings(self._config.sillytavern)
        door = Door(self.auth, self.sessions)
        own_key = auth.AuthEvents(
            auth=self.auth, keys=self.keys, administration=self.administration, sessions=self.sessions
        )
        people = clients.ClientEvents(keys=self.keys, administration=self.administration, clients=self.client_list)
        extension = sillytavern.SillyTavernEvents(
            auth=self.auth,
            administration=self.administration,
            trust=self.trust,
            sessions=self.sessions,
            kept=kept,
        )
        calls = function_call.CallEvents(calls=self.calls)
        for namespace in (
            door.open("/"),
            door.open("/auth", own_key.handlers(), entered=own_key.entered),
            door.open("/clients", people.handlers()),
            door.open("/sillytavern", extension.handlers(), gate=EXTENSIONS),
            door.open("/function_call", calls.handlers()),
            self._make_llm(door),
            self._make_rooms(door),
            door.open("/debug", self.debug.handlers(), gate=STAFF),
        ):
            dispatcher.add(namespace)
        return dispatcher

    def _make_llm(self, door: Door) -> Namespace:
        services = llm.LlmServices(
            world=self.world,
            outbox=self.hub,
            rooms=self.rooms,
            assignments=self.assignments,
            requests=self.requests,
            ledger=self.ledger,
            streams=self.streams,
            downstream=self.downstream,
            history=self.history,
            offline=self.offline,
            activity=self.activity,
        )
        spoken = messages.MessageEvents(editing=self.editing)
        namespace = door.open("/llm", spoken.handlers(), link=partial(SocketLink.of, self.hub))
        llm.add_llm_events(namespace, services)
        assignments.add_room_query(namespace, self._assignment_events())
        moderation.add_mute_events(namespace, self._moderation_events())
        return namespace

    def _make_rooms(self, door: Door) -> Namespace:
        spoken = messages.MessageEvents(editing=self.editing)
        namespace = door.open("/rooms", spoken.handlers(), entered=self._entered_rooms)
        events = rooms.RoomEvents(registry=self.rooms, rooms=self.room_service)
        rooms.add_room_events(namespace, events)
        assignments.add_assignment_events(namespace, self._assignment_events())
        moderation.add_moderation_events(namespace, self._moderation_events())
        return namespace

    def _entered_rooms(self, socket: ISocket, caller: Caller, request: HandshakeRequest) -> None:
        """A first ``/rooms`` socket learns who serves its rooms (contract 6.3)."""
        self.assignments.announce_to(caller.sid, caller.identity)

    def _assignment_events(self) -> assignments.AssignmentEvents:
        return assignments.AssignmentEvents(rooms=self.rooms, assignments=self.assignments)

    def _moderation_events(self) -> moderation.ModerationEvents:
        return moderation.ModerationEvents(rooms=self.room_service, moderation=self.moderation)

    # --------------------------------------------------------------------------------------------------------- status

    def status(self) -> dict[str, Any]:
        """SERVER_STATUS without its debugMode (contract 10.2)."""
        values = self.server_file.values
        return {
            "serverPort": self.port(),
            "serverAddress": values.get("serverAddress"),
            "networkSafe": self.server_file.network_safe,
            "startTime": _local(self._started[0]),
            "uptimeSeconds": int(self._reactor.seconds() - self._started[1]),
            "version": __version__,
            "implementation": "newage",
            "connectedClients": len(self.sessions.online_sessions()),
            "connectedExtensions": list(self.assignments.extensions()),
            "rooms": sum(1 for _ in self.rooms.all()),
            "liveRequests": self.requests.live_count,
            "openStreams": self.streams.open_outputs,
            "connectionPolicy": self.assignments.policy.value,
            "messageRequestMode": self.default_mode.mode.value,
            "memoryRssBytes": _resident_bytes(),
        }


def _local(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}"


def _resident_bytes() -> int:
    """What the process holds now; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096
    except (OSError, ValueError, IndexError):
        return 0
