"""The account of LLM requests: which are live, what came back, when they end (contract 5.3, 5.5, 5.8)."""

from __future__ import annotations

from math import inf
from typing import Any, ClassVar

from attrs import field, frozen
from twisted.logger import Logger

from newage.domain.request import Request
from newage.errors import NewAgeError, TimedOut
from newage.ports import IOutbox
from newage.services.clock import World
from newage.services.forwarding import Forwarder, status_update
from newage.telemetry import LogQuota


@frozen(kw_only=True)
class RequestSettings:
    llm_request_timeout_seconds: int = field(
        default=600, metadata={"doc": "a request without activity expires after it"}
    )
    request_tail_seconds: int = field(default=60, metadata={"doc": "late chunks of a finished request are still taken"})
    extension_silence_seconds: int = field(
        default=180, metadata={"doc": "an unlabelled answer skips requests silent for longer while a newer one waits"}
    )
    max_live_requests: int = field(default=1000, metadata={"doc": "requests at once"})
    max_live_requests_per_identity: int = field(default=100, metadata={"doc": "requests of one identity at once"})
    request_rate: int = field(default=30, metadata={"doc": "requests of one identity in 10 seconds"})
    request_bytes_rate: int = field(
        default=1_048_576, metadata={"doc": "bytes of the requests of one identity in 10 seconds"}
    )
    max_request_bytes: int = field(
        default=262_144, metadata={"doc": "bytes of a request's text, data and further members as JSON"}
    )
    extension_max_in_flight: int = field(
        default=0, metadata={"doc": "requests one extension works on at once; 0 = any number"}
    )
    queue_size: int = field(default=100, metadata={"doc": "queued requests of a room in Default mode"})
    queue_size_per_identity: int = field(default=20, metadata={"doc": "of these, from one identity"})
    queue_ttl_seconds: int = field(default=3600, metadata={"doc": "a queued request expires after it"})


LOGGED_ENDS_PER_SECOND = 50  # of all requests; the others are only counted
END_LABELS = {"completed": "LLM_RESPONSE_SENT", "failed": "LLM_REQUEST_FAILED", "expired": "LLM_REQUEST_FAILED"}


class RequestLedger:
    """What streams and answers need to know of requests; how requests get in is ``RequestService``'s."""

    _log: ClassVar[Logger] = Logger()

    def __init__(self, world: World, outbox: IOutbox, forwarder: Forwarder, settings: RequestSettings) -> None:
        self._world = world
        self._outbox = outbox
        self._forwarder = forwarder
        self.settings = settings
        self._quota = LogQuota(LOGGED_ENDS_PER_SECOND, world.clock.seconds)
        self._requests: dict[str, Request] = {}  # live ones and those in their tail, oldest first
        self._live: dict[str, int] = {}  # identity -> number of its live requests

    @property
    def live_count(self) -> int:
        return sum(self._live.values())

    def enter(self, request: Request) -> None:
        """Keep account of it from now on."""
        self._requests.pop(request.request_id, None)
        self._requests[request.request_id] = request
        self._live[request.identity] = self._live.get(request.identity, 0) + 1

    # ------------------------------------------------------------------------------------------------- what comes back

    def correlate(self, extension: str, request_id: str | None) -> Request | None:
        """Rules 1 and 3 of contract 5.5: the request this packet of an extension answers; rule 2 is the caller's."""
        if request_id is not None:
            named = self._requests.get(request_id)
            if named is not None and extension in named.targets:
                return named
        waiting = [r for r in self._requests.values() if r.live and r.awaits(extension)]
        if not waiting:
            return None
        patience = self._world.clock.seconds() - self.settings.extension_silence_seconds
        return next((r for r in waiting if r.heard.get(extension, -inf) > patience), waiting[-1])

    def get(self, request_id: str) -> Request | None:
        return self._requests.get(request_id)

    def heard_from(self, request: Request, extension: str) -> None:
        """An extension is at work on it: neither expiry nor rule 3 may pass it over."""
        request.active_at = request.heard[extension] = self._world.clock.seconds()

    def finished_by(self, request: Request, extension: str) -> None:
        """Its output is whole: what the extension sends next without a requestId belongs to the next request."""
        if request.awaits(extension):
            request.finished.add(extension)
            self._forwarder.done(request, extension)

    def answered_by(self, request: Request, extension: str, response_id: str) -> None:
        """Its answer is stored: tell the requester, and end the request after the last one."""
        request.responses.append(response_id)
        if not request.live:
            return
        request.answered.add(extension)
        if request.remaining > 0:
            self._tell(request, "processing", responseId=response_id, remaining=request.remaining)
        else:
            self.end(request, "completed", responseId=response_id)

    def lost_by(self, request: Request, extension: str, error: NewAgeError) -> None:
        """Its answer is whole but could not be stored."""
        request.finished.discard(extension)
        self.failed_by(request, extension, error)

    def failed_by(self, request: Request, extension: str, error: NewAgeError, detail: object = None) -> bool:
        """An extension failed at it; only the first time counts (contract 5.8).

        :return: whether it was the first time.
        """
        if not request.live or not request.awaits(extension):
            return False
        request.failed.add(extension)
        self._forwarder.done(request, extension)
        self._forwarder.report(request, error, extension, detail)
        if request.remaining == 0:
            status = "completed" if request.answered else "failed"
            self.end(request, status, str(error) if status == "failed" else None)
        return True

    def awaited_of(self, extension: str) -> list[Request]:
        """The live requests this extension has still to answer."""
        return [r for r in self._requests.values() if r.live and r.awaits(extension)]

    def end(self, request: Request, status: str, message: str | None = None, **members: Any) -> None:
        """No more is expected of it: tell everybody whose words are in it."""
        if not request.live:
            return
        request.ended_at = self._world.clock.seconds()
        request.state = status
        self._note_end(request, status)
        self._count_down(request)
        for target in request.targets:
            self._forwarder.done(request, target)
        details = {**members, **({"message": message} if message is not None else {})}
        self._tell(request, status, **details)
        for entry in request.merged:
            self.end(entry, status, message, **members)

    def _note_end(self, request: Request, status: str) -> None:
        """One line in the log files, as far as its quota goes; never what was said."""
        unsaid = self._quota.take()
        if unsaid is not None:
            self._log.info(
                "{identity}: request {request_id} in room {room}: {status}",
                identity=request.identity,
                request_id=request.request_id,
                room=request.room,
                status=status if not unsaid else f"{status} ({unsaid} ends before were not logged)",
                tag=END_LABELS.get(status, ""),
            )

    # ------------------------------------------------------------------------------------------------------ internals

    def _tell(self, request: Request, status: str, **members: Any) -> None:
        self._outbox.publish(status_update(request, status, **members))

    def _count_down(self, request: Request) -> None:
        left = self._live.get(request.identity, 1) - 1
        if left > 0:
            self._live[request.identity] = left
        else:
            self._live.pop(request.identity, None)

    def _forget(self, request: Request) -> None:
        if self._requests.get(request.request_id) is request:
            del self._requests[request.request_id]
        if request.live:
            request.ended_at = self._world.clock.seconds()
            self._count_down(request)

    def _sweep_requests(self) -> None:
        """Expire what fell silent, forget what is long over."""
        now = self._world.clock.seconds()
        for request in list(self._requests.values()):
            if request.ended_at is not None:
                if request.ended_at <= now - self.settings.request_tail_seconds:
                    self._forget(request)
            elif request.targets and request.active_at <= now - self.settings.llm_request_timeout_seconds:
                self._expire(request)

    def _expire(self, request: Request) -> None:
        self._forwarder.report(request, TimedOut("Request timed out."), None, None)
        self.end(request, "expired", "Request timed out.")
