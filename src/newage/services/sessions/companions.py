"""An extension hears that another one of its id, which declared nothing, is here and is not asked (contract 2.9)."""

from __future__ import annotations

from attrs import define, field

from newage.dialect import clients
from newage.domain.model import Caller, Kind
from newage.ports import IOutbox
from newage.services.events import SessionListener
from newage.services.sessions.sessions import SessionService
from newage.services.world import World

_NAMESPACE = "/llm"


@define(eq=False)
class Companions(SessionListener):
    """Told to each ``/llm`` socket with features when the first of the others comes, and when the last has gone."""

    _world: World
    _outbox: IOutbox
    _sessions: SessionService
    _told: set[str] = field(factory=set, init=False)  # sids that know of others
    _looking: set[str] = field(factory=set, init=False)  # clients of which somebody came or went in this turn

    def socket_attached(self, caller: Caller) -> None:
        self._look_later(caller)

    def socket_detached(self, caller: Caller) -> None:
        self._told.discard(caller.sid)
        self._look_later(caller)

    def _look_later(self, caller: Caller) -> None:
        client_id = caller.client_id
        if caller.kind is Kind.EXTENSION and caller.namespace == _NAMESPACE and client_id not in self._looking:
            self._looking.add(client_id)
            self._world.clock.callLater(0, self._look, client_id)

    def _look(self, client_id: str) -> None:
        self._looking.discard(client_id)
        callers = self._sessions.answering_of_client(client_id)
        others = any(not caller.features for caller in callers)
        for caller in callers:
            if caller.features and others != (caller.sid in self._told):
                if others:
                    self._told.add(caller.sid)
                else:
                    self._told.discard(caller.sid)
                event = clients.companion(client_id, here=others)
                self._outbox.emit(caller.sid, event.name, event.body)
