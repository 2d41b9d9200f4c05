"""Who was let in, socket by socket, and how one is put out again (contract 2.8, A14)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall

from newage.dialect import acks
from newage.domain.model import Caller
from newage.errors import AuthenticationFailed, NewAgeError
from newage.ports import IOutbox
from newage.services.sessions.sessions import SessionService
from newage.services.world import World

EXPIRED = "Your key has expired."
_DAY = 86_400.0

Departures = Sequence[tuple[Caller, NewAgeError | None]]


@define(eq=False)
class Admissions:
    """Every socket that a namespace let in, those without a key yet included (contract 2.8.4 a)."""

    _world: World
    _outbox: IOutbox
    _sessions: SessionService
    _callers: dict[str, dict[str, Caller]] = field(factory=dict, init=False)  # client id -> sid -> who it is now
    _timer: IDelayedCall | None = field(default=None, init=False)
    _due: float = field(default=inf, init=False)  # when the next key ends

    def entered(self, caller: Caller) -> None:
        """It was let in, or is somebody else since it logged in."""
        self._callers.setdefault(caller.client_id, {})[caller.sid] = caller
        if caller.until < self._due:
            self._wait(caller.until)

    def left(self, sid: str, client_id: str) -> None:
        """It is gone; idempotent."""
        sockets = self._callers.get(client_id, {})
        sockets.pop(sid, None)
        if not sockets:
            self._callers.pop(client_id, None)

    def of(self, client_id: str) -> tuple[Caller, ...]:
        """This client's sockets, oldest first."""
        return tuple(self._callers.get(client_id, {}).values())

    def all(self) -> Iterator[Caller]:
        for sockets in list(self._callers.values()):
            yield from list(sockets.values())

    def put_out(self, find: Callable[[], Departures]) -> None:
        """End sockets with an error that says why, in the next turn: what is being answered now is answered first.

        :param find: called then: which, and why; None for without a word.
        """
        self._world.clock.callLater(0, self._put_out, find)

    def _put_out(self, find: Callable[[], Departures]) -> None:
        gone = find()
        for caller, error in gone:
            if error is not None:
                body = acks.failed(error)
                self._outbox.emit(caller.sid, body.name, body.body)
            self._outbox.disconnect(caller.sid)
            self._sessions.detach(caller.sid)
            self.left(caller.sid, caller.client_id)
        for identity in dict.fromkeys(caller.identity for caller, _ in gone):
            session = self._sessions.by_identity(identity)
            if session is not None and not self._sessions.all_callers(identity):
                self._sessions.events.session_put_out(session)

    def close(self) -> None:
        """No timer is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ---------------------------------------------------------------------------------------------------- keys that end

    def _wait(self, due: float) -> None:
        self.close()
        self._due = due
        if due < inf:
            left = due - self._world.clock.seconds()
            self._timer = self._world.clock.callLater(min(max(left, 0.0), _DAY), self._look)

    def _look(self) -> None:
        self._timer = None
        self._put_out(lambda: [(each, AuthenticationFailed(EXPIRED)) for each in self.all() if self._is_over(each)])
        self._wait(min((caller.until for caller in self.all()), default=inf))

    def _is_over(self, caller: Caller) -> bool:
        return caller.until <= self._world.clock.seconds()
