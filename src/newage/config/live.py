"""The tables that a reload may change, each in a cell; whatever is in none is built in until the next start."""

from __future__ import annotations

import attrs
from attrs import frozen

from newage.config.tables import Config, Key
from newage.domain.output import StreamSettings
from newage.services.calls.calls import CallSettings
from newage.services.chat.limits import ChatSettings
from newage.services.history.limits import HistorySettings
from newage.services.home.log_reader import LogReaderSettings
from newage.services.home.watch import WatchSettings
from newage.services.requests.limits import RequestSettings
from newage.services.requests.thinking import ConversationSettings
from newage.services.rooms.activity import ActivitySettings
from newage.services.rooms.limits import RoomSettings
from newage.services.sessions.rates import RateSettings
from newage.services.sessions.sessions import SessionSettings
from newage.services.streams.limits import DownstreamSettings
from newage.settings import Live


@frozen(kw_only=True)
class LiveTables:
    """One cell for each of these tables of ``Config``, under its name. A service is given the cell of its table."""

    sessions: Live[SessionSettings]
    rates: Live[RateSettings]
    presence: Live[ActivitySettings]
    rooms: Live[RoomSettings]
    history: Live[HistorySettings]
    requests: Live[RequestSettings]
    streams: Live[StreamSettings]
    conversation: Live[ConversationSettings]
    downstream: Live[DownstreamSettings]
    chat: Live[ChatSettings]
    calls: Live[CallSettings]
    log_reader: Live[LogReaderSettings]
    watch: Live[WatchSettings]

    @classmethod
    def of(cls, config: Config) -> LiveTables:
        return cls(**{name: Live(getattr(config, name)) for name in RELOADABLE})

    def replace(self, config: Config) -> None:
        """From now on these tables are as they are there."""
        for name in RELOADABLE:
            getattr(self, name).replace(getattr(config, name))


RELOADABLE = tuple(each.name for each in attrs.fields(LiveTables))
# Keys of these tables that are built in nevertheless, and keys of other tables that are not.
BUILT_IN: frozenset[Key] = frozenset({("rooms", "default_room_message_request_mode"), ("downstream", "alias_events")})
LIVE: frozenset[Key] = frozenset({("auth", "network_safe"), ("server", "debug_mode")})


def is_reloadable(key: Key) -> bool:
    """Whether a change of this key (table, name) takes effect without a restart."""
    return key in LIVE or (key[0] in RELOADABLE and key not in BUILT_IN)
