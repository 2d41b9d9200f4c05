"""Who has put down roots: said something, was added, or was given a place in a room (contract A38, A42).

Absence is counted in the hub's running time: the seconds of all its runs together, by the monotonic clock. While the
hub is down nobody is away, and no wall clock ends anything (A29).
"""

from __future__ import annotations

from typing import ClassVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from newage.domain.model import Message, Role, Room, Session
from newage.domain.resident import Resident
from newage.ports import IMessageListener, IResidentStore, IStateStore
from newage.services.events import RoomListener, SessionListener
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.telemetry.trouble import Trouble


@implementer(IMessageListener)
class Residents(SessionListener, RoomListener):
    """Bounded by memberships: whoever is forgotten with his last one is a resident no more."""

    NOTE_SECONDS: ClassVar[float] = 600.0  # between two notes of the running time; a crash loses that much
    _log: ClassVar[Logger] = Logger()

    def __init__(self, world: World, sessions: SessionService, store: IResidentStore, state: IStateStore) -> None:
        self._world = world
        self._sessions = sessions
        self._store = store
        self._trouble = Trouble(self._log)
        self._state = state
        self._residents: dict[str, Resident] = {}
        self._before = 0.0  # seconds that the hub had run when this run began
        self._began = world.clock.seconds()
        self._note: IDelayedCall | None = None

    async def load(self) -> None:
        """Take in who is known; the running time goes on where it was."""
        self._residents = await self._store.load_residents()
        self._before = (await self._state.load_state()).running_seconds
        self._began = self._world.clock.seconds()
        self._schedule_note()

    def close(self) -> None:
        """Note how long the hub has run."""
        if self._note is not None:
            self._note.cancel()
            self._note = None
            self._write_note()

    def now(self) -> float:
        """Seconds that the hub has run in all its runs together."""
        return self._before + self._world.clock.seconds() - self._began

    def __contains__(self, identity: str) -> bool:
        return identity in self._residents

    def gone_since(self, identity: str) -> float | None:
        """When a resident went, in the hub's running time, as far as that is known."""
        known = self._residents.get(identity)
        return None if known is None or known.since is None else min(known.since, self.now())

    # ------------------------------------------------------------------------------------------------------- changes

    def settle(self, identity: str, client_id: str | None = None) -> None:
        """It is kept for long from now on.

        :param client_id: whose it is, if it is away and that is known.
        """
        if identity not in self._residents:
            session = self._sessions.by_identity(identity)
            since = None if session is not None else self.now()
            self._keep(identity, Resident(session.client_id if session is not None else client_id or identity, since))

    def forget(self, identity: str) -> None:
        """It is in no room any more."""
        if self._residents.pop(identity, None) is not None:
            self._store.remove_resident(identity).addErrback(self._failed)

    def message_added(self, message: Message) -> None:
        if message.identity not in self._residents and self._sessions.is_online(message.identity):
            self.settle(message.identity)

    def role_set(self, room: Room, identity: str, role: Role) -> None:
        if role > Role.GUEST:
            self.settle(identity, room.clients.get(identity))

    def session_appeared(self, session: Session) -> None:
        known = self._residents.get(session.identity)
        if known is not None and known.since is not None:
            self._keep(session.identity, Resident(session.client_id))

    def session_gone(self, session: Session) -> None:
        if session.identity in self._residents:
            self._keep(session.identity, Resident(session.client_id, self.now()))

    # ------------------------------------------------------------------------------------------------------ internals

    def _keep(self, identity: str, resident: Resident) -> None:
        self._residents[identity] = resident
        self._store.save_resident(identity, resident).addErrback(self._failed)

    def _schedule_note(self) -> None:
        self._note = self._world.clock.callLater(self.NOTE_SECONDS, self._noted)

    def _noted(self) -> None:
        self._schedule_note()
        self._write_note()

    def _write_note(self) -> None:
        d: Deferred[None] = self._state.save_running_seconds(self.now())
        d.addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        self._trouble.say("who is kept for long could not be stored", failure)
