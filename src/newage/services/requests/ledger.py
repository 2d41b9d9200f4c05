"""The account of LLM requests: which are live, what came back, when they end (contract 5.3, 5.5, 5.8)."""

from __future__ import annotations

from typing import ClassVar

from twisted.logger import Logger

from newage.dialect import requests
from newage.domain.request import Request
from newage.domain.rerouting import is_late
from newage.errors import NewAgeError, TimedOut
from newage.ports import IRequestListener
from newage.services.requests.desks import Desks
from newage.services.requests.forwarding import Forwarder
from newage.services.requests.limits import RequestSettings
from newage.services.requests.rerouting import Rerouting
from newage.services.requests.stopping import Stopping
from newage.services.world import World
from newage.settings import Live
from newage.telemetry.quota import LogQuota, left_out

LOGGED_ENDS_PER_SECOND = 50  # of all requests; the others are only counted
LOGGED_SILENCES_PER_SECOND = 5
NO_SIGN = (
    "{extension} gave no sign within {seconds} seconds. The SillyTavern-NewAge extension does not send its answers by "
    "itself: the README, 'Connect SillyTavern', tells how to mend it. Or SillyTavern is asleep, busy or has no model."
)


class RequestLedger:
    """What streams and answers need to know of requests; how requests get in is ``RequestService``'s.

    ``sweep`` is to be called every few seconds.

    :param listener: is told how requests end. :param stopping: tells extensions not to go on. :param rerouting: finds
        another one for what an extension fails to begin.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        world: World,
        desks: Desks,
        forwarder: Forwarder,
        settings: Live[RequestSettings],
        listener: IRequestListener,
        stopping: Stopping,
        rerouting: Rerouting,
    ) -> None:
        self._stopping = stopping
        self._rerouting = rerouting
        self._world = world
        self._desks = desks
        self._forwarder = forwarder
        self.settings = settings
        self._quota = LogQuota(LOGGED_ENDS_PER_SECOND, world.clock.seconds)
        self._silences = LogQuota(LOGGED_SILENCES_PER_SECOND, world.clock.seconds)
        self._requests: dict[Request, None] = {}  # live ones and those in their tail, oldest first
        self._ids: dict[tuple[str, str], Request] = {}  # (identity, requestId) -> the newest of these
        self._live: dict[str, int] = {}  # identity -> number of its live requests
        self._listener = listener

    @property
    def live_count(self) -> int:
        return sum(self._live.values())

    def live_of(self, identity: str) -> int:
        """How many of this identity's requests are live."""
        return self._live.get(identity, 0)

    def of_room(self, room_id: str) -> list[Request]:
        """The requests of a room, those in their tail included, oldest first."""
        return [request for request in self._requests if request.room_id == room_id]

    def of_message(self, message_id: str) -> list[Request]:
        """The requests that ask that message, as ``of_room``."""
        return [request for request in self._requests if request.message_id == message_id]

    def whole_of(self, request: Request) -> Request:
        """What it was merged into, else itself."""
        return next((each for each in self._requests if request in each.merged), request)

    def wholes(self) -> dict[Request, Request]:
        """As ``whole_of``, of all that were merged into another one."""
        return {entry: each for each in self._requests for entry in each.merged}

    def is_answering(self, room_id: str) -> bool:
        """Is an answer on its way into that room?"""
        return any(r.given and r.live for r in self._requests if r.room_id == room_id)

    def live_requests_of(self, identity: str) -> list[Request]:
        """The live requests of this identity, oldest first."""
        return [each for each in self._requests if each.identity == identity and each.live]

    def unsent(self) -> list[Request]:
        """Live ones that wait for their turn at all of their extensions."""
        return [request for request in self._requests if request.live and request.targets and not request.sent]

    def enter(self, request: Request) -> None:
        """Keep account of it from now on."""
        self._requests[request] = None
        self._ids[request.identity, request.request_id] = request
        self._live[request.identity] = self._live.get(request.identity, 0) + 1

    # ------------------------------------------------------------------------------------------------- what comes back

    def get(self, identity: str, request_id: str) -> Request | None:
        """The request of that identity; an id is its requester's own (A17)."""
        return self._ids.get((identity, request_id))

    def heard_from(self, request: Request, extension: str) -> None:
        """An extension is at work on it: neither expiry nor rule 3 may pass it over."""
        if extension not in request.tried:
            request.heard(self._world.clock.seconds())
        self._desks.heard(extension, request)

    def started(self, extension: str, request_id: str | None, room_id: str) -> None:
        """START_PROCESSING: a sign that it is at work, on the request it names, else on what it has of that room."""
        named = self._desks.named(extension, request_id)
        for request in [named] if named is not None else self._desks.running_in(extension, room_id):
            self.heard_from(request, extension)

    def resumed(self, request: Request, extension: str) -> None:
        """Its answer goes on after its end: what the extension was sent since then it may have dropped (H11)."""
        dropped = self._desks.resumed(extension, request)
        if dropped:
            self._forwarder.put_back(extension, dropped)

    def finished_by(self, request: Request, extension: str) -> None:
        """Its output is whole: what the extension sends next without a requestId belongs to the next request."""
        self._desks.done(extension, request)
        request.finish(extension)
        self._forwarder.send_next(extension)

    def answered_by(self, request: Request, extension: str, response_id: str, *, more: bool = False) -> None:
        """Its answer is stored: tell the requester, and end the request after the last one.

        :param more: the extension has said that it will give others.
        """
        request.answer(extension, response_id, more=more)
        if not request.live:
            return
        if request.outcome is not None:
            self.end(request, request.outcome, response_id=response_id)
        else:
            left = request.remaining
            self._forwarder.tell(
                request, requests.status(request, "processing", response_id=response_id, remaining=left)
            )

    def no_more(self, request: Request, extension: str, response_id: str) -> None:
        """The extension, which had said that it would give others, gives none: the last one was it."""
        if request.expects(extension):
            self.answered_by(request, extension, response_id)

    def lost_by(self, request: Request, extension: str, error: NewAgeError) -> None:
        """Its answer is whole but could not be stored."""
        request.lose(extension)
        self.failed_by(request, extension, error, final=True)

    def silent_at(self, request: Request, extension: str) -> None:
        """An extension said nothing more of its answer for too long, which fails by that."""
        if request.live and request.awaits(extension):
            reason = "rerouted" if self._rerouting.next_of(request) is not None else "timeout"
            self._stopping.stop(extension, request, reason)

    def failed_by(
        self, request: Request, extension: str, error: NewAgeError, detail: object = None, *, final: bool = False
    ) -> bool:
        """An extension failed at it; only the first time counts. Another one may be asked instead (contract 5.8).

        :param final: none is. :return: whether it was the first time.
        """
        self._desks.done(extension, request)
        moved = not final and request.awaits(extension) and self._rerouting.move(request)
        first = moved or self._fail(request, extension, error, detail)
        self._forwarder.send_next(extension)
        return first

    def _fail(self, request: Request, extension: str, error: NewAgeError, detail: object = None) -> bool:
        first = request.fail(extension)
        if first:
            self._forwarder.report(request, error, extension, detail)
            if request.outcome is not None:
                failed = request.outcome == "failed"
                self.end(request, request.outcome, str(error) if failed else None, error=error if failed else None)
        return first

    def late(self) -> list[tuple[str, Request]]:
        """What an extension has not begun to answer for too long, where another one may be asked instead."""
        now, seconds = self._world.clock.seconds(), self.settings.value.first_token_ms / 1000
        late = [request for request in self._requests if is_late(request, now, seconds)]
        return [(r.targets[0], r) for r in late if self._rerouting.next_of(r) is not None]

    def move_on(self, request: Request, extension: str) -> bool:
        """Another extension is asked instead of that one, which is told to stop.

        :return: False where none is left.
        """
        moved = request.awaits(extension) and self._rerouting.move(request, stops=True)
        self._forwarder.send_next(extension)
        return moved

    def awaited_of(self, extension: str) -> list[Request]:
        """The live requests this extension has still to answer."""
        return [r for r in self._requests if r.live and r.awaits(extension)]

    def cancel(self, request: Request, by: str) -> None:
        """Somebody took it back: nobody hears what still comes of it (A20).

        :param by: his identity.
        """
        request.ignore(*request.targets)
        self._stop(request, "cancelled")
        self.end(request, "cancelled", by=by)

    def lose_room(self, request: Request) -> None:
        """Nobody is there any more to be answered."""
        request.lose_room()
        if request.live:
            self._stop(request, "gone")
            self.end(request, "failed", "Room deleted.")

    def _stop(self, request: Request, reason: str) -> None:
        for target in sorted(request.sent):
            if request.given and request.awaits(target):
                self._stopping.stop(target, request, reason)

    def end(
        self,
        request: Request,
        status: str,
        message: str | None = None,
        *,
        response_id: str | None = None,
        by: str | None = None,
        error: NewAgeError | None = None,
    ) -> None:
        """No more is expected of it: tell everybody whose words are in it.

        :param message: why it failed or expired. :param response_id: of the answer that was its last.
        :param by: who took it back. :param error: the failure that was its end.
        """
        if not request.live:
            return
        request.end(status, self._world.clock.seconds(), message or "", by=by or "", trouble=error)
        self._note_end(request, status)
        self._count_down(request)
        for target in request.sent:
            if request.given:
                self._desks.given_up(target, request)
            else:  # nor can an answer to it come
                self._desks.done(target, request)
        self._forwarder.tell(request, requests.status(request, status, response_id=response_id, message=message, by=by))
        for entry in request.merged:
            self.end(entry, status, message, response_id=response_id, by=by, error=error)
        self._listener.request_ended(request, message)
        for target in request.targets:
            self._forwarder.send_next(target)

    def _note_end(self, request: Request, status: str) -> None:
        """One line in the log files, as far as its quota goes; never what was said."""
        unsaid, failed = self._quota.take(), status in ("failed", "expired")
        if unsaid is not None:
            self._log.info(
                "{identity}: request {request_id} in room {room}: {status}",
                identity=request.identity,
                request_id=request.request_id,
                room=request.room,
                status=status + left_out(unsaid, "ends before"),
                tag="LLM_RESPONSE_SENT" if status == "completed" else "LLM_REQUEST_FAILED" if failed else "",
            )

    # --------------------------------------------------------------------------------------------------- what is over

    def _count_down(self, request: Request) -> None:
        left = self._live.get(request.identity, 1) - 1
        if left > 0:
            self._live[request.identity] = left
        else:
            self._live.pop(request.identity, None)

    def forget(self, request: Request) -> None:
        """It was never told to an extension, or nobody may answer it any more."""
        if request in self._requests:
            del self._requests[request]
            self._desks.forget(request)
        if self._ids.get((request.identity, request.request_id)) is request:
            del self._ids[request.identity, request.request_id]
        if request.live:
            request.end(request.state, self._world.clock.seconds())
            self._count_down(request)

    def sweep(self) -> None:
        """Expire what fell silent, forget what is long over."""
        for extension, request in self._desks.silent():
            self._gave_no_sign(request, extension)
        now, settings = self._world.clock.seconds(), self.settings.value
        for request in list(self._requests):
            if request.ended_at is not None:
                if request.ended_at <= now - settings.request_tail_seconds and not self._desks.awaits(request):
                    self.forget(request)
            elif request.timed and request.active_at <= now - settings.llm_request_timeout_seconds:
                self._expire(request)
        self._forwarder.send_next()

    def _gave_no_sign(self, request: Request, extension: str) -> None:
        """It may still be answered: what the extension says next without a requestId is taken for this (A31)."""
        words = NO_SIGN.format(extension=extension, seconds=self.settings.value.extension_first_sign_seconds)
        if (unsaid := self._silences.take()) is not None:
            more = left_out(unsaid, "of these")
            self._log.warn("request {request_id}: {words}{more}", request_id=request.request_id, words=words, more=more)
        if self.move_on(request, extension):
            return
        self._stopping.stop(extension, request, "timeout")
        self._desks.given_up(extension, request)
        self._fail(request, extension, TimedOut(words))

    def _expire(self, request: Request) -> None:
        error = TimedOut("Request timed out.")
        self._forwarder.report(request, error)
        self._stop(request, "timeout")
        self.end(request, "expired", str(error), error=error)
