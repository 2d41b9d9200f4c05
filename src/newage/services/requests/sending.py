"""Requests wait for their turn at an extension and are sent in the words that are stored then (contract 5.4, A18)."""

from __future__ import annotations

from typing import ClassVar

from attrs import define
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.dialect import requests
from newage.domain.model import Message, RequestMode
from newage.domain.request import Request
from newage.errors import CallFailed, NewAgeError
from newage.services.history.log import HistoryService
from newage.services.requests.desks import Desks
from newage.services.requests.forwarding import Forwarder
from newage.services.requests.ledger import RequestLedger
from newage.services.requests.records import RequestRecords
from newage.services.rooms.registry import RoomRegistry

TAKEN_BACK = "Taken back before it was sent."


@define(eq=False)
class Sender:
    """Nothing that waits is copied: message, merged ones and context are read when the turn has come."""

    _log: ClassVar[Logger] = Logger()

    _rooms: RoomRegistry
    _history: HistoryService
    _desks: Desks
    _forwarder: Forwarder
    _ledger: RequestLedger
    _records: RequestRecords

    async def enter(self, request: Request) -> None:
        """Wait for a turn at each target; over when what could be sent at once has been.

        :raises NewAgeError: that could not be read.
        """
        at_once: list[Deferred[None]] = []
        waits = False

        def send(target: str, name: str) -> None:
            sending = Deferred.fromCoroutine(self._send(request, target, name))
            if waits:
                sending.addErrback(self._failed, request, target)
            else:
                at_once.append(sending)

        self._forwarder.enter(request, send)
        waits = True
        for _, outcome in await DeferredList(at_once, consumeErrors=True):
            if isinstance(outcome, Failure):
                outcome.raiseException()

    def may_go(self, extension: str, request: Request) -> bool:
        """Would it be sent there at once?"""
        return self._desks.admits(extension, request)

    def withdraw(self, request: Request) -> None:
        """It goes to no extension any more, as far as it has not been told yet."""
        self.unsend(request)
        self._ledger.end(request, "expired", TAKEN_BACK)

    def unsend(self, request: Request) -> None:
        """No extension answers what it was not told."""
        if not request.given:
            for target in request.sent:
                self._desks.done(target, request)
            request.unsend(*request.sent)

    async def _send(self, request: Request, target: str, name: str) -> None:
        await self._records.forwards(request)
        room = self._rooms.with_id(request.room_id)
        if room is None:  # it is being deleted; whoever waits is told by that
            return
        only = (request.thread or request.identity) if request.mode is RequestMode.SEPARATE else None
        context = () if request.ask.aside else await self._history.context(room, only)
        ids = [*(entry.message_id for entry in request.merged), request.message_id]
        said = await self._history.said(request.room_id, ids)
        if not request.live or not request.awaits(target) or target not in request.sent:
            return  # ended, or put off, while it was read
        if self._rooms.current(room) is None:
            return
        words = self._words(request, said)
        if words:
            self._forwarder.forward(target, name, request, words, context)
            if target in request.sent:  # it has not refused at once
                self._given(request)
        elif request.given:
            self._ledger.failed_by(request, target, CallFailed(TAKEN_BACK), final=True)
        else:
            self.withdraw(request)

    def _words(self, request: Request, said: dict[str, Message]) -> list[tuple[str, Message]]:
        """RequestIds and messages that are sent, its own the last; nothing: it is not sent."""
        if request.ask.submits:
            words = self._merged(request, said)
            if words:
                request.speak_for([message.message_id for _, message in words])
            return words
        own = None if request.stays else request.unsaid or said.get(request.message_id)
        return [] if own is None else [*self._merged(request, said), (request.request_id, own)]

    def _merged(self, request: Request, said: dict[str, Message]) -> list[tuple[str, Message]]:
        """RequestIds and messages in the order of the merge; those that were taken back meanwhile end, or have what
        others answer that were sent them."""
        for entry in request.merged:
            if not entry.given and (entry.stays or entry.message_id not in said):
                self.withdraw(entry)
        request.drop_ended()
        return [
            (each.request_id, said[each.message_id])
            for each in request.merged
            if each.message_id in said and not each.stays
        ]

    def _given(self, request: Request) -> None:
        if request.give():
            self._forwarder.tell(request, requests.status(request, "forwarded"))

    def _failed(self, failure: Failure, request: Request, target: str) -> None:
        """What had to wait cannot be read now."""
        error = failure.value
        if not isinstance(error, NewAgeError):
            self._log.failure("a request could not be sent to {target}", failure, target=target)
            error = CallFailed("Internal error.")
        self._ledger.failed_by(request, target, error, final=True)
