"""When an output is over: what one extension streams, as a machine (contract 5.6, 5.8). No clock: time is an argument.

An output is one text of an extension. The reference extension opens a stream for each token and never says that an
output is over; what is written from the documentation opens one stream for each output. So an output has any number of
streams, one after the other or at once, and ends by the rules here.

The driver tells what the extension says and applies the verdicts that it gets, in their order. It calls ``tick`` once
``deadline`` has passed. Text takes a short way: ``find`` tells its stream, ``take`` what of it may be shown, and
whether that has consequences shows in ``deadline``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeAlias

from attrs import frozen

from newage.domain.chunk_order import ChunkOrder
from newage.domain.correlation import Nobody
from newage.domain.request import Request
from newage.domain.text import Joiner, well_formed
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
    StreamKey,
    Verdict,
    Whole,
)
from newage.errors import CallFailed, NewAgeError, PeerGone
from newage.settings import Live, limit

TOO_LARGE = "The answer is too large."
TOO_MANY_OUTPUTS = "Too many answers at once."
TOO_MANY_ENDED = "Too many answers in a short time."
TOO_MANY_STREAMS = "Too many streams at once."
LOST = "Part of the answer was lost on the way."
TOO_MANY_GAPS = "Too many chunks are missing."
MOVED = "word of an answer that goes on by another socket"
UNBEGUN = "The answer began without naming its request."
MAX_REFUSED = 256  # outputIds that belonged to no request; the oldest go
SIGN_SECONDS = 1.0  # so often the traffic of an output is reported as a sign of life

Label: TypeAlias = Callable[[str | None], Request | Nobody | None]  # as ``Desk.label``
# requestId, outputId, the request of that output, requests that are over by this packet: as ``Desk.whose``
Whose: TypeAlias = Callable[[str | None, str | None, Request | None, Collection[Request]], Request | Nobody]


@frozen(kw_only=True)
class StreamSettings:
    stream_idle_finalize_ms: int = limit(2000, "an output ends when nothing came for so long after an END")
    stream_long_ms: int = limit(200, "END of a stream that lived so long ends its output")
    stream_long_chunks: int = limit(8, "END of a stream with more chunks ends its output")
    max_output_bytes: int = limit(1_048_576, "UTF-8 bytes of one output")
    max_streams_per_extension: int = limit(64, "live streamIds of one extension")
    max_outputs_per_extension: int = limit(16, "live outputs of one extension")
    max_ended_outputs_per_extension: int = limit(256, "ended outputs kept for late chunks")
    max_chunk_gaps: int = limit(1024, "runs of missing chunk indexes remembered per stream; beyond, its output fails")
    output_idle_seconds: int = limit(120, "an output without any traffic fails after it")
    max_answer_extra_bytes: int = limit(16_384, "JSON of the further members of an answer; beyond, they are not kept")
    output_tail_seconds: int = limit(60, "late chunks reopen an ended output within it")


class Outputs:
    """The machine, one for each extension.

    ``deadline``: when ``tick`` is due; it may turn out to be early, never late.

    :param settings: what holds now.
    :param label: what a requestId says of this extension.
    :param whose: the request that a packet of an answer belongs to.
    :param extension: whose outputs these are.
    """

    __slots__ = (
        "_ended",
        "_extension",
        "_label",
        "_newest",
        "_open",
        "_refused",
        "_settings",
        "_streams",
        "_whose",
        "deadline",
    )

    def __init__(self, settings: Live[StreamSettings], label: Label, whose: Whose, extension: str = "") -> None:
        self._extension = extension
        self._settings = settings
        self._label = label
        self._whose = whose
        self._streams: dict[StreamKey, Stream] = {}
        self._open: dict[Output, None] = {}  # oldest first
        self._ended: dict[Output, None] = {}  # that may go on; in the order of their ends
        self._newest: dict[str, Output] = {}  # outputId -> what it was used for last
        self._refused: dict[str, float] = {}  # outputId -> when something of it belonged to no request last
        self.deadline = NEVER

    @property
    def open_count(self) -> int:
        return len(self._open)

    @property
    def idle(self) -> bool:
        """Nothing would be lost with this object."""
        return not self._open and not self._ended

    def knows(self, output_id: str) -> bool:
        """Is there an output that the extension calls so, open or in its tail?"""
        return output_id in self._newest

    # -------------------------------------------------------------------------------------------------------- streams

    def find(self, stream_id: str, request_id: str | None) -> Stream | None:
        """The live stream that a packet belongs to: of that id, and of the request that it names, if it names one."""
        stream = self._streams.get(stream_id)
        if stream is None or request_id is None or request_id == stream.label:
            return stream
        label = self._label(request_id)
        if isinstance(label, Nobody):
            return None
        if label is not None and label is not stream.output.request:
            return self._streams.get((stream_id, label))
        stream.label = request_id  # so the next packet is found at once
        return stream

    def started(
        self,
        stream_id: str,
        output_id: str | None,
        request_id: str | None,
        now: float,
        socket: str = "",
        *,
        by_data: bool = False,
    ) -> list[Verdict]:
        """CLIENT_STREAM_START; or data of an unknown stream, which is one where it names an output.

        :param socket: from which it comes; with that goes what is in the middle of an answer. :param by_data: it is no
            START. Of an output that went on by another socket that begins nothing, though that one has gone: it may be
            of a stream of before, of which something was not heard meanwhile.
        """
        if self.find(stream_id, request_id) is not None:
            return []
        if output_id is None:
            return [Refused("data for an unknown stream", 71)]
        settings = self._settings.value
        over = [o for o in self._open if o.waits_since is not None and o.given_id != output_id and not _astray(o)]
        found = self._output(output_id, request_id, over, now, socket)  # before another request may be sent
        verdicts: list[Verdict] = []
        for each in over:
            verdicts += self._finish(each, now, supposed=True, wanted=found)
        if isinstance(found, Refused):
            self._remember_refused(output_id, now)
            return [found, *verdicts]
        if found.only and found.only != socket and (by_data or found.lost_at is None):
            return [*verdicts, *self._forget_surplus()]
        known = found in self._open
        full = len(self._streams) >= settings.max_streams_per_extension
        refused = None if known and not full else self._refusal(found, now, settings)
        if refused is not None and found.failed:
            tail = self._close(found, now) if found.ended_at == NEVER and not known else self._forget_surplus()
            return [Refused(f"late data of a failed output: {refused}", 71), *verdicts, *tail]
        if not known:
            verdicts.append(self._open_again(found, stream_id, now, settings))
        elif now - found.heard_at >= SIGN_SECONDS:
            found.heard_at = now
            verdicts.append(Heard(found))
        if refused is not None:
            return [*verdicts, *self._fail(found, CallFailed(refused), now)]
        if found.lost_at is not None:  # its streams of before will not be ended
            self._drop_streams(found)
        found.open_streams += 1
        found.waits_since = None
        found.active_at = now
        found.socket, found.only, found.lost_at = socket, found.only and socket, None
        key = (stream_id, found.request) if stream_id in self._streams else stream_id
        self._streams[key] = Stream(key, found, request_id, now, ChunkOrder(settings.max_chunk_gaps))
        return verdicts

    def take(self, stream: Stream, index: int | None, text: str, now: float) -> str:
        """One chunk of a live stream, the path of each token.

        :param text: may hold half a surrogate pair.
        :return: the text that may be shown now, well-formed; "" for a chunk that has come before, and where nobody
            hears it any more.
        """
        order, output = stream.order, stream.output
        if index == order.next:  # as nearly always
            order.next += 1
        elif not self._accepts(order, output, index, now):
            return ""
        output.active_at = now
        if text.isascii() and not output.joiner.held:
            output.size += len(text)
        else:
            text = output.joiner.feed(text)
            output.size += len(text.encode())
        if output.size > output.limit or now - output.heard_at >= SIGN_SECONDS:
            self.deadline = now
        return "" if output.failed else text

    def think(self, stream: Stream, index: int | None, text: str, now: float) -> str:
        """As ``take``, of its reasoning, whose chunks have numbers of their own (A28)."""
        order, output = stream.thoughts, stream.output
        if order is None:
            order = stream.thoughts = ChunkOrder(self._settings.value.max_chunk_gaps)
        if not self._accepts(order, output, index, now):
            return ""
        output.active_at = now
        text = output.thoughts.feed(text)
        output.size += len(text.encode())
        if output.size > output.limit or now - output.heard_at >= SIGN_SECONDS:
            self.deadline = now
        return "" if output.failed else text

    def _accepts(self, order: ChunkOrder, output: Output, index: int | None, now: float) -> bool:
        """Is this chunk new? Where too much is missing, or something of before its socket went, the output fails."""
        skips = index is not None and index > order.next
        if not order.accept(index):
            return False
        if order.overfull or (skips and output.was_lost):
            output.fault, self.deadline = TOO_MANY_GAPS if order.overfull else LOST, now
        return True

    def meant(
        self, stream_id: str, output_id: str | None, request_id: str | None, socket: str | None = None
    ) -> Output | None:
        """The output that a packet is about, open or in its tail.

        :param socket: the one it came by, where only what the output goes on by counts.
        """
        stream = self.find(stream_id, request_id)
        output = stream.output if stream is not None else self._named(output_id, request_id)
        return None if output is not None and socket is not None and output.only not in ("", socket) else output

    def has_open(self, request: Request) -> bool:
        """Is an output of it open?"""
        return any(each.request is request for each in self._open)

    def is_elsewhere(self, request: Request, socket: str) -> bool:
        """Does an open output of it go on by another socket? What this one says of it is of before."""
        return any(each.request is request and _elsewhere(each, socket) for each in self._open)

    def is_heard(self, output: Output) -> bool:
        """Is it open, and shown what comes of it?"""
        return output in self._open and not output.failed

    def resume(
        self, stream_id: str, output_id: str | None, request_id: str | None, now: float, socket: str
    ) -> Output | None:
        """CLIENT_STREAM_START with ``resume``: an open output goes on by this socket, from where it was shown to.

        What its streams of before still say is not of it any more; chunks are numbered anew.

        :return: None where it is not open, or has failed.
        """
        output = self.meant(stream_id, output_id, request_id)
        if output is None or not self.is_heard(output):
            return None
        self._drop_streams(output)
        output.joiner, output.thoughts = Joiner(), Joiner()
        output.open_streams, output.waits_since, output.active_at, output.heard_at = 1, None, now, now
        output.socket = output.only = socket
        output.was_lost, output.lost_at = False, None
        key = (stream_id, output.request) if stream_id in self._streams else stream_id
        self._streams[key] = Stream(key, output, request_id, now, ChunkOrder(self._settings.value.max_chunk_gaps))
        return output

    def cut(self, output: Output, size: int, now: float, half: str, *, reasoning: bool) -> None:
        """CLIENT_STREAM_RESET: of an open output only so many bytes are left, of text and reasoning together.

        :param half: of a character, that is left of the kind that was cut; the other half may follow.
        """
        joiner = output.thoughts if reasoning else output.joiner
        joiner.held = half
        output.spoken = output.has_text
        output.size, output.active_at = size, now

    def ended(
        self,
        stream_id: str,
        output_id: str | None,
        request_id: str | None,
        final: bool | None,
        now: float,
        socket: str = "",
    ) -> list[Verdict]:
        """CLIENT_STREAM_END.

        :param final: True, the output is complete; False, it goes on; None, judge by the stream.
        """
        stream = self.find(stream_id, request_id)
        if stream is None:
            output = self._named(output_id, request_id)
            if not final or output is None or (output.only and output.only != socket):
                return []
            through: list[Verdict] = [Finished(output)] if self._extension in output.request.unheard else []
            return self._finish(output, now) or through
        output = stream.output
        if output.only and output.only != socket:
            return []
        del self._streams[stream.key]
        output.open_streams -= 1
        output.active_at = now
        settings = self._settings.value
        if final is None:
            lived = (now - stream.started_at) * 1000
            final = lived >= settings.stream_long_ms or stream.order.accepted > settings.stream_long_chunks
        if final:
            return self._finish(output, now)
        if output.open_streams == 0:
            output.waits_since = now
            self._due(now + settings.stream_idle_finalize_ms / 1000)
        return []

    def stream_failed(
        self, stream_id: str, output_id: str | None, request_id: str | None, now: float, socket: str = ""
    ) -> list[Verdict]:
        """CLIENT_STREAM_DATA_FAILED."""
        output = self.meant(stream_id, output_id, request_id, socket)
        if output is None:
            return []
        return self._fail(output, CallFailed("The extension reported a failed stream."), now)

    # ------------------------------------------------------------------------------------------ answers, other endings

    def answered(
        self,
        output_id: str | None,
        request_id: str | None,
        text: str,
        now: float,
        new_id: Callable[[], str],
        besides: int = 0,
        socket: str = "",
    ) -> list[Verdict]:
        """An answer in one piece. It ends what is streamed for the same request.

        :param new_id: names an output that has no name. :param besides: bytes of its reasoning.
        :param socket: the one it came by.
        """
        request = self._request(output_id, request_id, ())
        if isinstance(request, Nobody):
            return [Refused(f"an answer: {request.value}", 72)]
        if self.is_elsewhere(request, socket):
            return [Refused(MOVED, 72)]
        known = self._of(output_id, request)
        if self._extension in request.unheard:
            output = known or self._add(output_id or new_id(), request, now)
            return [Finished(output), *self._close(output, now)]
        if known is not None:
            whole = well_formed(text)
            said = [Whole(known, whole)] if known in self._open and not known.failed else []
            return [*said, *self._finish(known, now), Answered(known, whole, repeated=True)]
        streamed = [each for each in self._open if each.request is request and not _astray(each)]
        verdicts = [verdict for each in streamed for verdict in self._finish(each, now)]
        output = self._add(output_id or new_id(), request, now)
        output.spoken, whole = True, well_formed(text)
        encoded, limit = whole.encode(), self._settings.value.max_output_bytes
        if len(encoded) + besides <= limit:
            return [*verdicts, Answered(output, whole, repeated=False), *self._close(output, now)]
        output.failed = True
        kept = encoded[:limit].decode(errors="ignore")
        return [*verdicts, Failed(output, CallFailed(TOO_LARGE), first=True, text=kept), *self._close(output, now)]

    def failed(self, request: Request, reason: NewAgeError, now: float) -> list[Verdict]:
        """The extension reported that it failed at a request."""
        return [v for each in list(self._open) if each.request is request for v in self._fail(each, reason, now)]

    def cancelled(self, request: Request, now: float) -> list[Verdict]:
        """Nobody wants more of that request: what is open of it ends as it is, what comes late of it is not heard."""
        verdicts: list[Verdict] = []
        own = [each for each in (*self._open, *self._ended) if each.request is request and not each.failed]
        for each in own:
            each.failed, each.supposed = True, False
            if each in self._open:
                verdicts += [Cancelled(each, each.joiner.flush(), each.thoughts.flush()), *self._close(each, now)]
        return verdicts

    def stopped(self, request: Request | None, room: str | None, now: float, socket: str = "") -> list[Verdict]:
        """STOP_PROCESSING: what is open of that request is complete; without one, of that room; of neither, all is.

        What is astray is so only where its request is named: another tab may have said it. What goes on by another
        socket than this one is not, while that is there.
        """
        return [
            verdict
            for each in list(self._open)
            if not _elsewhere(each, socket)
            and (
                each.request is request
                if request is not None
                else room in (None, each.request.room) and not _astray(each)
            )
            for verdict in self._finish(each, now)
        ]

    def unreadable(self, socket: str, now: float) -> list[Verdict]:
        """A packet of an answer came by it that is too much to be read: which answer it was of is not known."""
        reason = CallFailed("Part of the answer was too much to be read.")
        return [v for each in list(self._open) if each.socket == socket for v in self._fail(each, reason, now)]

    def socket_lost(self, socket: str, now: float, grace: float) -> None:
        """A socket of the extension went. What came by it fails unless it goes on within so many seconds (A33)."""
        for each in self._open:
            if each.socket == socket and not _astray(each):
                each.was_lost, each.lost_at, each.lost_until = True, now, now + grace
                self._due(each.lost_until)

    def gone(self, reason: NewAgeError, now: float) -> list[Verdict]:
        """The extension went and is not waited for any longer."""
        return [verdict for each in list(self._open) for verdict in self._fail(each, reason, now)]

    def cut_off(self, reason: NewAgeError, now: float) -> list[Verdict]:
        """Nothing more will be heard. What has not been quiet for long enough to be complete fails (A33)."""
        due = self.tick(now)
        return [*due, *(verdict for each in list(self._open) for verdict in self._fail(each, reason, now))]

    def overwritten(self, output: Output, reason: NewAgeError, now: float) -> list[Verdict]:
        """Somebody changed or deleted what was stored of it: that stays so, and nobody hears what still comes."""
        verdicts = self._fail(output, reason, now)
        output.failed = True
        return verdicts

    def tick(self, now: float) -> list[Verdict]:
        """What is due: complete what waited long enough, fail what fell silent, forget what is long over."""
        settings = self._settings.value
        verdicts: list[Verdict] = []
        for output in list(self._open):
            if output.size > output.limit or output.fault:
                verdicts += self._fail(output, CallFailed(output.fault or TOO_LARGE), now)
            elif _astray(output) and now >= output.lost_until:
                verdicts += self._fail(output, PeerGone("SillyTavern extension disconnected."), now)
            elif output.waits_since is not None and not _astray(output) and now >= _idle_until(output, settings):
                verdicts += self._finish(output, now, supposed=True)
            elif now >= output.active_at + settings.output_idle_seconds:
                verdicts += self._fail(output, CallFailed("The extension fell silent."), now, silent=True)
            elif output.active_at - output.heard_at >= SIGN_SECONDS:
                output.heard_at = output.active_at
                verdicts.append(Heard(output))
        for output in list(self._ended):
            if now < output.ended_at + settings.output_tail_seconds:
                break
            verdicts.append(self._forget(output))
        self.deadline = NEVER
        for output in self._open:
            self._due(output.active_at + settings.output_idle_seconds)
            if _astray(output):
                self._due(output.lost_until)
            elif output.waits_since is not None:
                self._due(_idle_until(output, settings))
        for output in self._ended:
            self._due(output.ended_at + settings.output_tail_seconds)
            break  # the others are later
        return verdicts

    # ------------------------------------------------------------------------------------------------------ internals

    def _due(self, when: float) -> None:
        self.deadline = min(self.deadline, when)

    def _request(self, output_id: str | None, request_id: str | None, over: Collection[Output]) -> Request | Nobody:
        bound = self._newest.get(output_id or "")
        if bound is not None and request_id is None:  # a token of the reference extension, as nearly always
            return bound.request
        ends = {output.request for output in over}
        request = self._whose(request_id, output_id, bound.request if bound is not None else None, ends)
        if request is Nobody.OVER and bound is not None and bound.label == request_id:
            return bound.request  # it is the output that outlives what is known of its request
        return request

    def _output(
        self, output_id: str, request_id: str | None, over: Collection[Output], now: float, socket: str
    ) -> Output | Refused:
        request = self._request(output_id, request_id, over)
        if isinstance(request, Nobody):
            return Refused(f"a stream: {request.value}", 72)
        output = self._of(output_id, request)
        if output is None and self.is_elsewhere(request, socket):
            return Refused(MOVED, 72)
        output = output or self._add(output_id, request, now)
        if request_id is not None:
            output.label = request_id
        return output

    def _remember_refused(self, output_id: str, now: float) -> None:
        self._refused.pop(output_id, None)
        self._refused[output_id] = now
        if len(self._refused) > MAX_REFUSED:
            del self._refused[next(iter(self._refused))]

    def _refusal(self, output: Output, now: float, settings: StreamSettings) -> str | None:
        """Why it cannot have a stream more. What failed has places of its own: it takes none from an answer."""
        if len(self._streams) >= settings.max_streams_per_extension:
            return TOO_MANY_STREAMS
        if output.ended_at == NEVER:
            refused_at = self._refused.pop(output.given_id, None)
            if refused_at is not None and now < refused_at + settings.stream_idle_finalize_ms / 1000:
                return UNBEGUN  # it is in the middle
            if self._remembers_enough(settings):
                return TOO_MANY_ENDED
        open_now = sum(1 for each in self._open if each.failed is output.failed)
        return TOO_MANY_OUTPUTS if open_now >= settings.max_outputs_per_extension else None

    def _remembers_enough(self, settings: StreamSettings) -> bool:
        """So many may still go on that not one more can be kept: what comes late of them would be lost."""
        return sum(1 for each in self._ended if each.supposed) >= settings.max_ended_outputs_per_extension

    def _of(self, output_id: str | None, request: Request) -> Output | None:
        """The output of that id and request."""
        newest = self._newest.get(output_id or "")
        if newest is None or newest.request is request:
            return newest
        both = (output for outputs in (self._open, self._ended) for output in outputs)
        return next((o for o in both if o.given_id == output_id and o.request is request), None)

    def _named(self, output_id: str | None, request_id: str | None) -> Output | None:
        """The known output that a packet means by its outputId, and by its requestId where that names a request."""
        label, newest = self._label(request_id), self._newest.get(output_id or "")
        if isinstance(label, Nobody):
            return newest if newest is not None and newest.label == request_id else None
        return newest if label is None else self._of(output_id, label)

    def _add(self, output_id: str, request: Request, now: float) -> Output:
        output = Output(given_id=output_id, request=request, active_at=now, reused=output_id in self._newest)
        output.failed = self._extension in request.unheard
        self._newest[output_id] = output
        return output

    def _open_again(self, output: Output, stream_id: str, now: float, settings: StreamSettings) -> Opened:
        """For the first time, or after its end. What failed is bounded anew: nobody keeps the rest of it."""
        self._ended.pop(output, None)
        self._newest.setdefault(output.given_id, output)
        self._open[output] = None
        if output.failed:
            output.size = 0
        output.limit = settings.max_output_bytes
        output.fault, output.was_lost, output.lost_at = "", False, None
        output.heard_at = now
        self._due(now + settings.output_idle_seconds)
        return Opened(output, stream_id, again=output.ended_at != NEVER, unheard=output.failed)

    def _finish(
        self, output: Output, now: float, *, supposed: bool = False, wanted: Output | Refused | None = None
    ) -> list[Verdict]:
        if output not in self._open:
            return []
        output.supposed = supposed and not output.failed
        rest, thoughts = output.joiner.flush(), output.thoughts.flush()
        finished = Finished(output) if output.failed else Finished(output, rest, thoughts)
        return [finished, *self._close(output, now, wanted)]

    def _fail(self, output: Output, reason: NewAgeError, now: float, *, silent: bool = False) -> list[Verdict]:
        if output not in self._open:
            return []
        first, output.failed, output.supposed = not output.failed, True, False
        return [Failed(output, reason, first, silent=silent), *self._close(output, now)]

    def _close(self, output: Output, now: float, wanted: Output | Refused | None = None) -> list[Verdict]:
        """:return: what is forgotten for it, which is not the wanted one."""
        self._open.pop(output, None)
        self._ended[output] = None
        output.waits_since, output.ended_at = None, now
        self._drop_streams(output)
        self._due(now + self._settings.value.output_tail_seconds)
        return self._forget_surplus(wanted)

    def _forget_surplus(self, wanted: Output | Refused | None = None) -> list[Verdict]:
        surplus = len(self._ended) - self._settings.value.max_ended_outputs_per_extension
        if surplus <= 0:
            return []
        oldest = [each for each in self._ended if not each.supposed and each is not wanted][:surplus]
        return [self._forget(old) for old in oldest]

    def _drop_streams(self, output: Output) -> None:
        output.open_streams = 0
        for key in [key for key, stream in self._streams.items() if stream.output is output]:
            del self._streams[key]

    def _forget(self, output: Output) -> Forgotten:
        del self._ended[output]
        if self._newest.get(output.given_id) is output:
            del self._newest[output.given_id]
        return Forgotten(output)


def _elsewhere(output: Output, socket: str) -> bool:
    """It goes on by another socket than this one, which is there."""
    return output.only not in ("", socket) and output.lost_at is None


def _astray(output: Output) -> bool:
    """Its socket went and nothing came of it since: it may be in the middle, however it looked then."""
    return output.lost_at is not None and output.active_at <= output.lost_at


def _idle_until(output: Output, settings: StreamSettings) -> float:
    """Until when an output between two streams is waited for."""
    return (output.waits_since or 0.0) + settings.stream_idle_finalize_ms / 1000
