"""Is there a place for one more? Who is away and owns nothing gives way; what others hold never does (A38, B25)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import ClassVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from newage.domain.ids import is_new_identity
from newage.domain.model import Session
from newage.domain.names import is_clear
from newage.errors import AuthenticationFailed, Unavailable
from newage.services.events import SessionListener
from newage.services.rooms.limits import RoomSettings
from newage.services.rooms.registry import RoomRegistry
from newage.services.rooms.retention import RoomRetention
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live
from newage.telemetry.quota import LogQuota, left_out

LOGGED_PER_SECOND = 5  # of who gave way
LOOK_AGAIN = 1.0  # seconds until those who are away are looked through again, after nobody of them could give way


@define(eq=False, kw_only=True)
class Places(SessionListener):
    """Looks at who comes for the first time; who is a member of any room has his place.

    :param trusted: whether a client is trusted: else anybody may call himself so.
    """

    _log: ClassVar[Logger] = Logger()

    _world: World
    _sessions: SessionService
    _rooms: RoomRegistry
    _retention: RoomRetention
    _trusted: Callable[[str], bool]
    _settings: Live[RoomSettings]
    _quota: LogQuota = field(init=False)
    _full_at: dict[str, float] = field(factory=dict, init=False)  # what was full -> when nobody could give way

    @_quota.default
    def _make_quota(self) -> LogQuota:
        return LogQuota(LOGGED_PER_SECOND, self._world.clock.seconds)

    def session_coming(self, session: Session) -> None:
        """
        :raises AuthenticationFailed: it has a name in which something cannot be seen, and is new (A27).
        :raises Unavailable: all places are taken by those who are here or own something.
        """
        if self._rooms.rooms_of(session.identity):
            return
        if not is_clear(session.client_id) and not self._trusted(session.client_id):
            raise AuthenticationFailed("Invalid client id.")
        if not is_new_identity(session.identity, session.client_id):
            raise AuthenticationFailed("Invalid identity.")
        self._in_client(session)
        if not self._trusted(session.client_id):
            self._without_key(session)
        self.in_rooms(session.identity)

    def in_rooms(self, newcomer: str) -> None:
        """One more room.

        :param newcomer: who needs it, for the log.
        :raises Unavailable: there are too many.
        """
        if self._rooms.is_full:

            def has_a_room(identity: str) -> bool:
                return self._rooms.get(identity) is not None

            leaver = self._who_gives_way("rooms", self._retention.absences, has_a_room)
            if leaver is None:
                raise Unavailable("Too many rooms.")
            self._tell(leaver, newcomer, "max_rooms")
            Deferred.fromCoroutine(self._rooms.delete(leaver)).addErrback(self._rooms.not_stored, leaver)

    # ------------------------------------------------------------------------------------------------------ internals

    def _in_client(self, session: Session) -> None:
        client_id, away = session.client_id, self._retention.absences.of_client(session.client_id)
        if self._sessions.of_client(client_id) + len(away) < self._settings.value.identities_per_client:
            return
        leaver = next(
            (who for who in (*away, *self._sessions.lingering(client_id)) if not self._retention.owns(who)), None
        )
        if leaver is None:
            raise Unavailable("Too many identities of this client.")
        self._sessions.end_grace(leaver)
        self._tell(leaver, session.identity, "identities_per_client")
        self._retention.forget(leaver)

    def _without_key(self, session: Session) -> None:
        absences = self._retention.absences
        if self._keyless() < self._settings.value.keyless_identities:
            return
        leaver = self._who_gives_way(
            "keyless", absences, lambda identity: not self._trusted(absences.client_of(identity))
        )
        if leaver is None:
            raise Unavailable("Too many identities of clients that are not trusted.")
        self._tell(leaver, session.identity, "keyless_identities")
        self._retention.forget(leaver)

    def _keyless(self) -> int:
        """How many identities there are whose clients are not trusted; exact where it may be too many."""
        absences = self._retention.absences
        most = self._sessions.count + len(absences)
        if most < self._settings.value.keyless_identities:
            return most
        here = (session.client_id for session in self._sessions.online_sessions())
        away = (absences.client_of(identity) for identity in absences)
        return sum(not self._trusted(client_id) for client_id in (*here, *away))

    def _who_gives_way(self, what: str, among: Iterable[str], suits: Callable[[str], bool]) -> str | None:
        """Who has been away longest of those who own nothing; it is not looked for again at once in vain."""
        now = self._world.clock.seconds()
        if now - self._full_at.get(what, -inf) < LOOK_AGAIN:
            return None
        found = next((who for who in among if suits(who) and not self._retention.owns(who)), None)
        if found is None:
            self._full_at[what] = now
        return found

    def _tell(self, leaver: str, newcomer: str, limit: str) -> None:
        if (unsaid := self._quota.take()) is not None:
            self._log.info(
                "{leaver}, which is away and owned nothing, gave way to {newcomer} ({limit}){unsaid}",
                leaver=repr(leaver)[:140],
                newcomer=repr(newcomer)[:140],
                limit=limit,
                unsaid=left_out(unsaid),
            )
