"""Outputs of extensions: upstream packets in, feeds and stored responses out (contract 5.5, 5.6, 5.8).

State per extension: its live streamIds, and its outputs with the request each answers. The real one opens a stream per
token and never says that an output is over, so an output is finalised by the rules of contract 5.6.
"""

from __future__ import annotations

from collections.abc import Collection

from attrs import define, field, frozen
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from newage.domain.chunks import ChunkOrder
from newage.domain.correlation import Nobody
from newage.domain.model import Room, Session
from newage.domain.request import Request
from newage.domain.text import well_formed
from newage.errors import CallFailed, NewAgeError, PeerGone, Unavailable
from newage.ports import IUpstream
from newage.services.listeners import RoomListener, SessionListener
from newage.services.requests.ledger import RequestLedger
from newage.services.rooms.activity import PresenceService
from newage.services.sessions.sessions import SessionService
from newage.services.streams.answers import Output, ResponseService
from newage.services.streams.downstream import DownstreamService
from newage.services.world import World
from newage.settings import limit
from newage.telemetry.logs import LogQuota


@frozen(kw_only=True)
class StreamSettings:
    stream_idle_finalize_ms: int = limit(2000, "an output ends when nothing came for so long after an END")
    stream_long_ms: int = limit(200, "END of a stream that lived so long ends its output")
    stream_long_chunks: int = limit(8, "END of a stream with more chunks ends its output")
    max_output_bytes: int = limit(1_048_576, "UTF-8 bytes of one output")
    max_streams_per_extension: int = limit(64, "live streamIds of one extension")
    max_outputs_per_extension: int = limit(16, "live outputs of one extension")
    max_ended_outputs_per_extension: int = limit(256, "ended outputs kept for late chunks")
    max_chunk_gaps: int = limit(1024, "missing chunk indexes remembered per stream")
    output_idle_seconds: int = limit(120, "an output without any traffic fails after it")
    output_tail_seconds: int = limit(60, "late chunks reopen an ended output within it")


StreamKey = str | tuple[str, Request]  # with its request where an extension uses one streamId for two at once


@define(eq=False)
class _Stream:
    key: StreamKey
    output: Output
    label: str | None  # the requestId that its packets carry
    started_at: float
    order: ChunkOrder


@define(eq=False)
class _Extension:
    streams: dict[StreamKey, _Stream] = field(factory=dict)
    outputs: dict[Output, None] = field(factory=dict)  # live and ended, oldest first
    newest: dict[str, Output] = field(factory=dict)  # outputId as it says it -> what it was used for last
    open: dict[Output, None] = field(factory=dict)  # the live ones: those with a feed

    def live(self) -> list[Output]:
        """A copy: they may end meanwhile. Every token of the real extension asks, so no ended one is looked at."""
        return list(self.open)

    def find(self, output_id: str | None, request: Request) -> Output | None:
        """The output of that id and request."""
        if output_id is None:
            return None
        newest = self.newest.get(output_id)
        if newest is None or newest.request is request:
            return newest
        return next((o for o in self.outputs if o.given_id == output_id and o.request is request), None)

    def add(self, output: Output) -> None:
        self.outputs[output] = None
        self.newest[output.given_id] = output

    def drop(self, output: Output) -> None:
        del self.outputs[output]
        if self.newest.get(output.given_id) is output:
            del self.newest[output.given_id]


@implementer(IUpstream)
class StreamService(SessionListener, RoomListener):
    _log = Logger()
    SWEEP = 0.25  # seconds between looks for idle outputs
    LOGGED_PER_SECOND = 5  # dropped packets of all extensions; there may be one for each token

    def __init__(
        self,
        world: World,
        sessions: SessionService,
        requests: RequestLedger,
        responses: ResponseService,
        downstream: DownstreamService,
        presence: PresenceService,
        settings: StreamSettings,
    ) -> None:
        self._world = world
        self._sessions = sessions
        self._requests = requests
        self._responses = responses
        self._downstream = downstream
        self._presence = presence
        self.settings = settings
        self._extensions: dict[str, _Extension] = {}
        self._quota = LogQuota(self.LOGGED_PER_SECOND, world.clock.seconds)
        self._sweep: IDelayedCall | None = None

    @property
    def open_outputs(self) -> int:
        return sum(len(extension.open) for extension in self._extensions.values())

    @property
    def known_extensions(self) -> int:
        """How many extensions have state here: those with streams, or outputs that may still go on."""
        return len(self._extensions)

    async def drain(self) -> None:
        """End everything that is open and wait until it is stored: the end of the daemon.

        What an extension is in the middle of fails, and its partial text is kept as such.
        """
        for extension in list(self._extensions.values()):
            for output in extension.live():
                if output.open_streams:
                    self._fail(output, Unavailable("The server is stopping."))
                else:
                    self._finalise(output)
        await self._responses.drain()

    def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    # ------------------------------------------------------------------------------------------ what extensions say

    def stream_started(self, identity: str, stream_id: str, output_id: str, request_id: str | None) -> None:
        extension = self._extension(identity)
        if self._stream(extension, identity, stream_id, request_id) is None:
            self._start(extension, identity, stream_id, output_id, request_id)

    def stream_data(
        self,
        identity: str,
        stream_id: str,
        output_id: str | None,
        request_id: str | None,
        chunk_index: int | None,
        text: str,
    ) -> None:
        extension = self._extensions.get(identity) or self._extension(identity)
        stream = extension.streams.get(stream_id)
        if stream is None or (stream.label != request_id and request_id is not None):
            stream = self._stream(extension, identity, stream_id, request_id)
            if stream is None and output_id is None:
                self._dropped(identity, "data for an unknown stream", 71)
                return
            if stream is None:
                stream = self._start(extension, identity, stream_id, output_id or "", request_id)
            if stream is None:
                return
        if not stream.order.accept(chunk_index):
            return
        output = stream.output
        output.active_at = self._world.clock.seconds()
        whole = output.joiner.feed(text)
        if whole and output.feed is not None:
            output.feed.push(whole)
            if len(output.feed.buffer) > output.budget:
                self._fail(output, CallFailed("The answer is too large."))

    def stream_ended(
        self, identity: str, stream_id: str, output_id: str | None, request_id: str | None, final: bool | None
    ) -> None:
        extension = self._extensions.get(identity)
        if extension is None:
            return
        stream = self._stream(extension, identity, stream_id, request_id)
        if stream is None:
            output = self._named_output(extension, identity, output_id, request_id)
            if final and output is not None:
                self._finalise(output)
            return
        del extension.streams[stream.key]
        output, now = stream.output, self._world.clock.seconds()
        output.open_streams -= 1
        output.active_at = now
        if final is None:
            lived = (now - stream.started_at) * 1000
            final = lived >= self.settings.stream_long_ms or stream.order.accepted > self.settings.stream_long_chunks
        if final:
            self._finalise(output)
        elif output.open_streams == 0:
            output.pending_since = now

    def stream_failed(self, identity: str, stream_id: str, output_id: str | None, request_id: str | None) -> None:
        extension = self._extensions.get(identity)
        if extension is None:
            return
        stream = self._stream(extension, identity, stream_id, request_id)
        if stream is not None:
            output: Output | None = stream.output
        else:
            output = self._named_output(extension, identity, output_id, request_id)
        if output is not None:
            self._fail(output, CallFailed("The extension reported a failed stream."))

    def answered(self, identity: str, request_id: str | None, output_id: str | None, text: str) -> None:
        extension = self._extension(identity)
        request = self._whose(extension, identity, output_id, request_id)
        if isinstance(request, Nobody):
            self._dropped(identity, f"an answer: {request.value}", 72)
            return
        known = extension.find(output_id, request)
        if known is not None:  # the streamed output is over; its text is what was streamed
            self._finalise(known)
            self._responses.repeated(known, well_formed(text))
            return
        for output in extension.live():
            if output.request is request:
                self._finalise(output)
        output = self._new_output(extension, identity, output_id or self._world.new_id(), request)
        output.text = well_formed(text).encode()[: self.settings.max_output_bytes].decode(errors="ignore")
        self._mark_ended(output)
        self._responses.answered(output)

    def failed(self, identity: str, request_id: str | None, message: str, error: object) -> None:
        """ERROR from the extension; it arrives twice from the real one, and only the first counts (H11)."""
        request = self._requests.named(identity, request_id)
        if request is None:
            self._dropped(identity, "an error that belongs to no request", 72)
            return
        known = CallFailed(message)
        self._requests.failed_by(request, identity, known, error)
        for output in self._extension(identity).live():
            if output.request is request:
                self._fail(output, known)

    def processing_stopped(self, identity: str, request_id: str | None, room: str | None = None) -> None:
        """STOP_PROCESSING: the open outputs of that request, or of that room, are complete (contract 5.6 d).

        :param room: None when the packet names no room: then, without a request, all outputs are meant.
        """
        extension = self._extensions.get(identity)
        request = self._requests.named(identity, request_id)
        for output in extension.live() if extension is not None else ():
            if output.request is request or (request_id is None and room in (None, output.request.room)):
                self._finalise(output)

    def _dropped(self, identity: str, what: str, warning_code: int) -> None:
        """Something of an extension is not taken; said as often as the quota allows."""
        unsaid = self._quota.take()
        if unsaid is not None:
            more = f" ({unsaid} before were not logged)" if unsaid else ""
            self._log.warn(
                "dropped of {identity}: {what}{more}",
                identity=identity,
                what=what,
                more=more,
                warning_code=warning_code,
            )

    # -------------------------------------------------------------------------------------------------------- streams

    def _extension(self, identity: str) -> _Extension:
        return self._extensions.setdefault(identity, _Extension())

    def _start(
        self, extension: _Extension, identity: str, stream_id: str, output_id: str, request_id: str | None
    ) -> _Stream | None:
        """Open a stream on its output; None when there is no request for it or a limit is reached."""
        if len(extension.streams) >= self.settings.max_streams_per_extension:
            self._dropped(identity, "too many open streams", 71)
            return None
        over = [
            other
            for other in extension.live()
            if other.given_id != output_id and other.open_streams == 0 and other.pending_since is not None
        ]
        output = self._output(extension, identity, output_id, request_id, over)  # before another request may be sent
        for other in over:
            self._finalise(other)
        if output is None:
            return None
        if output.feed is None:
            if output.ended_at is not None:
                self._requests.goes_on(output.request, identity)
            self._open_feed(output, stream_id)
            extension.open[output] = None
        now = self._world.clock.seconds()
        output.open_streams += 1
        output.pending_since = None
        output.active_at = now
        self._requests.heard_from(output.request, identity)
        key = (stream_id, output.request) if stream_id in extension.streams else stream_id
        stream = _Stream(key, output, request_id, now, ChunkOrder(self.settings.max_chunk_gaps))
        extension.streams[key] = stream
        return stream

    def _stream(self, extension: _Extension, identity: str, stream_id: str, request_id: str | None) -> _Stream | None:
        """The live stream that a packet belongs to: of that id, and of the request that it names, if it names one."""
        stream = extension.streams.get(stream_id)
        if stream is None or request_id is None or request_id == stream.label:
            return stream
        label = self._requests.label(identity, request_id)
        if isinstance(label, Nobody):
            return None
        if label is not None and label is not stream.output.request:
            return extension.streams.get((stream_id, label))
        stream.label = request_id  # so the next packet is found at once
        return stream

    def _named_output(
        self, extension: _Extension, identity: str, output_id: str | None, request_id: str | None
    ) -> Output | None:
        """The known output that a packet means by its outputId, and by its requestId where that names a request."""
        label = self._requests.label(identity, request_id)
        if isinstance(label, Nobody):
            return None
        return extension.newest.get(output_id or "") if label is None else extension.find(output_id, label)

    def _whose(
        self,
        extension: _Extension,
        identity: str,
        output_id: str | None,
        request_id: str | None,
        over: Collection[Output] = (),
    ) -> Request | Nobody:
        bound = extension.newest.get(output_id or "")
        ends = {output.request for output in over}
        return self._requests.whose(identity, request_id, output_id, bound.request if bound else None, ends)

    def _output(
        self, extension: _Extension, identity: str, output_id: str, request_id: str | None, over: Collection[Output]
    ) -> Output | None:
        request = self._whose(extension, identity, output_id, request_id, over)
        if isinstance(request, Nobody):
            self._dropped(identity, f"a stream: {request.value}", 72)
            return None
        output = extension.find(output_id, request)
        if output is None:
            if len(extension.open) - len(over) >= self.settings.max_outputs_per_extension:
                self._dropped(identity, "too many open outputs", 71)
                return None
            output = self._new_output(extension, identity, output_id, request)
        return output

    def _new_output(self, extension: _Extension, identity: str, output_id: str, request: Request) -> Output:
        """:param output_id: as the extension says it; the room gets another one if that one is used for another."""
        used = any(output_id in each.newest for each in self._extensions.values())
        output = Output(
            identity=identity,
            output_id=self._world.new_id() if used else output_id,
            given_id=output_id,
            request=request,
            active_at=self._world.clock.seconds(),
        )
        extension.add(output)
        if self._sweep is None:
            self._sweep = self._world.clock.callLater(self.SWEEP, self._tick)
        return output

    def _open_feed(self, output: Output, stream_id: str) -> None:
        """A new downstream form, for a new output or one that goes on after its end; nobody hears what failed go on.

        Yet its extension is at work on it until it is through.
        """
        output.ended_at = None
        session = self._sessions.by_identity(output.identity)
        meta = {
            "streamId": stream_id,
            "outputId": output.output_id,
            "requestId": output.request.request_id,
            "source": "server",
            "roomName": output.request.room,
            "clientId": session.client_id if session is not None else output.identity,
            "identity": output.identity,
        }
        output.budget = self.settings.max_output_bytes - (0 if output.closed else len(output.text.encode()))
        output.feed = self._downstream.start("" if output.closed else output.request.room_id, meta)

    # ---------------------------------------------------------------------------------------------------------- ends

    def _finalise(self, output: Output) -> None:
        """The output is complete: end the feed, store the response, once."""
        feed = output.feed
        if feed is None:
            return
        rest = output.joiner.flush()
        if rest:
            feed.push(rest)
        feed.end()
        self._mark_ended(output)
        if not output.closed:
            output.text += feed.buffer.decode()
            self._responses.streamed(output)

    def _fail(self, output: Output, error: NewAgeError) -> None:
        """End it as failed; a partial text is stored."""
        feed = output.feed
        if feed is None:
            return
        feed.end(str(error))
        first, output.closed = not output.closed, True
        self._requests.failed_by(output.request, output.identity, error)
        self._mark_ended(output)
        if first:
            output.text += feed.buffer.decode()
            if output.text:
                self._responses.failed(output)

    def _mark_ended(self, output: Output) -> None:
        output.feed = None
        output.pending_since = None
        output.ended_at = self._world.clock.seconds()
        self._requests.finished_by(output.request, output.identity)
        self._presence.show(output.request.room, output.identity, "idle", room_id=output.request.room_id)
        extension = self._extension(output.identity)
        extension.open.pop(output, None)
        for key in [key for key, stream in extension.streams.items() if stream.output is output]:
            del extension.streams[key]
        output.open_streams = 0
        ended = [o for o in extension.outputs if o.feed is None]
        for old in ended[: -self.settings.max_ended_outputs_per_extension]:
            self._forget(extension, old)

    def _forget(self, extension: _Extension, output: Output) -> None:
        """Its tail is over."""
        extension.drop(output)
        self._requests.output_over(output.identity, output.given_id)

    # ------------------------------------------------------------------------------------------------------ listeners

    def extension_lost(self, session: Session) -> None:
        gone = PeerGone("SillyTavern extension disconnected.")
        for request in self._requests.awaited_of(session.identity):
            self._requests.failed_by(request, session.identity, gone)
        extension = self._extensions.get(session.identity)
        if extension is None:
            return
        for output in extension.live():
            self._fail(output, gone)
        if not extension.outputs:
            del self._extensions[session.identity]

    def room_deleted(self, room: Room) -> None:
        """Nobody hears of its outputs any more; their extension is at work on them until it is through."""
        for extension in self._extensions.values():
            for output in [o for o in extension.outputs if o.request.room_id == room.id]:
                if output.feed is not None:
                    output.feed.end("Room deleted.")
                    self._open_feed(output, "")

    # ---------------------------------------------------------------------------------------------------------- expiry

    def _tick(self) -> None:
        """Finalise what has been idle, fail what fell silent, forget what is long over."""
        now = self._world.clock.seconds()
        idle = self.settings.stream_idle_finalize_ms / 1000
        for identity, extension in list(self._extensions.items()):
            for output in list(extension.outputs):
                if output.ended_at is not None:
                    if now - output.ended_at >= self.settings.output_tail_seconds:
                        self._forget(extension, output)
                elif output.pending_since is not None and now - output.pending_since >= idle:
                    self._finalise(output)
                elif now - output.active_at >= self.settings.output_idle_seconds:
                    self._fail(output, CallFailed("The extension fell silent."))
                elif now - output.active_at <= self.SWEEP:  # one long stream says START only once
                    self._requests.heard_from(output.request, identity)
            if not extension.outputs and not extension.streams:
                del self._extensions[identity]
        busy = any(extension.outputs for extension in self._extensions.values())
        self._sweep = self._world.clock.callLater(self.SWEEP, self._tick) if busy else None
