"""Who is connected, as the wire shows it, and the pushes when that changes (contract 3.6)."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field, frozen
from twisted.internet.interfaces import IDelayedCall

from newage.dialect import Body, clients
from newage.domain.delivery import EVERYBODY, Audience
from newage.domain.model import MONITOR_ROOM, Caller, Kind, Session
from newage.ports import IOutbox
from newage.services.events import SessionListener
from newage.services.world import World
from newage.settings import limit

EXTENSION_SOCKETS = Audience.of_kind(Kind.EXTENSION)


@frozen(kw_only=True)
class ClientListSettings:
    """How the client list is pushed."""

    client_list_coalesce_ms: int = limit(100, "milliseconds in which changes are announced together", least=0)
    client_list_ms_per_client: float = limit(
        1.0, "milliseconds of quiet after an announcement, per client in it: a storm of logins stays linear", least=0
    )
    client_list_max_chars: int = limit(
        262_144, "characters of desc and html in one pushed list; beyond, html is left out", least=0
    )


@define(eq=False)
class ClientListService(SessionListener):
    """Pushes the list once per interval, however many came and went in it.

    :param online: every session, in order of appearance.
    :param alias_events: emit lower-case twins too (contract 1.8).
    """

    _world: World
    _outbox: IOutbox
    _online: Callable[[], tuple[Session, ...]]
    _settings: ClientListSettings
    _alias_events: bool = True
    _pending: IDelayedCall | None = field(default=None, init=False)
    _quiet_until: float = field(default=0.0, init=False)

    def clients(self) -> list[Body]:
        """What is to be said of every session."""
        return clients.infos(self._online(), self._settings.client_list_max_chars)

    def changed(self) -> None:
        """Announce soon."""
        if self._pending is None:
            quiet = self._quiet_until - self._world.clock.seconds()
            delay = max(self._settings.client_list_coalesce_ms / 1000, quiet)
            self._pending = self._world.clock.callLater(delay, self._push)

    def close(self) -> None:
        """Announce no more."""
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None

    def _push(self) -> None:
        self._pending = None
        everyone = self.clients()
        pause = len(everyone) * self._settings.client_list_ms_per_client / 1000
        self._quiet_until = self._world.clock.seconds() + pause
        for event, to in (
            (clients.connected(everyone, "/clients"), EVERYBODY),
            (clients.connected(everyone, "/"), Audience.room(MONITOR_ROOM)),
        ):
            self._outbox.publish(*event.to(to))
            if self._alias_events:
                self._outbox.publish(*event.alias().to(to))
        self._outbox.publish(*clients.connected_to_extensions(everyone).to(EXTENSION_SOCKETS))

    # ------------------------------------------------------------------------------------------------------- listening

    def session_appeared(self, session: Session) -> None:
        self.changed()

    def socket_attached(self, caller: Caller) -> None:
        if caller.namespace == "/auth":
            self.changed()  # observed on the reference server: a login announces the list

    def session_gone(self, session: Session) -> None:
        self.changed()

    def extension_available(self, session: Session) -> None:
        self.changed()

    def extension_lost(self, session: Session) -> None:
        self.changed()
