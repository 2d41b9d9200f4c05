"""Who is here without a socket: an identity is present while it has a request over HTTP.

To everybody else it is a session like any other: it is in the client list, has a room of its own that the policies give
extensions to, and may be put out (A14).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from attrs import define, evolve, field

from newage.domain.model import Caller, Kind
from newage.services.events import SessionListener
from newage.services.sessions.admissions import Admissions
from newage.services.sessions.sessions import SessionService

PUT_OUT = "The key is good no more, or an administrator ended this."

_Who: TypeAlias = tuple[str, str, str, Kind, bool]


@define(eq=False)
class _Here:
    """One caller; those who stay share its place among the sessions."""

    attached: Caller
    stays: dict[Stay, None] = field(factory=dict)


@define(eq=False)
class Stay:
    """One request of somebody who is present for it.

    ``caller`` is whom services are to be asked as; ``put_out`` is called, once, when it must not go on: its key was
    revoked or has ended, or an administrator wants it out.
    """

    caller: Caller
    put_out: Callable[[], None]
    _leave: Callable[[Stay], None]

    def leave(self) -> None:
        """The request is over; idempotent. After the last one the session is gone, when its grace is over."""
        self._leave(self)


@define(eq=False)
class Presence(SessionListener):
    """Bounded as sessions are; how many requests one identity may have at once is for others to say."""

    _sessions: SessionService
    _admissions: Admissions
    _here: dict[_Who, _Here] = field(factory=dict, init=False)
    _sids: dict[str, _Who] = field(factory=dict, init=False)

    def enter(self, caller: Caller, put_out: Callable[[], None]) -> Stay:
        """It is present from now on, until it has left.

        :param put_out: see ``Stay``; it leaves by that.
        :raises NewAgeError: there is no place for it.
        """
        who = caller.namespace, caller.identity, caller.credential, caller.kind, caller.sensitive
        here = self._here.get(who)
        if here is None:
            here = _Here(self._as_session(caller))
            self._sessions.attach(here.attached)
            self._here[who] = here
            self._sids[caller.sid] = who
            self._admissions.entered(here.attached)
        stay = Stay(evolve(caller, sid=here.attached.sid), put_out, self._left)
        here.stays[stay] = None
        return stay

    def of(self, identity: str) -> int:
        """How many requests of this identity are here."""
        return sum(len(here.stays) for who, here in self._here.items() if who[1] == identity)

    def _as_session(self, caller: Caller) -> Caller:
        """What it is by its sockets it stays."""
        session = self._sessions.by_identity(caller.identity)
        if session is None:
            return caller
        return evolve(caller, session=evolve(caller.session, kind=session.kind, client_type=session.client_type))

    def _left(self, stay: Stay) -> None:
        who = self._sids.get(stay.caller.sid)
        if who is None or self._here[who].stays.pop(stay, stay) is stay:
            return
        if not self._here[who].stays:
            attached = self._forget(who)
            self._admissions.left(attached.sid, attached.client_id)
            self._sessions.detach(attached.sid)

    def _forget(self, who: _Who) -> Caller:
        attached = self._here.pop(who).attached
        del self._sids[attached.sid]
        return attached

    def socket_detached(self, caller: Caller) -> None:
        """Somebody else took its place from it."""
        who = self._sids.get(caller.sid)
        if who is not None:
            stays = tuple(self._here[who].stays)
            self._forget(who)
            for stay in stays:
                stay.put_out()
