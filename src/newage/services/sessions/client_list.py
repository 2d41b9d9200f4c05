"""Who is connected, as the wire shows it, and the pushes when that changes (contract 3.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field, frozen
from twisted.internet.interfaces import IDelayedCall

from newage.domain.delivery import EVERYBODY, Audience, Emission
from newage.domain.model import MONITOR_ROOM, Caller, Kind, Session
from newage.ports import IOutbox
from newage.services.events import SessionListener
from newage.services.world import World, iso
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


def client_info(session: Session) -> dict[str, Any]:
    """The superset that all readers understand; never any key material."""
    return {
        "id": session.client_id,
        "clientId": session.client_id,
        "identity": session.identity,
        "clientType": session.client_type,
        "desc": session.desc,
        "description": session.desc,
        "clientDesc": session.desc,
        "html": session.html,
        "clientHTML": session.html,
        "connectedAt": iso(session.connected_at),
    }


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

    def clients(self) -> list[dict[str, Any]]:
        """ClientInfo of every session."""
        sessions = self._online()
        infos = [client_info(session) for session in sessions]
        if sum(3 * len(s.desc) + 2 * len(s.html) for s in sessions) > self._settings.client_list_max_chars:
            for info in infos:
                info.update(html="", clientHTML="")
        return infos

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
        names = ["UPDATE_CONNECTED_CLIENTS", *(["update_connected_clients"] if self._alias_events else [])]
        for name in names:
            payload = ({"clients": everyone},)
            self._outbox.publish(Emission("/clients", name, payload, (EVERYBODY,)))
            self._outbox.publish(Emission("/", name, payload, (Audience.room(MONITOR_ROOM),)))
        others = [info for info in everyone if Kind.of(info["clientType"]) is not Kind.EXTENSION]
        theirs = ({"clients": others, "nonSillyTavernClients": others},)
        for namespace in ("/clients", "/auth"):
            self._outbox.publish(Emission(namespace, "CONNECTED_CLIENTS_UPDATE", theirs, (EXTENSION_SOCKETS,)))

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
