"""All settings: one frozen class, an attribute of which is a table of the TOML file.

Each layer owns the class of its table. Nothing here knows a single limit.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import TypeAlias, get_type_hints

import attrs
from attrs import field, frozen

from newage.bridge.demo import DemoSettings
from newage.bridge.upstream_settings import Upstream, UpstreamSettings
from newage.daemon.control import ControlSettings
from newage.daemon.listening import address_list
from newage.daemon.manhole_settings import ManholeSettings
from newage.domain.output import StreamSettings
from newage.errors import NewAgeError
from newage.functions.settings import PluginSettings
from newage.gateway.settings import GatewaySettings
from newage.namespaces.sillytavern import SillyTavernSettings
from newage.protocol.engine_session import EngineSettings
from newage.services.accounts.api_limits import ApiSettings
from newage.services.accounts.limits import AuthSettings
from newage.services.calls.calls import CallSettings
from newage.services.chat.limits import ChatSettings
from newage.services.history.limits import HistorySettings
from newage.services.home.files import FileSettings
from newage.services.home.log_reader import LogReaderSettings
from newage.services.home.static_routes import StaticSettings
from newage.services.home.watch import WatchSettings
from newage.services.requests.limits import RequestSettings
from newage.services.requests.thinking import ConversationSettings
from newage.services.rooms.activity import ActivitySettings
from newage.services.rooms.assignments import AssignmentSettings
from newage.services.rooms.limits import RoomSettings
from newage.services.sessions.client_list import ClientListSettings
from newage.services.sessions.rates import RateSettings
from newage.services.sessions.sessions import SessionSettings
from newage.services.streams.limits import DownstreamSettings
from newage.services.webhooks.settings import Webhook, WebhookSettings
from newage.settings import limit, switch, text, texts
from newage.storage.database import StorageSettings
from newage.telemetry.logs import LogSettings
from newage.web.metrics import MetricsSettings
from newage.web.settings import WebSettings

Key: TypeAlias = tuple[str, str]  # table, field


@frozen(kw_only=True)
class ServerSettings:
    """Where the hub listens and lives, and how it stops."""

    home: str = text(
        "./newage-home",
        "folder of settings, keys, data, logs and the database; relative to where twistd is started",
        empty=False,
    )
    port: int = limit(4000, "TCP port", zero="any free one, which is logged", most=65535)
    bind_address: tuple[str, ...] = texts(
        ("127.0.0.1", "::1"),
        'IP addresses to listen on; "*" is every address of the machine, reachable from outside',
        check=address_list,
    )
    ephemeral: bool = switch(False, "keep everything in memory and write nothing to disk")
    demo: bool = switch(False, "add an extension that answers with visibly generated text")
    debug_mode: bool = switch(False, "write debug entries to the log files from the start")
    listen_backlog: int = limit(1024, "connections the kernel holds until they are accepted")
    stop_seconds: float = limit(
        8.0, "seconds a stop may take before what still runs is cut off; at most 9", least=0, most=9
    )


def is_exposed(server: ServerSettings, web: WebSettings) -> bool:
    """Whether others may come over what looks like this machine: then no place administers unless told (B2)."""
    here = all(each == "localhost" or (each != "*" and ip_address(each).is_loopback) for each in server.bind_address)
    return not here or web.behind_proxy or bool(web.trusted_proxies)


@frozen(kw_only=True)
class Config:
    """All settings; an attribute is a table of the TOML file, its class belongs to the layer that reads it."""

    server: ServerSettings = field(factory=ServerSettings)
    web: WebSettings = field(factory=WebSettings)
    engine: EngineSettings = field(factory=EngineSettings)
    gateway: GatewaySettings = field(factory=GatewaySettings)
    auth: AuthSettings = field(factory=AuthSettings)
    api: ApiSettings = field(factory=ApiSettings)
    sessions: SessionSettings = field(factory=SessionSettings)
    rates: RateSettings = field(factory=RateSettings)
    presence: ActivitySettings = field(factory=ActivitySettings)
    rooms: RoomSettings = field(factory=RoomSettings)
    history: HistorySettings = field(factory=HistorySettings)
    requests: RequestSettings = field(factory=RequestSettings)
    streams: StreamSettings = field(factory=StreamSettings)
    conversation: ConversationSettings = field(factory=ConversationSettings)
    downstream: DownstreamSettings = field(factory=DownstreamSettings)
    chat: ChatSettings = field(factory=ChatSettings)
    relations: AssignmentSettings = field(factory=AssignmentSettings)
    client_list: ClientListSettings = field(factory=ClientListSettings)
    sillytavern: SillyTavernSettings = field(factory=SillyTavernSettings)
    files: FileSettings = field(factory=FileSettings)
    calls: CallSettings = field(factory=CallSettings)
    plugins: PluginSettings = field(factory=PluginSettings)
    static: StaticSettings = field(factory=StaticSettings)
    log_reader: LogReaderSettings = field(factory=LogReaderSettings)
    watch: WatchSettings = field(factory=WatchSettings)
    storage: StorageSettings = field(factory=StorageSettings)
    demo: DemoSettings = field(factory=DemoSettings)
    control: ControlSettings = field(factory=ControlSettings)
    manhole: ManholeSettings = field(factory=ManholeSettings)
    log: LogSettings = field(factory=LogSettings)
    metrics: MetricsSettings = field(factory=MetricsSettings)
    # Of tables that there may be any number of, in the order of their mention.
    upstreams: tuple[Upstream, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    # Not settings: what the operator should hear about although it does not keep the hub from starting.
    warnings: tuple[NewAgeError, ...] = field(default=(), eq=False)
    # What a stronger source than server_settings.json has said: changes of that file do not reach these.
    pinned: frozenset[Key] = field(default=frozenset(), eq=False)

    @property
    def home(self) -> Path:
        return Path(self.server.home).absolute()


NAMED: dict[str, type] = {
    "upstream": UpstreamSettings,
    "webhook": WebhookSettings,
}  # tables [kind.NAME], any number of each kind


def sections() -> dict[str, type]:
    """Table name -> settings class, in the order of ``Config``."""
    hints = get_type_hints(Config)
    return {name: hints[name] for name in hints if attrs.has(hints[name])}
