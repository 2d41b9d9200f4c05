"""A request that its extension fails to begin goes to the next one of its room (contract 5.8, A22).

Which, and whether at all, says ``domain/rerouting.py``; here it is moved.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import define
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from newage.domain.request import Request, Waiting
from newage.domain.rerouting import may_go_on, next_extension
from newage.services.requests.desks import Desks
from newage.services.requests.forwarding import Forwarder
from newage.services.requests.queue_news import QueueNews
from newage.services.requests.records import RequestRecords
from newage.services.requests.stopping import Stopping
from newage.services.rooms.activity import ActivityService
from newage.services.rooms.assignments import AssignmentService
from newage.telemetry.trouble import Trouble, trouble


@define(eq=False, kw_only=True)
class Rerouting:
    """Nothing is moved when the hub stops: what is cut off then is told as such."""

    _log: ClassVar[Logger] = Logger()

    _assignments: AssignmentService
    _activity: ActivityService
    _desks: Desks
    _forwarder: Forwarder
    _stopping: Stopping
    _records: RequestRecords
    _news: QueueNews
    _trouble: Trouble = trouble()

    def next_of(self, request: Request) -> str | None:
        """Which extension would be asked now instead of the one that has it; None: no other."""
        rooms = self._assignments
        if self._forwarder.stopped or not may_go_on(request, rooms.policy):
            return None  # who serves its room need not be worked out
        there = rooms.assigned(request.room) or rooms.would_serve(request.room, rooms.extensions())
        return next_extension(request, there)

    def move(self, request: Request, *, stops: bool = False) -> bool:
        """Who asked is told; then it is asked, or waits for its turn. A restart finds that (A35).

        :param stops: the one that has it is to stop, and told so. :return: False where no other is left.
        """
        following = self.next_of(request)
        if following is None:
            return False
        (old,) = request.targets
        if not self._forwarder.has(old, request):
            return False
        told = request.given
        if stops:
            self._stopping.stop(old, request, "rerouted")
            self._desks.given_up(old, request)
        self._forwarder.move(request, following)
        if told and not self._desks.running_in(old, request.room_id):
            self._activity.show(request.room, old, "idle", room_id=request.room_id)
        if request.live and not request.sent:
            self._wait(request)
        return True

    def _wait(self, request: Request) -> None:
        Deferred.fromCoroutine(self._records.puts_off(request)).addErrback(
            lambda failure: self._trouble.say("a request that goes to another extension could not be stored", failure)
        )
        self._news.waits(request, Waiting(what="turn", position=self._forwarder.position(request)))
