"""Answers that are over: stored, then announced to their room and requester (contract 5.5, 'Finalising an output')."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, ClassVar

from attrs import define, evolve, field
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.domain.delivery import Audience, Emission
from newage.domain.model import Message
from newage.domain.request import Request
from newage.domain.text import Joiner
from newage.errors import NewAgeError
from newage.ports import IOutbox
from newage.services.history.log import HistoryService
from newage.services.requests.ledger import RequestLedger
from newage.services.sessions.sessions import SessionService
from newage.services.streams.downstream import Feed
from newage.services.world import World
from newage.telemetry.logs import LogQuota


@define(eq=False)
class Output:
    """One answer on its way; ``feed`` is None once it is final. Times are seconds on the clock."""

    identity: str
    output_id: str  # as the room knows it
    given_id: str  # as the extension does: the same, unless it used that for another request before
    request: Request
    active_at: float
    joiner: Joiner = field(factory=Joiner)
    feed: Feed | None = None
    open_streams: int = 0
    pending_since: float | None = None  # the last END, when nothing is open
    ended_at: float | None = None
    closed: bool = False  # too large or failed: nobody hears late chunks
    text: str = ""  # of the segments before this feed
    budget: int = 0  # bytes this feed may hold
    message: Message | None = None  # as stored
    lock: DeferredLock = field(factory=DeferredLock)


@define(eq=False)
class ResponseService:
    """Stores in the background; the segments of an output that goes on after its end are stored in order."""

    LOGGED_PER_SECOND: ClassVar[int] = 5
    _log: ClassVar[Logger] = Logger()

    _world: World
    _outbox: IOutbox
    _sessions: SessionService
    _requests: RequestLedger
    _history: HistoryService
    _storing: set[Deferred[None]] = field(factory=set, init=False)
    _quota: LogQuota = field(init=False)

    @_quota.default
    def _make_quota(self) -> LogQuota:
        return LogQuota(self.LOGGED_PER_SECOND, self._world.clock.seconds)

    async def drain(self) -> None:
        """Wait until everything is stored."""
        for storing in list(self._storing):
            await storing

    def streamed(self, output: Output) -> None:
        """A stream is over: its text becomes the response, or replaces it when the output went on."""
        self._soon(output, self._store_stream(output))

    def failed(self, output: Output) -> None:
        """What there is of a failed one is kept."""
        self._soon(output, self._store_failed(output))

    def answered(self, output: Output) -> None:
        """An answer in one piece."""
        self._soon(output, self._store_answer(output))

    def repeated(self, output: Output, text: str) -> None:
        """An answer in one piece for an output that was streamed: shown, not stored again."""
        self._soon(output, self._show_answer(output, text))

    def _soon(self, output: Output, storing: Coroutine[Deferred[Any], Any, None]) -> None:
        if output.request.gone:
            storing.close()
            self._room_is_gone(output)
            return
        d: Deferred[None] = output.lock.run(lambda: Deferred.fromCoroutine(storing))
        self._storing.add(d)

        def done(result: object) -> None:
            self._storing.discard(d)
            if isinstance(result, Failure) and output.request.gone:
                self._room_is_gone(output)
            elif isinstance(result, Failure):
                self._log.failure("the answer of {identity} could not be stored", result, identity=output.identity)
                lost = NewAgeError("The answer could not be stored.")
                self._requests.lost_by(output.request, output.identity, lost)

        d.addBoth(done)

    def _room_is_gone(self, output: Output) -> None:
        """An answer to people who are not there any more; whoever has the room's name now did not ask."""
        if (unsaid := self._quota.take()) is not None:
            self._log.info(
                "dropped an answer of {identity}: its room {room} was deleted{more}",
                identity=output.identity,
                room=output.request.room,
                more=f" ({unsaid} before were not logged)" if unsaid else "",
            )

    async def _store_stream(self, output: Output) -> None:
        if output.message is not None:
            output.message = await self._history.replace(evolve(output.message, text=output.text, data=output.text))
            return
        output.message = message = await self._history.add(self._draft(output, streamed=True))
        self._announce(output, message)

    async def _store_failed(self, output: Output) -> None:
        if output.message is not None:
            await self._history.replace(evolve(output.message, text=output.text, data=output.text, failed=True))
        else:
            output.message = await self._history.add(evolve(self._draft(output, streamed=True), failed=True))

    async def _store_answer(self, output: Output) -> None:
        output.message = message = await self._history.add(self._draft(output, streamed=False))
        await self._show_answer(output, output.text)
        self._announce(output, message)

    async def _show_answer(self, output: Output, text: str) -> None:
        """``message`` of type 0 to the room."""
        if output.message is not None:
            body = {**_about(output, output.message), "type": 0, "data": text, "source": "server"}
            self._publish(output, "message", body)

    def _announce(self, output: Output, message: Message) -> None:
        """LLM_RESPONSE to the room, then the status to the requester."""
        body = {
            **_about(output, message),
            "message": message.text,
            "data": message.text,
            "streamed": message.streamed,
        }
        self._publish(output, "LLM_RESPONSE", body)
        self._requests.answered_by(output.request, output.identity, message.response_id or message.message_id)

    def _publish(self, output: Output, event: str, body: dict[str, object]) -> None:
        if not output.request.gone:
            self._outbox.publish(Emission("/llm", event, (body,), (Audience.room(output.request.room),)))

    def _draft(self, output: Output, *, streamed: bool) -> Message:
        session = self._sessions.by_identity(output.identity)
        return Message(
            message_id=self._world.new_id(),
            response_id=self._world.new_id(),
            room=output.request.room,
            room_id=output.request.room_id,
            seq=0,
            identity=output.identity,
            client_id=session.client_id if session is not None else output.identity,
            role="assistant",
            text=output.text,
            data=output.text,
            request_id=output.request.request_id,
            output_id=output.output_id,
            asker=output.request.identity,
            question_id=output.request.message_id or None,
            streamed=streamed,
        )


def _about(output: Output, message: Message) -> dict[str, object]:
    return {
        "requestId": output.request.request_id,
        "responseId": message.response_id,
        "messageId": message.message_id,
        "outputId": output.output_id,
        "roomName": message.room,
        "identity": message.identity,
        "clientId": message.client_id,
    }
