"""From one output to its receivers: plain events, or ``$stream`` packets with flow control (contract 5.7, A9, A13).

A feed carries one output to every ``/llm`` socket of the room's members. Sockets that declared a form get that one. The
others are probed once: both streams are opened and the text is held until one is read, or the time is over and plain
events follow from the start. What a socket turned out to be is remembered for later outputs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall

from newage.domain.model import Caller, Role, Room
from newage.ports import IChannel, IOutbox
from newage.services.events import RoomListener, SessionListener
from newage.services.sessions.sessions import SessionService
from newage.services.streams.library_reader import CANONICAL, NAMES, SocketStream, cut_laggards
from newage.services.streams.polled_reader import PolledReader
from newage.services.world import World
from newage.settings import Live, limit, switch


@frozen(kw_only=True)
class DownstreamSettings:
    stream_probe_ms: int = limit(400, "how long text waits for a first $stream-read (A13)")
    stream_buffer_bytes: int = limit(1_048_576, "unread $stream text of one socket")
    stream_drain_seconds: int = limit(120, "how long an ended $stream waits for its reader")
    stream_ack_seconds: int = limit(30, "deadline of the ack of a $stream-write")
    alias_events: bool = switch(True, "compat.aliasEvents: also send the names of contract 1.8")


class Feed:
    """One output on its way. ``push`` is the token path: one append, one encode for all plain receivers.

    Except those that poll: they are few, cost a response each anyway, and get what waits for them in one piece.
    """

    __slots__ = (
        "_alias",
        "_bounds",
        "_channel",
        "_chunks",
        "_declared",
        "_down",
        "_drain",
        "_head",
        "_library",
        "_meta",
        "_plain",
        "_polled",
        "_probing",
        "_streams",
        "buffer",
        "ended",
        "failure",
        "room_id",
    )

    def __init__(self, down: DownstreamService, room_id: str, meta: dict[str, Any]) -> None:
        self.room_id = room_id
        self.buffer = bytearray()  # the whole text, UTF-8
        self.ended = False
        self.failure: str | None = None
        self._down = down
        self._meta = meta
        self._head = {"type": 2, **{k: v for k, v in meta.items() if k != "clientId"}}
        self._plain: dict[str, bool] = {}  # sid -> also under the alias names
        self._polled: dict[str, PolledReader] = {}  # plain ones that poll
        self._declared: set[str] = set()  # asked for $stream only
        self._library: set[str] = set()  # read a $stream though they declared nothing
        self._probing: dict[str, IDelayedCall] = {}
        self._streams: dict[str, list[SocketStream]] = {}
        self._channel: IChannel | None = None
        self._alias: IChannel | None = None
        self._chunks = 0
        self._bounds: list[int] = []  # where the chunks so far end, while somebody is probed
        self._drain: IDelayedCall | None = None

    # ------------------------------------------------------------------------------------------------------ receivers

    def add(self, caller: Caller) -> None:
        """One more receiver, now or in the middle: it gets the text from its start, in one form."""
        sid, mode = caller.sid, caller.stream_mode
        if sid in self._plain or sid in self._polled or sid in self._streams:
            return
        known = self._down.flavour(sid)
        if mode == "plain":
            self._catch_up(sid, alias=False)
        elif mode == "ss":
            self._declared.add(sid)
            self._open(sid, (CANONICAL,))
        elif known:
            self._library.add(sid)
            self._open(sid, tuple(known))
        elif known is not None:
            self._open(sid, (CANONICAL,))
            self._catch_up(sid, alias=self._down.settings.value.alias_events)
        else:
            self._open(sid, NAMES)
            delay = self._down.settings.value.stream_probe_ms / 1000
            self._probing[sid] = self._down.world.clock.callLater(delay, self._probed, sid)

    def remove(self, sid: str) -> None:
        """That socket went, or its identity left the room."""
        probe = self._probing.pop(sid, None)
        if probe is not None:
            probe.cancel()
            self._forget_bounds()
        for stream in self._streams.pop(sid, ()):
            stream.finish("error", "You are no longer in this room.")  # unheard when the socket is what went
        self._declared.discard(sid)
        self._library.discard(sid)
        self._polled.pop(sid, None)
        if self._plain.pop(sid, None) is not None:
            self._rebuild()
        self._retire()

    def was_read(self, stream: SocketStream) -> None:
        """A first read: this socket uses the library. Its probe runs on: it may read the other stream, too."""
        sid = stream.sid
        self._down.remember(sid, stream.name)
        if sid in self._probing and sid not in self._library:
            self._library.add(sid)
            if self.ended:
                self._say_end([sid], alias=False)

    def _open(self, sid: str, names: tuple[str, ...]) -> None:
        self._streams[sid] = [self._down.open(self, sid, name, self._meta) for name in names]

    def _catch_up(self, sid: str, *, alias: bool) -> None:
        """A plain receiver from now on; what it missed comes as one event under the index of the last chunk."""
        self._admit(sid, [len(self.buffer)] if self.buffer else [], alias=alias)

    def _admit(self, sid: str, ends: Sequence[int], *, alias: bool) -> None:
        """A plain receiver. The text so far comes in pieces up to these ``ends``, the last one being the last chunk."""
        index = self._chunks - len(ends)
        if self._down.outbox.transport(sid) == "polling":
            reader = self._polled[sid] = PolledReader(self, sid, index, alias=alias)
            for end in ends:
                reader.advance(end)
            return
        self._plain[sid] = alias
        self._rebuild()
        start = 0
        for each, end in enumerate(ends, index):
            body = self.chunk(each, start, end)
            self._down.outbox.emit(sid, "SERVER_STREAM_DATA", body)
            if alias:
                self._down.outbox.emit(sid, "streamed_data", body)
            start = end

    def _probed(self, sid: str) -> None:
        """The probe is over."""
        del self._probing[sid]
        if sid not in self._library:
            self._nobody_read(sid)
        self._forget_bounds()
        if self.ended:
            self._close_unread(sid)
            self._retire()

    def _forget_bounds(self) -> None:
        if not self._probing:
            self._bounds.clear()

    def _nobody_read(self, sid: str) -> None:
        """Plain events, chunk by chunk from the start, or from where it came."""
        self._down.remember(sid, None)
        alias = self._down.settings.value.alias_events
        if self._bounds:
            self._admit(sid, self._bounds, alias=alias)
        else:  # it came in the middle, and nothing since
            self._catch_up(sid, alias=alias)
        if self.ended:
            self._end_plain()

    def _rebuild(self) -> None:
        outbox = self._down.outbox
        aliased = [sid for sid, alias in self._plain.items() if alias]
        self._channel = outbox.channel(self._plain) if self._plain else None
        self._alias = outbox.channel(aliased) if aliased else None

    # ----------------------------------------------------------------------------------------------------------- text

    def push(self, text: str) -> None:
        """Deliver one chunk of well-formed, non-empty text."""
        self.buffer += text.encode()
        index = self._chunks
        self._chunks = index + 1
        if self._probing:
            self._bounds.append(len(self.buffer))
        if self._polled:
            for reader in tuple(self._polled.values()):
                reader.advance(len(self.buffer))
        if self._channel is not None:
            body = {**self._head, "chunkIndex": index, "data": text}
            self._channel.emit("SERVER_STREAM_DATA", body)
            if self._alias is not None:
                self._alias.emit("streamed_data", body)
        if self._streams:
            for streams in list(self._streams.values()):
                for stream in streams:
                    stream.pump()

    def chunk(self, index: int, start: int, end: int) -> dict[str, Any]:
        """The body of one event with that part of the text; its bounds are those of chunks."""
        return {**self._head, "chunkIndex": index, "data": self.buffer[start:end].decode()}

    def offer(self, sid: str, draw: Callable[[], list[tuple[str, Any]]]) -> None:
        """See ``IOutbox.offer``."""
        self._down.outbox.offer(sid, draw)

    def end(self, failure: str | None = None) -> None:
        """No more text. Streams are ended once they are read to the end; plain receivers hear it now.

        :param failure: why the output failed, if it did.
        """
        self.ended, self.failure = True, failure
        self._end_plain()
        self._say_end(self._library, alias=False)
        for sid, streams in list(self._streams.items()):
            if sid not in self._probing:
                self._close_unread(sid)
            for stream in list(streams):
                stream.pump()
        delay = self._down.settings.value.stream_drain_seconds
        self._drain = self._down.world.clock.callLater(delay, self._give_up)
        self._retire()

    def _end_plain(self) -> None:
        """Tell the plain receivers, and have no more of them."""
        for alias in (True, False):
            self._say_end([sid for sid, also in self._plain.items() if also is alias], alias=alias)
        for reader in self._polled.values():
            self._say_end([reader.sid], alias=reader.alias, chunks=reader.chunks)
        self._polled.clear()
        self._plain.clear()
        self._rebuild()

    def closed(self, stream: SocketStream) -> None:
        """A stream is done with, however it ended."""
        streams = self._streams.get(stream.sid, [])
        if stream in streams:
            streams.remove(stream)
        if not streams:
            self._streams.pop(stream.sid, None)
        self._retire()

    def _close_unread(self, sid: str) -> None:
        """An opened stream nobody reads stays empty and ends with the output; a declared one waits for its reader."""
        if sid in self._declared:
            return
        for stream in list(self._streams.get(sid, ())):
            if not stream.owed:
                stream.finish("end")

    def expects(self, sid: str, name: str) -> bool:
        """Is that socket known to read streams of that name?"""
        return sid in self._declared or name in self._down.flavour_names(sid)

    def _give_up(self) -> None:
        self._drain = None
        self.break_off("Stream timed out.")

    def break_off(self, why: str) -> None:
        """Readers of streams get no more, read or not; nor do those get anything of whom that is not known yet."""
        for sid in list(self._probing):
            self._probing.pop(sid).cancel()
        for streams in list(self._streams.values()):
            for stream in list(streams):
                stream.finish("error", why)
        self._retire()

    def _retire(self) -> None:
        """Nothing left to send: forget the feed and its timer."""
        if self.ended and not self._streams and not self._probing:
            if self._drain is not None:
                self._drain.cancel()
                self._drain = None
            self._down.forget(self)

    def cancel(self) -> None:
        """Shutting down: no timer may remain."""
        for probe in self._probing.values():
            probe.cancel()
        self._probing.clear()
        if self._drain is not None:
            self._drain.cancel()
            self._drain = None

    def _say_end(self, sids: Iterable[str], *, alias: bool, chunks: int | None = None) -> None:
        """:param chunks: how many these receivers got, if not all."""
        receivers = list(sids)
        if not receivers:
            return
        body = {
            **self._head,
            "type": 3,
            "chunks": self._chunks if chunks is None else chunks,
            "data": self.buffer.decode(),
            "failed": self.failure is not None,
        }
        channel = self._down.outbox.channel(receivers)
        channel.emit("SERVER_STREAM_END", body)
        if alias:
            channel.emit("streamed_end", body)


class DownstreamService(SessionListener, RoomListener):
    """Opens feeds, keeps their receivers true, and hands what stream readers say to the right stream."""

    def __init__(
        self,
        world: World,
        outbox: IOutbox,
        sessions: SessionService,
        members: Callable[[str], tuple[str, ...]],
        settings: Live[DownstreamSettings],
    ) -> None:
        self.world = world
        self.outbox = outbox
        self.settings = settings
        self._sessions = sessions
        self._members = members
        self._feeds: defaultdict[str, list[Feed]] = defaultdict(list)  # room id -> feeds that are not done
        self._streams: dict[str, dict[str, SocketStream]] = {}  # sid -> id -> stream
        self._flavours: dict[str, set[str]] = {}  # sid -> names it reads; empty: plain

    def close(self) -> None:
        for feeds in self._feeds.values():
            for feed in feeds:
                feed.cancel()

    @property
    def open_feeds(self) -> int:
        return sum(len(feeds) for feeds in self._feeds.values())

    def start(self, room_id: str, meta: dict[str, Any]) -> Feed:
        """A feed to every /llm socket of the room's online members."""
        feed = Feed(self, room_id, meta)
        self._feeds[room_id].append(feed)
        for identity in self._members(room_id):
            for caller in self._sessions.callers(identity, "/llm"):
                feed.add(caller)
        return feed

    # -------------------------------------------------------------------------------------------- what readers tell us

    def read(self, sid: str, stream_id: str) -> None:
        """``$stream-read``: one permit to write."""
        stream = self._streams.get(sid, {}).get(stream_id)
        if stream is not None:
            stream.read()

    def stopped(self, sid: str, stream_id: str) -> None:
        """``$stream-end`` or ``$stream-error`` from the reader; the echo of our own end finds nothing."""
        stream = self._streams.get(sid, {}).get(stream_id)
        if stream is not None:
            stream.finish(None)

    # ------------------------------------------------------------------------------------------- for feeds and streams

    def flavour(self, sid: str) -> set[str] | None:
        """The stream names a socket reads, an empty set for a plain listener, None while unknown."""
        return self._flavours.get(sid)

    def flavour_names(self, sid: str) -> set[str]:
        return self._flavours.get(sid, set())

    def remember(self, sid: str, name: str | None) -> None:
        names = self._flavours.setdefault(sid, set())
        if name is not None:
            names.add(name)

    def open(self, feed: Feed, sid: str, name: str, meta: dict[str, Any]) -> SocketStream:
        cut_laggards(list(self._streams.get(sid, {}).values()), self.settings.value.stream_buffer_bytes)
        stream = SocketStream(feed, self, sid, self.world.new_id(), name)
        self._streams.setdefault(sid, {})[stream.stream_id] = stream
        self.outbox.emit(sid, "$stream", name, {"$stream": stream.stream_id}, meta)
        return stream

    def drop(self, stream: SocketStream) -> None:
        of_socket = self._streams.get(stream.sid)
        if of_socket is not None:
            of_socket.pop(stream.stream_id, None)
            if not of_socket:
                del self._streams[stream.sid]

    def unread_bytes(self, sid: str) -> int:
        return sum(stream.pending for stream in self._streams.get(sid, {}).values() if stream.owed)

    def forget(self, feed: Feed) -> None:
        feeds = self._feeds.get(feed.room_id)
        if feeds is not None and feed in feeds:
            feeds.remove(feed)
            if not feeds:
                del self._feeds[feed.room_id]

    # ------------------------------------------------------------------------------------------------------ listeners

    def socket_attached(self, caller: Caller) -> None:
        if caller.namespace != "/llm" or not self._feeds:
            return
        for room_id in list(self._feeds):
            if caller.identity in self._members(room_id):
                self._join(room_id, caller)

    def socket_detached(self, caller: Caller) -> None:
        for stream in list(self._streams.get(caller.sid, {}).values()):
            stream.finish(None)
        for feeds in list(self._feeds.values()):
            for feed in list(feeds):
                feed.remove(caller.sid)
        self._flavours.pop(caller.sid, None)

    def member_joined(self, room: Room, identity: str, role: Role) -> None:
        for caller in self._sessions.callers(identity, "/llm"):
            self._join(room.id, caller)

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        for caller in self._sessions.callers(identity, "/llm"):
            for feed in list(self._feeds.get(room.id, ())):
                feed.remove(caller.sid)

    def room_deleted(self, room: Room) -> None:
        """What was not read of it by now is read by nobody."""
        for feed in list(self._feeds.get(room.id, ())):
            if not feed.ended:
                feed.end("Room deleted.")
            feed.break_off("Room deleted.")

    def _join(self, room_id: str, caller: Caller) -> None:
        for feed in list(self._feeds.get(room_id, ())):
            if not feed.ended:
                feed.add(caller)
