"""Who comes and goes, for the audit log and the log files: sessions, not each of their sockets."""

from __future__ import annotations

from attrs import define, field

from newage.domain.model import Caller, Session
from newage.services.events import SessionListener
from newage.telemetry.audit import Recorder, of_session

MAX_ADDRESSES = 64  # of one session


@define(eq=False)
class SessionAudit(SessionListener):
    """Records a session when it appears, and again for each further address that it is used from."""

    _came: Recorder = field(factory=lambda: Recorder("connect", "CLIENT_CONNECTED"), init=False)
    _went: Recorder = field(factory=lambda: Recorder("disconnect", "CLIENT_DISCONNECTED"), init=False)
    _ready: Recorder = field(factory=lambda: Recorder("extension.available", "EXTENSION_CONNECTED"), init=False)
    _lost: Recorder = field(factory=lambda: Recorder("extension.lost", "EXTENSION_DISCONNECTED"), init=False)
    _last: dict[str, Caller] = field(factory=dict, init=False)  # identity -> its newest socket; bounded by sessions
    _addresses: dict[str, set[str]] = field(factory=dict, init=False)

    def socket_attached(self, caller: Caller) -> None:
        known = self._addresses.setdefault(caller.identity, set())
        self._last[caller.identity] = caller
        if caller.peer.address not in known and len(known) < MAX_ADDRESSES:
            known.add(caller.peer.address)
            self._came.done(caller, **of_session(caller.session))

    def session_gone(self, session: Session) -> None:
        del self._addresses[session.identity]
        self._went.done(self._last.pop(session.identity))

    def extension_available(self, session: Session) -> None:
        self._ready.done(self._last[session.identity], namespace="/llm")

    def extension_lost(self, session: Session) -> None:
        self._lost.done(self._last[session.identity], namespace="/llm")
