"""Who comes and goes, for the audit log and the log files: sessions, not each of their sockets."""

from __future__ import annotations

from attrs import define, field
from zope.interface import implementer

from newage.domain.model import Caller, Session
from newage.ports import ISessionListener
from newage.telemetry.audit import Recorder, of_session

MAX_ADDRESSES = 64  # of one session


@implementer(ISessionListener)
@define(eq=False)
class SessionAudit:
    """Records a session when it appears, and again for each further address that it is used from."""

    _came: Recorder = field(factory=lambda: Recorder("connect", "CLIENT_CONNECTED"), init=False)
    _went: Recorder = field(factory=lambda: Recorder("disconnect", "CLIENT_DISCONNECTED"), init=False)
    _ready: Recorder = field(factory=lambda: Recorder("extension.available", "EXTENSION_CONNECTED"), init=False)
    _lost: Recorder = field(factory=lambda: Recorder("extension.lost", "EXTENSION_DISCONNECTED"), init=False)
    _last: dict[str, Caller] = field(factory=dict, init=False)  # identity -> its newest socket; bounded by sessions
    _addresses: dict[str, set[str]] = field(factory=dict, init=False)

    def session_coming(self, session: Session) -> None:
        """Who is refused is the door's to record."""

    def session_appeared(self, session: Session) -> None:
        """Its first socket follows at once and says from where."""

    def socket_attached(self, caller: Caller) -> None:
        known = self._addresses.setdefault(caller.identity, set())
        self._last[caller.identity] = caller
        if caller.peer.address not in known and len(known) < MAX_ADDRESSES:
            known.add(caller.peer.address)
            self._came.done(caller, **of_session(caller.session))

    def socket_detached(self, caller: Caller) -> None:
        """Only the end of the session counts."""

    def session_gone(self, session: Session) -> None:
        del self._addresses[session.identity]
        self._went.done(self._last.pop(session.identity))

    def extension_available(self, session: Session) -> None:
        self._ready.done(self._last[session.identity], namespace="/llm")

    def session_put_out(self, session: Session) -> None:
        """Why, another line says; its end comes as ``session_gone``."""

    def extension_lost(self, session: Session) -> None:
        self._lost.done(self._last[session.identity], namespace="/llm")

    def extension_gone(self, session: Session) -> None:
        """That it was lost has been said."""
