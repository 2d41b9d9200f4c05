"""What extensions say of their answers: the driver of the machine that knows when an output is over (contract 5.5-5.8).

For each extension there is one ``Outputs`` (domain/output.py). What arrives is told to it, and its verdicts are applied
in order: an output is shown to its room while it grows, and stored when it is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from functools import partial

from attrs import define, evolve, field
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from newage.dialect.messages import carried_bytes
from newage.domain.details import Details
from newage.domain.model import Caller, Room, Session
from newage.domain.output import MOVED, Outputs, StreamSettings
from newage.domain.request import Request
from newage.domain.shown import ShownOutput
from newage.domain.text import well_formed
from newage.domain.verdicts import (
    NEVER,
    Answered,
    Cancelled,
    Failed,
    Finished,
    Forgotten,
    Heard,
    Opened,
    Output,
    Refused,
    Stream,
    Verdict,
    Whole,
)
from newage.errors import CallFailed, NotFound, PeerGone, Unavailable
from newage.ports import IUpstream, Said
from newage.services.events import SessionListener
from newage.services.requests.desks import Desks
from newage.services.requests.ledger import RequestLedger
from newage.services.rooms.activity import ActivityService
from newage.services.sessions.sessions import SessionService
from newage.services.streams.answers import Answer, AnswerService
from newage.services.streams.downstream import DownstreamService
from newage.services.streams.output_meter import OutputMeter
from newage.services.streams.output_text import OutputText, TextKind
from newage.services.streams.own_outputs import OwnOutputs
from newage.services.streams.unfinished import Unfinished
from newage.services.world import World
from newage.settings import Live
from newage.telemetry.quota import LogQuota, left_out

DISCONNECTED = "SillyTavern extension disconnected."


@define(eq=False)
class _Extension:
    """One extension that streams, or whose outputs may still go on."""

    identity: str
    outputs: Outputs
    unfinished: Unfinished
    answers: dict[Output, Answer] = field(factory=dict)  # what becomes of each output that the machine knows
    told: dict[Output, Details] = field(factory=dict)  # what was said of outputs whose answers are about to be made
    timer: IDelayedCall | None = None
    due_at: float = NEVER  # when the timer does


@implementer(IUpstream)
class UpstreamService(SessionListener):
    _log = Logger()
    LOGGED_PER_SECOND = 5  # dropped packets of all extensions; there may be one for each token

    def __init__(
        self,
        world: World,
        sessions: SessionService,
        desks: Desks,
        requests: RequestLedger,
        answers: AnswerService,
        downstream: DownstreamService,
        activity: ActivityService,
        settings: Live[StreamSettings],
        own: OwnOutputs,
        meter: OutputMeter,
    ) -> None:
        self._own = own
        self._meter = meter
        self._world = world
        self._sessions = sessions
        self._desks = desks
        self._requests = requests
        self._answers = answers
        self._downstream = downstream
        self._activity = activity
        self.settings = settings
        self._extensions: dict[str, _Extension] = {}
        self._verdicts: deque[tuple[_Extension, Verdict]] = deque()  # to be applied
        self._applying = False
        self._quota = LogQuota(self.LOGGED_PER_SECOND, world.clock.seconds)
        settings.on_change(self._changed)

    @property
    def open_outputs(self) -> int:
        return sum(extension.outputs.open_count for extension in self._extensions.values())

    @property
    def known_extensions(self) -> int:
        """How many extensions have state here: those with streams, or outputs that may still go on."""
        return len(self._extensions)

    async def drain(self) -> None:
        """End everything that is open and wait until it is stored: the end of the daemon.

        What may not be complete fails, and its partial text is kept as such.
        """
        stopping = Unavailable("The server is stopping.")
        for extension in list(self._extensions.values()):
            self._apply(extension, extension.outputs.cut_off(stopping, self._world.clock.seconds()))
        await self._answers.drain()

    def close(self) -> None:
        for extension in self._extensions.values():
            self._cancel_timer(extension)
            extension.unfinished.close()

    # ------------------------------------------------------------------------------------------ what extensions say

    def stream_started(self, said: Said, details: Details | None = None) -> None:
        extension = self._extensions.get(said.extension) or self._new_extension(said.extension)
        now = self._world.clock.seconds()
        verdicts = extension.outputs.started(said.stream, said.output, said.request, now, said.socket)
        if details is not None:
            self._tell(extension, said, details)
        self._apply(extension, verdicts)

    def resume(self, said: Said) -> OutputText:
        """CLIENT_STREAM_START with ``resume``: the extension goes on with a live output by another socket (A22).

        :return: what there is of it: the extension sends what comes after that.
        :raises NotFound: it is over, or there is none of that name.
        """
        extension = self._extensions.get(said.extension)
        now, output = self._world.clock.seconds(), None
        if extension is not None:
            output = extension.outputs.resume(said.stream, said.output, said.request, now, said.socket)
        if extension is None or output is None:
            raise NotFound("Unknown output")
        output.request.goes_to(extension.identity, said.socket)
        self._requests.heard_from(output.request, extension.identity)
        return extension.answers[output].output

    def stream_data(self, said: Said, chunk_index: int | None, text: str) -> None:
        extension = self._extensions.get(said.extension) or self._new_extension(said.extension)
        outputs, now = extension.outputs, self._world.clock.seconds()
        stream = outputs.find(said.stream, said.request) or self._begun(extension, said, now)
        if stream is None or (stream.output.only and stream.output.only != said.socket):
            return
        whole = outputs.take(stream, chunk_index, text, now)
        if whole:
            extension.answers[stream.output].output.push(whole)
        if outputs.deadline < extension.due_at:
            self._await_deadline(extension)

    def stream_reasoning(self, said: Said, chunk_index: int | None, text: str) -> None:
        extension = self._extensions.get(said.extension) or self._new_extension(said.extension)
        outputs, now = extension.outputs, self._world.clock.seconds()
        stream = outputs.find(said.stream, said.request) or self._begun(extension, said, now)
        if stream is None or (stream.output.only and stream.output.only != said.socket):
            return
        whole = outputs.think(stream, chunk_index, text, now)
        if whole:
            extension.answers[stream.output].output.push(whole, TextKind.REASONING)
        if outputs.deadline < extension.due_at:
            self._await_deadline(extension)

    def _begun(self, extension: _Extension, said: Said, now: float) -> Stream | None:
        """Data of an unknown stream begins it, where it may."""
        begun = extension.outputs.started(said.stream, said.output, said.request, now, said.socket, by_data=True)
        self._apply(extension, begun)
        return extension.outputs.find(said.stream, said.request)

    def stream_reset(self, said: Said, at: int, reasoning: bool) -> None:
        extension = self._extensions.get(said.extension)
        output = None
        if extension is not None:
            output = extension.outputs.meant(said.stream, said.output, said.request, said.socket)
        if extension is None or output is None or not extension.outputs.is_heard(output):
            self._dropped(said.extension, "a reset of no open output", 71)
            return
        text = extension.answers[output].output
        half = text.reset(at, TextKind.REASONING if reasoning else TextKind.TEXT)
        if half is not None:
            size = len(text.text.buffer) + len(text.reasoning.buffer)
            extension.outputs.cut(output, size, self._world.clock.seconds(), half, reasoning=reasoning)

    def stream_ended(self, said: Said, final: bool | None, details: Details | None = None) -> None:
        extension = self._extensions.get(said.extension)
        if extension is not None:
            if details is not None:
                self._tell(extension, said, evolve(details, reasoning=""))  # that was streamed
            now = self._world.clock.seconds()
            verdicts = extension.outputs.ended(said.stream, said.output, said.request, final, now, said.socket)
            if verdicts and details is None:
                self._nothing_follows(extension, verdicts)
            self._apply(extension, verdicts)
            if extension.unfinished.answers and not verdicts and (details is None or not details.more):
                self._ends_group(extension, said)

    def _ends_group(self, extension: _Extension, said: Said) -> None:
        """An END without ``more`` of an output that is over already: the last one, where no other is open."""
        output = extension.outputs.meant(said.stream, said.output, said.request, said.socket)
        answer = None if output is None else extension.answers.get(output)
        if (
            answer is not None
            and extension.unfinished.is_last(answer)
            and not extension.outputs.has_open(answer.request)
        ):
            self._no_more(extension, answer.request)

    def _nothing_follows(self, extension: _Extension, ended: Iterable[Verdict]) -> None:
        """An END without ``more``, whatever one before it said."""
        for verdict in ended:
            if isinstance(verdict, Finished) and verdict.output in extension.answers:
                extension.answers[verdict.output].more = False

    def stream_failed(self, said: Said) -> None:
        extension = self._extensions.get(said.extension)
        if extension is not None:
            now = self._world.clock.seconds()
            failed = extension.outputs.stream_failed(said.stream, said.output, said.request, now, said.socket)
            self._apply(extension, failed)

    def answered(self, said: Said, text: str, details: Details | None = None) -> None:
        extension = self._extensions.get(said.extension) or self._new_extension(said.extension)
        now, besides = self._world.clock.seconds(), 0
        if details is not None:
            details = evolve(details, reasoning=well_formed(details.reasoning))
            besides = len(details.reasoning.encode())
        new_id = self._world.new_id
        verdicts = extension.outputs.answered(said.output, said.request, text, now, new_id, besides, said.socket)
        for verdict in verdicts:
            if details is not None and isinstance(verdict, Answered):
                self._tell_of(extension, verdict.output, details)
        self._apply(extension, verdicts)

    def failed(self, said: Said, message: str, error: object) -> None:
        """It arrives twice from the reference extension, and only the first counts (H11)."""
        request = self._desks.named(said.extension, said.request)
        if request is None:
            self._dropped(said.extension, "an error that belongs to no request", 72)
            return
        extension = self._extensions.get(said.extension)
        if extension is not None and extension.outputs.is_elsewhere(request, said.socket):
            self._dropped(said.extension, MOVED, 72)
            return
        reason = CallFailed(message)
        self._requests.failed_by(request, said.extension, reason, error)
        if extension is not None and said.extension in request.tried:
            self._break_off(extension, request)
        elif extension is not None:
            self._apply(extension, extension.outputs.failed(request, reason, self._world.clock.seconds()))

    def look_for_late(self) -> None:
        """What is not begun for too long goes to another extension (A22)."""
        for identity, request in self._requests.late():
            moved = self._requests.move_on(request, identity)
            extension = self._extensions.get(identity)
            if moved and extension is not None:
                self._break_off(extension, request)

    def _break_off(self, extension: _Extension, request: Request) -> None:
        """Another extension is asked instead of this one, which has opened outputs at most: they end, and did not
        fail."""
        extension.unfinished.take(request)
        self._apply(extension, extension.outputs.cancelled(request, self._world.clock.seconds()))

    def cancelled(self, request: Request) -> list[Answer]:
        """Somebody took it back: what is open of it is over (A20).

        :return: that.
        """
        ended: list[Answer] = []
        for extension in list(self._extensions.values()):
            extension.unfinished.take(request)
            verdicts = extension.outputs.cancelled(request, self._world.clock.seconds())
            ended += [extension.answers[each.output] for each in verdicts if isinstance(each, Cancelled)]
            self._apply(extension, verdicts)
        return ended

    def processing_stopped(self, said: Said, room: str | None = None) -> None:
        """STOP_PROCESSING: the open outputs of that request, or of that room, are complete (contract 5.6 d).

        :param room: None when the packet names no room: then, without a request, all outputs are meant.
        """
        extension = self._extensions.get(said.extension)
        request = self._desks.named(said.extension, said.request)
        if extension is not None and (request is not None or said.request is None):
            now = self._world.clock.seconds()
            self._apply(extension, extension.outputs.stopped(request, room, now, said.socket))
            for each in extension.unfinished:
                if extension.outputs.is_elsewhere(each, said.socket):
                    continue
                if each is request or (request is None and room in (None, each.room)):
                    self._no_more(extension, each)

    def unreadable(self, said: Said) -> None:
        """A packet of an answer is too much to be read (A30): nothing that it may belong to is complete (A23)."""
        extension = self._extensions.get(said.extension)
        now = self._world.clock.seconds()
        failed = extension.outputs.unreadable(said.socket, now) if extension is not None else []
        if extension is not None and failed:
            self._apply(extension, failed)
        else:
            self._dropped(said.extension, "a packet of an answer that is too much to be read", 71)

    def overwritten(self, room: Room, message_ids: Collection[str] | None) -> None:
        """Somebody changed or deleted answers: they stay so, whatever their extensions add (A23).

        :param message_ids: None: all answers of the room.
        """
        reason = CallFailed("The answer was changed or deleted meanwhile.")
        for extension in list(self._extensions.values()):
            for output, answer in list(extension.answers.items()):
                stored = answer.message
                if stored is None or stored.room_id != room.id:
                    continue
                if message_ids is None or stored.message_id in message_ids:
                    self._answers.overwritten(answer)
                    self._apply(extension, extension.outputs.overwritten(output, reason, self._world.clock.seconds()))

    def _tell(self, extension: _Extension, said: Said, details: Details) -> None:
        output = extension.outputs.meant(said.stream, said.output, said.request, said.socket)
        if output is not None:
            self._tell_of(extension, output, details)

    def _tell_of(self, extension: _Extension, output: Output, details: Details) -> None:
        if carried_bytes("", None, details.extra) > self.settings.value.max_answer_extra_bytes:
            self._dropped(extension.identity, "further members of an answer that are too large", 71)
            details = evolve(details, extra={})
        answer = extension.answers.get(output)
        if answer is not None:
            answer.tell(details)
        else:
            extension.told[output] = details

    def _dropped(self, identity: str, what: str, warning_code: int) -> None:
        """Something of an extension is not taken; said as often as the quota allows."""
        unsaid = self._quota.take()
        if unsaid is not None:
            self._log.warn(
                "dropped of {identity}: {what}{more}",
                identity=identity,
                what=what,
                more=left_out(unsaid, "before"),
                warning_code=warning_code,
            )

    # ----------------------------------------------------------------------------------------------------- extensions

    def _new_extension(self, identity: str) -> _Extension:
        label, whose = partial(self._desks.label, identity), partial(self._desks.whose, identity)
        outputs = Outputs(self.settings, label, whose, identity)
        unfinished = Unfinished(identity, self._world.clock, partial(self._gone_between_two, identity))
        extension = _Extension(identity, outputs, unfinished)
        self._extensions[identity] = extension
        return extension

    def _forget_idle(self, extension: _Extension) -> None:
        waits = extension.unfinished.live
        if extension.outputs.idle and not waits and self._extensions.get(extension.identity) is extension:
            self._cancel_timer(extension)
            extension.unfinished.close()
            del self._extensions[extension.identity]

    def socket_detached(self, caller: Caller) -> None:
        """What came by it may go on by another one, for a while."""
        extension = self._extensions.get(caller.identity)
        if extension is not None:
            grace = self._sessions.grace_of(caller)
            self._lost(extension, caller.sid, grace)
            extension.unfinished.page_lost(caller.sid, grace)

    def extension_lost(self, session: Session) -> None:
        """One in the process does not come back to what it was at."""
        extension = self._extensions.get(session.identity)
        if extension is not None:
            self._lost(extension, "", 0.0)

    def extension_gone(self, session: Session) -> None:
        gone = PeerGone(DISCONNECTED)
        extension = self._extensions.get(session.identity)
        if extension is not None:
            self._apply(extension, extension.outputs.gone(gone, self._world.clock.seconds()))
            for request in extension.unfinished:
                extension.unfinished.take(request)
                self._gone_between_two(extension.identity, request)
            self._forget_idle(extension)

    def _gone_between_two(self, identity: str, request: Request) -> None:
        """Other answers were to follow, and the page went that was at work on them."""
        self._requests.failed_by(request, identity, PeerGone(DISCONNECTED))

    def _lost(self, extension: _Extension, socket: str, grace: float) -> None:
        extension.outputs.socket_lost(socket, self._world.clock.seconds(), grace)
        if extension.outputs.deadline < extension.due_at:
            self._await_deadline(extension)

    # ----------------------------------------------------------------------------------------------------------- time

    def _await_deadline(self, extension: _Extension) -> None:
        """Come back when something is due with this extension; if something is now, see to it."""
        deadline, now = extension.outputs.deadline, self._world.clock.seconds()
        if deadline <= now:
            self._apply(extension, extension.outputs.tick(now))
        elif extension.timer is None:
            extension.timer = self._world.clock.callLater(deadline - now, self._deadline_passed, extension)
            extension.due_at = deadline
        else:
            extension.timer.reset(deadline - now)
            extension.due_at = deadline

    def _changed(self, settings: StreamSettings) -> None:
        """What was due later may be due now, or sooner."""
        for extension in list(self._extensions.values()):
            self._look(extension)

    def _deadline_passed(self, extension: _Extension) -> None:
        extension.timer, extension.due_at = None, NEVER
        self._look(extension)

    def _look(self, extension: _Extension) -> None:
        self._apply(extension, extension.outputs.tick(self._world.clock.seconds()))
        self._forget_idle(extension)

    def _cancel_timer(self, extension: _Extension) -> None:
        if extension.timer is not None:
            extension.timer.cancel()
            extension.timer, extension.due_at = None, NEVER

    # ------------------------------------------------------------------------------------------------------- verdicts

    def _apply(self, extension: _Extension, verdicts: Iterable[Verdict]) -> None:
        """Do what the machine decided. What it decides meanwhile, because of that, comes after it."""
        self._verdicts.extend((extension, verdict) for verdict in verdicts)
        if not self._applying:
            self._applying = True
            try:
                while self._verdicts:
                    self._apply_one(*self._verdicts.popleft())
            finally:
                self._applying = False
        if extension.outputs.deadline < extension.due_at:
            self._await_deadline(extension)

    def _apply_one(self, extension: _Extension, verdict: Verdict) -> None:
        match verdict:
            case Opened():
                self._opened(extension, verdict)
            case Whole(output, text):
                self._complete(extension.answers[output], text)
            case Finished():
                self._finished(extension, verdict)
            case Failed():
                self._failed(extension, verdict)
            case Cancelled():
                self._cancelled(extension, verdict)
            case Answered():
                self._answered(extension, verdict)
            case Heard(output):
                self._requests.heard_from(output.request, extension.identity)
            case Forgotten(output):
                extension.answers.pop(output, None)  # what found no place never had one
                extension.told.pop(output, None)
                self._desks.output_over(extension.identity, output.given_id, output.request)
            case Refused(why, warning_code):
                self._dropped(extension.identity, why, warning_code)

    def _opened(self, extension: _Extension, verdict: Opened) -> None:
        """Show it to its room; what failed goes on unheard, yet its extension is at work on it until it is through."""
        output = verdict.output
        if verdict.again or verdict.unheard:
            self._requests.resumed(output.request, extension.identity)
        answer = extension.answers.get(output) or self._new_answer(extension, output)
        if not verdict.unheard and (answer.goes_on() or answer.form is None):
            self._show(answer, verdict.stream_id)
            self._own.opened(answer)
            self._meter.opened(answer)
        if not verdict.unheard:
            self._answers.begun(answer)
        output.request.begin(extension.identity, output)
        self._requests.heard_from(output.request, extension.identity)

    def _show(self, answer: Answer, stream_id: str) -> None:
        about = ShownOutput(
            stream_id=stream_id,
            output_id=answer.output_id,
            request_id=answer.request.request_id,
            room=answer.request.room,
            client_id=self._sessions.named(answer.identity).client_id,
            identity=answer.identity,
            room_id=answer.request.room_id,
            question_id=answer.request.message_id,
            requester=answer.request.identity,
            action=answer.action or answer.request.ask.action or answer.request.ask.request_type,
            character=answer.character,
            private=answer.request.unsaid is not None,
        )
        answer.form = self._downstream.show(answer.output, about, answer.form)

    def _complete(self, answer: Answer, text: str) -> None:
        """What an answer in one piece has beyond what was streamed of it."""
        output = answer.output
        for part, whole in ((output.reasoning, answer.thought), (output.text, text)):
            streamed = part.text()
            if whole.startswith(streamed) and whole != streamed:
                output.push(whole[len(streamed) :], part.kind)

    def _finished(self, extension: _Extension, verdict: Finished) -> None:
        answer = extension.answers.get(verdict.output) or self._new_answer(extension, verdict.output)
        if not verdict.output.failed:  # else it was over before, and is being stored perhaps
            answer.is_over(verdict.rest, verdict.thoughts)
        through = not answer.more and extension.unfinished.is_last(answer)
        self._over(extension, answer)
        if not verdict.output.failed:
            self._answers.streamed(answer)
        if through:  # it went on, and nothing follows it after all
            self._answers.no_more(answer)

    def _failed(self, extension: _Extension, verdict: Failed) -> None:
        """What there is of it is stored."""
        answer = extension.answers.get(verdict.output) or self._new_answer(extension, verdict.output)
        if verdict.first:
            answer.is_over(verdict.text)
        answer.more = False
        answer.request.begin(answer.identity, verdict.output)
        if verdict.silent:
            self._requests.silent_at(answer.request, answer.identity)
        self._requests.failed_by(answer.request, answer.identity, verdict.reason)
        self._over(extension, answer)
        if verdict.first and answer.identity in answer.request.tried:
            self._answers.cancelled(answer)
            self._break_off(extension, answer.request)
        elif verdict.first:
            self._answers.failed(answer, str(verdict.reason))

    def _cancelled(self, extension: _Extension, verdict: Cancelled) -> None:
        """Its extension may be at work on it still."""
        answer = extension.answers[verdict.output]
        answer.is_over(verdict.rest, verdict.thoughts)
        answer.more = False
        self._is_idle(answer)
        self._answers.cancelled(answer)

    def _answered(self, extension: _Extension, verdict: Answered) -> None:
        if verdict.repeated:
            self._answers.repeated(extension.answers[verdict.output], verdict.text)
            return
        answer = self._new_answer(extension, verdict.output)
        answer.request.begin(answer.identity, verdict.output)
        self._own.opened(answer)
        self._meter.opened(answer)
        answer.is_over(verdict.text, answer.thought)
        self._over(extension, answer)
        self._answers.answered(answer)

    def _new_answer(self, extension: _Extension, output: Output) -> Answer:
        """The room knows the output as its extension does, unless that id is in use for another one."""
        others = (other for other in self._extensions.values() if other is not extension)
        used = output.reused or any(other.outputs.knows(output.given_id) for other in others)
        answer = extension.answers[output] = Answer(
            identity=extension.identity,
            output_id=self._world.new_id() if used else output.given_id,
            request=output.request,
        )
        details = extension.told.pop(output, None)
        if details is not None:
            answer.tell(details)
        return answer

    def _over(self, extension: _Extension, answer: Answer) -> None:
        """The request is, too, as far as its extension is concerned, unless that has said that others follow."""
        if answer.more:
            extension.unfinished.put(answer)
            self._requests.heard_from(answer.request, answer.identity)
            return
        extension.unfinished.take(answer.request)
        self._through(answer)

    def _no_more(self, extension: _Extension, request: Request) -> None:
        """No other answer follows."""
        answer = extension.unfinished.take(request)
        if answer is not None:
            self._through(answer)
            self._answers.no_more(answer)

    def _through(self, answer: Answer) -> None:
        """Its extension is, with its request."""
        self._requests.finished_by(answer.request, answer.identity)
        self._is_idle(answer)

    def _is_idle(self, answer: Answer) -> None:
        self._activity.show(answer.request.room, answer.identity, "idle", room_id=answer.request.room_id)
