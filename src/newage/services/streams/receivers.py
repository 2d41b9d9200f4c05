"""Which socket gets an output in which form: a policy that adds and removes its readers (contract 5.7.6, A13).

Sockets that declared a form get that one. The others are probed once: both streams are opened and the text is held
until one is read, or the time is over and plain events follow from the start. What a socket turned out to be is
remembered for later outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from newage.dialect import streams
from newage.domain.model import Caller
from newage.domain.shown import ShownOutput
from newage.ports import IOutbox
from newage.services.streams.followers import Followers
from newage.services.streams.form import Form
from newage.services.streams.kept_outputs import KeptOutputs
from newage.services.streams.library_reader import CANONICAL, NAMES, ILibraryReaders, LibraryReader, StreamSocket
from newage.services.streams.limits import DownstreamSettings
from newage.services.streams.output_text import GrowingText, IOutputReader, OutputText
from newage.services.streams.plain_events import PlainEvents, tell_end
from newage.services.streams.polled_reader import PolledReader
from newage.services.world import World
from newage.settings import Live


@frozen
class Means:
    """What the receivers of all outputs have in common. ``epoch`` tells this run of the hub from others."""

    world: World
    outbox: IOutbox
    settings: Live[DownstreamSettings]
    kept: KeptOutputs
    epoch: str


@implementer(IOutputReader)
class HeldChunks:
    """Where the chunks end that came while somebody was probed: a plain listener gets them one by one afterwards."""

    __slots__ = ("_form", "ends")

    def __init__(self, form: Form) -> None:
        self._form = form
        self.ends: list[int] = []

    def grew(self, part: GrowingText, text: str) -> None:
        if part is self._form.text:
            self.ends.append(len(part.buffer))

    def was_cut(self, part: GrowingText) -> None:
        """What is left is one piece; nobody has got any of it."""
        if part is self._form.text and self.ends:
            self.ends = [self._form.size]

    def ended(self, failure: str | None) -> None:
        pass


@implementer(IOutputReader, ILibraryReaders)
class Receivers:
    """The receivers of one form of an output.

    It is not hungry: its readers are.

    :param done: called when nothing is left to send.
    """

    def __init__(self, form: Form, means: Means, done: Callable[[Receivers], None]) -> None:
        self._form = form
        self._world, self._outbox, self._settings = means.world, means.outbox, means.settings
        self._kept = means.kept
        self._done = done
        self.followers = Followers(form, means.outbox, means.epoch)
        self._failure: str | None = None
        self._plain = PlainEvents(form, means.outbox)
        self._polled: dict[str, PolledReader] = {}  # plain ones that poll
        self._streams: dict[str, list[LibraryReader]] = {}
        self._library: set[str] = set()  # read a $stream though they declared nothing
        self._probing: dict[str, IDelayedCall] = {}
        self._held = HeldChunks(form)
        self._drain: IDelayedCall | None = None
        form.output.add(self, hungry=False)

    @property
    def over(self) -> bool:
        return self._form.over

    @property
    def output(self) -> OutputText:
        return self._form.output

    @property
    def about(self) -> ShownOutput:
        return self._form.about

    # ------------------------------------------------------------------------------------------- coming and going

    def add(self, caller: Caller, socket: StreamSocket) -> None:
        """One more receiver, now or in the middle: it gets the text from its start, in one form.

        To who has got it up to an earlier end as plain events these go on; a ``$stream`` has ended and begins anew.
        Who follows outputs gets what comes, and asks for the text that there is.
        """
        sid, alias = caller.sid, self._settings.value.alias_events
        if sid in self._plain or sid in self._polled or sid in self._streams or sid in self.followers:
            return
        if caller.outputs:
            self.followers.add(sid)
        elif caller.stream_mode == "plain":
            self._catch_up(sid, alias=False)
        elif socket.declared:
            self._open(socket, (CANONICAL,))
        elif socket.names is None:
            self._open(socket, NAMES)
            self._probe(socket)
        elif socket.names:
            self._library.add(sid)
            self._open(socket, tuple(socket.names))
        else:
            self._open(socket, (CANONICAL,))
            self._catch_up(sid, alias=alias)

    def remove(self, sid: str) -> None:
        """That socket went, or its identity left the room."""
        probe = self._probing.pop(sid, None)
        if probe is not None:
            probe.cancel()
            self._stop_holding()
        for stream in self._streams.pop(sid, ()):  # unheard when the socket is what went
            stream.finish(streams.BROKEN, "You are no longer in this room.")
        self._library.discard(sid)
        polled = self._polled.pop(sid, None)
        if polled is not None:
            self._form.output.remove(polled)
        self._plain.remove(sid)
        self.followers.remove(sid)
        self._retire()

    def _open(self, socket: StreamSocket, names: Sequence[str]) -> None:
        opened = self._streams[socket.sid] = []
        for name in names:
            socket.cut_laggards(self._settings.value.stream_buffer_bytes)
            stream_id = self._world.new_id()
            stream = LibraryReader(self._form, socket, stream_id, name, self, self._outbox, self._settings)
            opened.append(stream)
            stream.open()

    def _catch_up(self, sid: str, *, alias: bool) -> None:
        """A plain receiver from now on; what it missed comes as one event under the index of the last chunk."""
        size, had = self._form.size, self._form.had.get(sid)
        self._admit(sid, [size] if size > (0 if had is None else had.size) else [], alias=alias)

    def _admit(self, sid: str, ends: Sequence[int], *, alias: bool) -> None:
        """A plain receiver. The text so far comes in pieces up to these ``ends``, the last one being the last chunk."""
        had = self._form.had.get(sid)
        counts_apart = had is not None and had.chunks != self._form.chunks - len(ends)
        if counts_apart or self._outbox.transport(sid) == "polling":
            reader = self._polled[sid] = PolledReader(self._form, self._outbox, sid, ends, alias=alias, had=had)
            if not self._form.over:
                self._form.output.add(reader)
        else:
            self._plain.add(sid, ends, alias=alias, start=0 if had is None else had.size)

    # ---------------------------------------------------------------------------------------------------- probing

    def _probe(self, socket: StreamSocket) -> None:
        if not self._probing:
            self._form.output.add(self._held)
        delay = self._settings.value.stream_probe_ms / 1000
        self._probing[socket.sid] = self._world.clock.callLater(delay, self._probed, socket)

    def first_read(self, stream: LibraryReader) -> None:
        """Its socket uses the library. Its probe runs on: it may read the other stream, too."""
        sid = stream.socket.sid
        stream.socket.reads(stream.name)
        if sid in self._probing and sid not in self._library:
            self._library.add(sid)
            if self._form.over:
                self._tell_end([sid], alias=False)

    def _probed(self, socket: StreamSocket) -> None:
        """The probe is over."""
        del self._probing[socket.sid]
        if socket.sid not in self._library:
            self._nobody_read(socket)
        self._stop_holding()
        if self._form.over:
            self._close_unread(socket.sid)
            self._retire()

    def _nobody_read(self, socket: StreamSocket) -> None:
        """Plain events, chunk by chunk from the start, or from where it came."""
        socket.reads_nothing()
        alias = self._settings.value.alias_events
        if self._held.ends:
            self._admit(socket.sid, self._held.ends, alias=alias)
        else:  # it came in the middle, and nothing since
            self._catch_up(socket.sid, alias=alias)
        if self._form.over:
            self._end_plain()

    def _stop_holding(self) -> None:
        if not self._probing:
            self._form.output.remove(self._held)
            self._held.ends.clear()

    # -------------------------------------------------------------------------------------------------------- the end

    def grew(self, part: GrowingText, text: str) -> None:
        """Not told: it is not hungry."""

    def was_cut(self, part: GrowingText) -> None:
        """Its other readers know."""
        self.followers.cut(part)

    def ended(self, failure: str | None) -> None:
        """Streams are ended once they are read to the end; plain receivers hear it now."""
        self._form.close()
        self._failure = failure
        self._kept.keep(self._form.about, self._form.output)
        self.followers.close(failed=failure is not None)
        self._form.output.remove(self)
        self._form.output.remove(self._held)
        self._end_plain()
        self._tell_end(list(self._library), alias=False)
        for sid, opened in list(self._streams.items()):
            if sid not in self._probing:
                self._close_unread(sid)
            for stream in list(opened):
                self._form.output.remove(stream)
                stream.ended(failure)
        delay = self._settings.value.stream_drain_seconds
        self._drain = self._world.clock.callLater(delay, self._give_up)
        self._retire()

    def _end_plain(self) -> None:
        """Tell the plain receivers, and have no more of them."""
        self._plain.ended(self._failure)
        for reader in self._polled.values():
            self._form.output.remove(reader)
            reader.ended(self._failure)
        self._polled.clear()

    def _tell_end(self, sids: Sequence[str], *, alias: bool) -> None:
        if sids:
            body = self._form.end(self._form.chunks, failed=self._failure is not None)
            tell_end(self._outbox, sids, body, alias=alias)

    def _close_unread(self, sid: str) -> None:
        """An opened stream nobody reads stays empty and ends with the output; a declared one waits for its reader."""
        for stream in list(self._streams.get(sid, ())):
            if not stream.counts:
                stream.finish(streams.OVER)

    def closed(self, stream: LibraryReader) -> None:
        """A stream is done with, however it ended."""
        opened = self._streams.get(stream.socket.sid, [])
        if stream in opened:
            opened.remove(stream)
        if not opened:
            self._streams.pop(stream.socket.sid, None)
        self._retire()

    def break_off(self, why: str) -> None:
        """Readers of streams get no more, read or not; nor do those get anything of whom that is not known yet."""
        for sid in list(self._probing):
            self._probing.pop(sid).cancel()
        for opened in list(self._streams.values()):
            for stream in list(opened):
                stream.finish(streams.BROKEN, why)
        self._retire()

    def _give_up(self) -> None:
        self._drain = None
        self.break_off("Stream timed out.")

    def _retire(self) -> None:
        """Nothing left to send: forget it, and its timer."""
        if self._form.over and not self._streams and not self._probing:
            if self._drain is not None:
                self._drain.cancel()
                self._drain = None
            self._done(self)

    def cancel(self) -> None:
        """Shutting down: no timer may remain."""
        for probe in self._probing.values():
            probe.cancel()
        self._probing.clear()
        if self._drain is not None:
            self._drain.cancel()
            self._drain = None
