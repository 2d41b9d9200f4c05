"""Answers that are over: stored, then announced to their room and requester (contract 5.5, 'Finalising an output')."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, ClassVar

from attrs import define, evolve, field
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.dialect import Event, streams
from newage.dialect.messages import finish_reason
from newage.domain.character import Character
from newage.domain.delivery import Audience
from newage.domain.details import Details
from newage.domain.model import Message
from newage.domain.request import Request
from newage.errors import CallFailed, NewAgeError
from newage.ports import IOutbox
from newage.services.history.log import HistoryService
from newage.services.requests.ledger import RequestLedger
from newage.services.requests.records import RequestRecords
from newage.services.sessions.sessions import SessionService
from newage.services.streams.form import Form
from newage.services.streams.open_outputs import GROWS, OpenOutputs
from newage.services.streams.output_text import OutputText, TextKind
from newage.services.world import World
from newage.telemetry.quota import LogQuota
from newage.telemetry.trouble import Trouble, trouble

TRIES = 5  # of appending to an answer that is changed by hand between its reading and its writing


@define(eq=False)
class Answer:
    """What becomes of one output. ``whole`` is how much of its text and reasoning is over, in bytes: it may be going on
    already.

    ``turn`` counts how often it was over or went on: what is stored of it says so to the readers of that turn only.
    ``action``, ``character``, ``more`` and ``extra`` are what its extension said of it, as in ``Details``; ``thought``
    is its reasoning where that was said in one piece.
    """

    identity: str
    output_id: str  # as the room knows it
    request: Request
    output: OutputText = field(factory=OutputText)
    form: Form | None = None  # in which it was shown last
    message_id: str = ""  # as it will be stored, once that is known
    response_id: str = ""
    before: tuple[str, str] = ("", "")  # text and reasoning of the answer that grows by this one
    turn: int = 0
    whole: tuple[int, int] = (0, 0)
    action: str = ""
    character: Character | None = None
    thought: str = ""
    more: bool = False
    extra: Mapping[str, Any] = field(factory=dict)
    message: Message | None = None  # as stored
    overwritten: bool = False  # somebody changed or deleted that since
    lock: DeferredLock = field(factory=DeferredLock)

    def is_over(self, rest: str = "", thoughts: str = "") -> None:
        """After this rest of its text and of its reasoning, what there is of it now can be stored."""
        if thoughts:
            self.output.push(thoughts, TextKind.REASONING)
        if rest:
            self.output.push(rest)
        self.whole = len(self.output.text.buffer), len(self.output.reasoning.buffer)
        self.thought = ""
        self.turn += 1

    def tell(self, details: Details) -> None:
        """What was said before holds where this says nothing else."""
        self.action = details.action or self.action
        self.character = details.character or self.character
        self.thought = details.reasoning or self.thought
        self.more = details.more
        self.extra = details.extra or self.extra

    def goes_on(self) -> bool:
        """There is more of it. :return: whether its readers were told that it is over."""
        self.turn += 1
        told = self.output.ended
        self.output.go_on()
        return told

    @property
    def text(self) -> str:
        """What is over of it."""
        return self.output.text.text(0, self.whole[0])

    @property
    def reasoning(self) -> str:
        """What is over of that."""
        return self.output.reasoning.text(0, self.whole[1])


@define(eq=False)
class AnswerService:
    """Stores in the background; the segments of an output that goes on after its end are stored in order."""

    LOGGED_PER_SECOND: ClassVar[int] = 5  # answers that are dropped
    _log: ClassVar[Logger] = Logger()

    _world: World
    _outbox: IOutbox
    _sessions: SessionService
    _requests: RequestLedger
    _history: HistoryService
    _open: OpenOutputs
    _records: RequestRecords
    _members: Callable[[str], tuple[str, ...]]  # the identities that are in the room of an id
    _trouble: Trouble = trouble()
    _storing: set[Deferred[object]] = field(factory=set, init=False)
    _drops: LogQuota = field(init=False)

    @_drops.default
    def _make_drops(self) -> LogQuota:
        return LogQuota(self.LOGGED_PER_SECOND, self._world.clock.seconds)

    async def drain(self) -> None:
        """Wait until everything is stored."""
        for storing in list(self._storing):
            await storing

    def begun(self, answer: Answer) -> None:
        """It grows from now on."""
        if answer.request.unsaid is None:
            self._open.begins(answer.output_id, answer.output, partial(self._unfinished, answer))

    def streamed(self, answer: Answer) -> None:
        """A stream is over: its text becomes the response, or replaces it when the output went on."""
        if answer.request.unsaid is not None:
            self._soon(answer, self._hand_over(answer, self._end(answer, None, stored=False)))
        else:
            self._soon(answer, self._store_stream(answer, self._end(answer, None, stored=True)))

    def failed(self, answer: Answer, reason: str) -> None:
        """What there is of a failed one is kept."""
        self._broken_off(answer, reason)

    def cancelled(self, answer: Answer) -> None:
        """Somebody stopped it. What there is of it is kept, and is no failure."""
        self._broken_off(answer, None)

    def _broken_off(self, answer: Answer, reason: str | None) -> None:
        """:param reason: why it failed; None: it was cancelled."""
        failed, cancelled = reason is not None, reason is None
        if any(answer.whole) and answer.request.unsaid is None:
            stored = self._end(answer, reason, stored=True, cancelled=cancelled)
            storing = self._store(answer, stored, failed=failed, cut=cancelled)
            self._soon(answer, storing, reason, cancelled=cancelled)
        else:
            answer.output.end(reason, cancelled=cancelled)
            self._open.over(answer.output_id)

    async def settled(self, answer: Answer) -> None:
        """Wait until what became of it so far is stored."""
        await answer.lock.run(lambda: None)

    def answered(self, answer: Answer) -> None:
        """An answer in one piece."""
        if answer.request.unsaid is not None:
            self._soon(answer, self._hand_over(answer, self._end(answer, None, stored=False), in_one_piece=True))
            return
        self._soon(answer, self._store_answer(answer, self._end(answer, None, stored=True)))

    def no_more(self, answer: Answer) -> None:
        """It was to be followed by others and is not: once it is stored, its request is over."""
        if not answer.request.gone:
            answer.lock.run(self._requests.no_more, answer.request, answer.identity, answer.response_id)

    def overwritten(self, answer: Answer) -> None:
        """Somebody changed or deleted what is stored of it: it is nobody's any more."""
        answer.overwritten = True
        answer.output.overwrite()

    def repeated(self, answer: Answer, text: str) -> None:
        """An answer in one piece for an output that was streamed: shown, not stored again."""
        self._soon(answer, self._show_answer(answer, text))

    def _soon(
        self,
        answer: Answer,
        storing: Coroutine[Deferred[Any], Any, object],
        reason: str | None = None,
        *,
        cancelled: bool = False,
    ) -> None:
        """:param reason: why it failed, if it did. :param cancelled: somebody stopped it."""
        not_stored, turn = self._end(answer, reason, stored=False, cancelled=cancelled), answer.turn

        def over() -> None:
            not_stored()
            if answer.turn == turn:
                self._open.over(answer.output_id)

        if answer.request.gone:
            storing.close()
            self._room_is_gone(answer)
            over()
            return
        d: Deferred[object] = answer.lock.run(lambda: Deferred.fromCoroutine(storing))
        self._storing.add(d)

        def done(result: object) -> None:
            self._storing.discard(d)
            over()
            if isinstance(result, Failure) and answer.request.gone:
                self._room_is_gone(answer)
            elif isinstance(result, Failure):
                self._could_not_be_stored(answer, result)

        d.addBoth(done)

    def _end(self, answer: Answer, reason: str | None, *, stored: bool, cancelled: bool = False) -> Callable[[], None]:
        """Tells its readers that it is over, once, and only if it does not go on meanwhile."""
        turn = answer.turn

        def end() -> None:
            if answer.turn == turn and not answer.output.ended:
                message_id = answer.message_id if stored else ""
                finish = finish_reason(answer.extra)
                answer.output.end(reason, stored=stored, message_id=message_id, cancelled=cancelled, finish=finish)

        return end

    def _could_not_be_stored(self, answer: Answer, failure: Failure) -> None:
        where = {"identity": answer.identity, "room": answer.request.room}
        self._trouble.say("an answer of {identity} in room {room} could not be stored", failure, **where)
        lost = NewAgeError("The answer could not be stored.")
        self._requests.lost_by(answer.request, answer.identity, lost)

    def _room_is_gone(self, answer: Answer) -> None:
        """An answer to people who are not there any more; whoever has the room's name now did not ask."""
        if (unsaid := self._drops.take()) is not None:
            self._log.info(
                "dropped an answer of {identity}: its room {room} was deleted{more}",
                identity=answer.identity,
                room=answer.request.room,
                more=f" ({unsaid} before were not logged)" if unsaid else "",
            )

    async def _store_stream(self, answer: Answer, stored: Callable[[], None]) -> None:
        message = await self._store(answer, stored)
        if message is not None:
            self._announce(answer, message)

    async def _store(
        self,
        answer: Answer,
        stored: Callable[[], None],
        *,
        streamed: bool = True,
        failed: bool = False,
        cut: bool = False,
    ) -> Message | None:
        """What there is of it. :param cut: somebody stopped it.

        :return: as it is stored now; None where it was before.
        """
        if answer.message is not None:
            await self._replace(answer, stored, failed=failed, cut=cut)
            return None
        if answer.request.grows:
            return await self._grow(answer, stored, failed=failed, cut=cut)
        draft = evolve(self._draft(answer, streamed=streamed), failed=failed, partial=failed or cut)
        answer.message = message = await self._add(answer, draft, stored)
        return message

    async def _replace(self, answer: Answer, stored: Callable[[], None], *, failed: bool, cut: bool) -> None:
        """It went on after it was stored. What somebody changed or deleted meanwhile stays as that left it (A23)."""
        was = answer.message
        if was is not None and not answer.overwritten:
            changed = self._changed(answer, was, failed=failed, cut=cut)
            answer.message = await self._history.replace(changed, was, on_stored=stored) or was

    def _changed(self, answer: Answer, was: Message, *, failed: bool, cut: bool) -> Message:
        """What there is of it in the place of what was stored. An answer that shall grow does not fail by that."""
        text = answer.before[0] + answer.text
        return evolve(
            was,
            text=text,
            data=text,
            reasoning=answer.before[1] + answer.reasoning,
            failed=failed and (was.failed or not answer.request.grows),
            partial=failed or cut,
            character=answer.character or was.character,
            extra={**was.extra, **answer.extra},
        )

    async def _grow(self, answer: Answer, stored: Callable[[], None], *, failed: bool, cut: bool) -> Message:
        """It is appended to the answer that its request names, as that is stored now (A19).

        :raises NewAgeError: that is gone, or is changed again and again.
        """
        request = answer.request
        for _ in range(TRIES):
            was = (await self._history.said(request.room_id, [request.grows])).get(request.grows)
            if was is None:
                break
            answer.before = was.text, was.reasoning
            answer.message_id, answer.response_id = was.message_id, was.response_id or ""
            changed = self._changed(answer, was, failed=failed, cut=cut)
            kept = await self._history.replace(changed, was, on_stored=stored)
            if kept is not None:
                answer.message = kept
                return kept
        raise CallFailed("The answer was changed or deleted meanwhile.")

    async def _hand_over(self, answer: Answer, over: Callable[[], None], *, in_one_piece: bool = False) -> None:
        """What is for its requester alone; it is stored nowhere (A19)."""
        over()
        draft = evolve(self._draft(answer, streamed=not in_one_piece), message_id="")
        if in_one_piece:
            self._publish(answer, streams.answered(answer.request.request_id, draft, answer.text))
        self._announce(answer, draft)

    async def _store_answer(self, answer: Answer, stored: Callable[[], None]) -> None:
        message = await self._store(answer, stored, streamed=False)
        await self._show_answer(answer, answer.text)
        if message is not None:
            self._announce(answer, message)

    async def _add(self, answer: Answer, draft: Message, stored: Callable[[], None]) -> Message:
        """To a question that was asked again it is the one that counts from now on, unless it failed (A19)."""
        last = not (draft.failed or answer.more)
        over = self._records.closing(answer.request, answer.identity) if last else []
        beside: tuple[str, ...] = ()
        if answer.request.again:
            beside = () if draft.failed else answer.request.draft(draft.response_id or "")
            draft = evolve(draft, selected=not draft.failed)
        message = await self._history.add(draft, beside, stored, closes=[each.key for each in over])
        for each in over:
            each.close()
        return message

    async def _show_answer(self, answer: Answer, text: str) -> None:
        """``message`` of type 0 to the room."""
        if answer.message is not None and not answer.overwritten:
            said = evolve(answer.message, output_id=answer.output_id)
            self._publish(answer, streams.answered(answer.request.request_id, said, text))

    def _announce(self, answer: Answer, message: Message) -> None:
        """LLM_RESPONSE to the room, then the status to the requester."""
        said = evolve(message, output_id=answer.output_id)  # not that of the answer that has grown
        self._publish(answer, streams.response(answer.request.request_id, said))
        response_id = message.response_id or message.message_id
        self._requests.answered_by(answer.request, answer.identity, response_id, more=answer.more)

    def _publish(self, answer: Answer, event: Event) -> None:
        request = answer.request
        if not request.gone:
            alone = request.unsaid is not None
            if alone and request.identity not in self._members(request.room_id):
                return  # he has left it, or was made to (B15)
            to = Audience.identity(request.identity) if alone else Audience.room(request.room)
            self._outbox.publish(*event.to(to))

    def _unfinished(self, answer: Answer) -> Message:
        """What would be stored if nothing more came, without its text."""
        draft = answer.message or self._draft(answer, streamed=True)
        request = answer.request
        if request.grows:
            draft = evolve(draft, message_id=request.grows, request_type=GROWS)
        selected = False if request.again else None
        return evolve(draft, text="", data=None, reasoning="", failed=True, partial=True, selected=selected)

    def _draft(self, answer: Answer, *, streamed: bool) -> Message:
        text = answer.text
        answer.message_id = answer.message_id or self._world.new_id()
        answer.response_id = answer.response_id or self._world.new_id()
        return Message(
            message_id=answer.message_id,
            response_id=answer.response_id,
            room=answer.request.room,
            room_id=answer.request.room_id,
            seq=0,
            identity=answer.identity,
            client_id=self._sessions.named(answer.identity).client_id,
            role="assistant",
            text=text,
            data=text,
            request_id=answer.request.request_id,
            output_id=answer.output_id,
            asker=answer.request.identity,
            question_id=answer.request.message_id or None,
            streamed=streamed,
            reasoning=answer.reasoning,
            character=answer.character,
            extra=answer.extra,
        )
