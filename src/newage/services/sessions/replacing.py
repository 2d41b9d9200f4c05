"""The newest page of an extension serves, the older one stays quiet (contract 2.9, handshake ``exclusive``)."""

from __future__ import annotations

from functools import partial

from attrs import define

from newage.domain.model import Caller
from newage.errors import Replaced
from newage.services.events import SessionListener
from newage.services.sessions.admissions import Admissions, Departures
from newage.services.sessions.sessions import SessionService

_NAMESPACE = "/llm"
REPLACED = "A newer page of this SillyTavern has taken over."


@define(eq=False)
class Replacing(SessionListener):
    """Of the ``/llm`` sockets of one identity that declared ``exclusive`` the newest stays.

    Those that did not declare it are nobody's to replace: their page would come back at once, again and again.
    """

    _sessions: SessionService
    _admissions: Admissions

    def socket_attached(self, caller: Caller) -> None:
        if caller.exclusive and caller.namespace == _NAMESPACE:
            self._admissions.put_out(partial(self._older, caller.identity))

    def _older(self, identity: str) -> Departures:
        """All but the newest, with what they are told: a page that is there on a new line knows (``instance``)."""
        pages = [each for each in self._sessions.callers(identity, _NAMESPACE) if each.exclusive]
        current = pages[-1].instance if pages else ""
        return [(each, None if current and each.instance == current else Replaced(REPLACED)) for each in pages[:-1]]
