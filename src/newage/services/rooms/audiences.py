"""Which audiences a member's sockets belong to (contract 2.10)."""

from __future__ import annotations

from newage.domain.delivery import Audience
from newage.domain.model import Caller
from newage.ports import IOutbox
from newage.services.sessions.sessions import SessionService


class RoomAudiences:
    """Puts the sockets of identities into the audiences of a room and takes them out."""

    def __init__(self, outbox: IOutbox, sessions: SessionService) -> None:
        self._outbox = outbox
        self._sessions = sessions

    def enter(self, name: str, identity: str) -> None:
        """With all its sockets, in all namespaces."""
        for caller in self._sessions.all_callers(identity):
            self.enter_socket(name, caller)

    def enter_socket(self, name: str, caller: Caller) -> None:
        for audience in audiences(name, caller):
            self._outbox.subscribe(caller.sid, audience)

    def leave(self, name: str, identity: str) -> None:
        for caller in self._sessions.all_callers(identity):
            for audience in audiences(name, caller):
                self._outbox.unsubscribe(caller.sid, audience)


def audiences(name: str, caller: Caller) -> list[Audience]:
    """The audiences that one socket of a member belongs to.

    ``aliases``: has not declared a stream form, so it also gets the alias events (A9).
    """
    found = [Audience.room(name)]
    if caller.stream_mode not in ("ss", "plain"):
        found.append(Audience.aliases(name))
    return found
