"""What an extension says of a request before it answers: that it will, or that it is too busy (5.4, A32)."""

from __future__ import annotations

from typing import ClassVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from newage.dialect import requests
from newage.domain.model import Caller
from newage.domain.request import Request, Waiting
from newage.errors import Unavailable
from newage.services.requests.desks import Desks
from newage.services.requests.forwarding import Forwarder
from newage.services.requests.ledger import RequestLedger
from newage.services.requests.limits import RequestSettings
from newage.services.requests.queue_news import QueueNews
from newage.services.requests.records import RequestRecords
from newage.services.rooms.activity import ActivityService
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live
from newage.telemetry.quota import LogQuota, left_out
from newage.telemetry.trouble import Trouble, trouble

FEATURE = "accept"
LOGGED_PER_SECOND = 5  # of what is ignored
WARNING_CODE = 72
BUSY = "The extension is busy"


@define(eq=False, kw_only=True)
class TakingService:
    """Total: what an extension says of no request of its own is ignored and logged."""

    _log: ClassVar[Logger] = Logger()

    _world: World
    _sessions: SessionService
    _activity: ActivityService
    _desks: Desks
    _ledger: RequestLedger
    _forwarder: Forwarder
    _records: RequestRecords
    _news: QueueNews
    settings: Live[RequestSettings]
    _again: dict[tuple[str, Request], IDelayedCall] = field(factory=dict, init=False)
    _quota: LogQuota = field(init=False)
    _trouble: Trouble = trouble()

    def __attrs_post_init__(self) -> None:
        self._quota = LogQuota(LOGGED_PER_SECOND, self._world.clock.seconds)

    def close(self) -> None:
        for call in self._again.values():
            call.cancel()
        self._again.clear()

    def accept(self, actor: Caller, request_id: str | None, where: str, position: int | None) -> None:
        """It will answer: a sign of life. Who asked is told once, and again when that changes.

        :param where: ``chat`` or ``headless``. :param position: in its own queue.
        """
        request = self._named(actor, request_id)
        if request is None:
            return
        if FEATURE not in actor.features:
            self.dropped(actor.identity, "ACCEPT_REQUEST of one that did not declare it")
            return
        request.goes_to(actor.identity, actor.sid)
        self._ledger.heard_from(request, actor.identity)
        if self._desks.runs(actor.identity, request) and request.take(
            actor.identity, where, position, self._world.clock.seconds()
        ):
            status = requests.status(request, "accepted", where=where, position=position)
            self._forwarder.tell(request, status)

    def busy(self, actor: Caller, request_id: str | None, after_ms: float | None, reason: str) -> None:
        """It cannot begin now: the request is the next of its turn again, and its time stops.

        :param after_ms: when it wants to be asked again; None: it does not say.
        """
        request, extension = self._named(actor, request_id), actor.identity
        if request is None:
            return
        settings = self.settings.value
        wanted = settings.busy_retry_ms if after_ms is None else after_ms
        seconds = max(settings.busy_retry_least_ms, min(wanted, settings.busy_retry_most_ms)) / 1000
        if extension in request.begun or not self._desks.put_off(extension, request, seconds):
            self.dropped(extension, "BUSY of a request that it has begun, or was not asked")
            return
        if not self._desks.running_in(extension, request.room_id):
            self._activity.show(request.room, extension, "idle", room_id=request.room_id)
        if request.put_off(extension) >= settings.max_busy:
            self._ledger.failed_by(request, extension, Unavailable(BUSY), reason or None)
            return
        self._forwarder.put_back(extension, [request])
        self._ask_again(extension, request, seconds)
        if not request.given:
            self._waits(request, reason)
        self._forwarder.send_next(extension)

    def dropped(self, identity: str, what: str) -> None:
        """It is ignored; said as often as the quota allows."""
        unsaid = self._quota.take()
        if unsaid is not None:
            more = left_out(unsaid, "before")
            self._log.warn(
                "dropped of {identity}: {what}{more}",
                identity=identity,
                what=what,
                more=more,
                warning_code=WARNING_CODE,
            )

    def _named(self, actor: Caller, request_id: str | None) -> Request | None:
        """What it was asked, on that socket or on one that is gone, and has not answered."""
        request = self._desks.named(actor.identity, request_id)
        place = request.places.get(actor.identity, "") if request is not None else ""
        if request is None or (place != actor.sid and self._sessions.caller(place) is not None):
            self.dropped(actor.identity, "word of a request that it was not asked")
            return None
        return request if request.live and request.awaits(actor.identity) else None

    def _waits(self, request: Request, reason: str) -> None:
        Deferred.fromCoroutine(self._records.puts_off(request)).addErrback(
            lambda failure: self._trouble.say("a request that waits again could not be stored", failure)
        )
        waiting = Waiting(what="turn", position=self._forwarder.position(request))
        self._news.waits(request, waiting, reason or None)

    def _ask_again(self, extension: str, request: Request, seconds: float) -> None:
        before = self._again.pop((extension, request), None)
        if before is not None:
            before.cancel()
        self._again[extension, request] = self._world.clock.callLater(seconds, self._due, extension, request)

    def _due(self, extension: str, request: Request) -> None:
        del self._again[extension, request]
        self._forwarder.send_next(extension)
