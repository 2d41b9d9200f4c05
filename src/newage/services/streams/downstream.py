"""From outputs to the sockets of their rooms: who is there, comes and goes, and what readers say (contract 5.7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection

from newage.domain.model import Caller, Role, Room
from newage.domain.shown import ShownOutput
from newage.ports import IOutbox
from newage.services.events import RoomListener, SessionListener
from newage.services.sessions.sessions import SessionService
from newage.services.streams.form import Form
from newage.services.streams.kept_outputs import KeptOutputs
from newage.services.streams.library_reader import StreamSocket
from newage.services.streams.limits import DownstreamSettings
from newage.services.streams.output_text import OutputText
from newage.services.streams.receivers import Means, Receivers
from newage.services.world import World
from newage.settings import Live


class DownstreamService(SessionListener, RoomListener):
    """Opens the forms of outputs, keeps their receivers true, and hands what stream readers say to the right stream.

    :param members: the identities that are in the room of an id.
    """

    def __init__(
        self,
        world: World,
        outbox: IOutbox,
        sessions: SessionService,
        members: Callable[[str], tuple[str, ...]],
        settings: Live[DownstreamSettings],
    ) -> None:
        self.settings = settings
        self.epoch = world.new_id()
        self.kept = KeptOutputs(world, settings)
        self._means = Means(world, outbox, settings, self.kept, self.epoch)
        self._sessions = sessions
        self._members = members
        self._receivers: defaultdict[str, list[Receivers]] = defaultdict(list)  # by room id; not done yet
        self._sockets: dict[str, StreamSocket] = {}  # by sid, once it has been shown an output

    def close(self) -> None:
        for there in self._receivers.values():
            for receivers in there:
                receivers.cancel()
        self.kept.close()

    @property
    def open_forms(self) -> int:
        return sum(len(there) for there in self._receivers.values())

    def show(self, output: OutputText, about: ShownOutput, before: Form | None = None) -> Form:
        """Show what comes of an output from now on to every ``/llm`` socket of the room's online members.

        :param before: what was returned before its last end, when it goes on.
        """
        self.kept.goes_on(about)
        form = Form(output, about, before)
        receivers = Receivers(form, self._means, self._forget)
        self._receivers[about.room_id].append(receivers)
        for identity in filter(about.is_for, self._members(about.room_id)):
            for caller in self._sessions.callers(identity, "/llm"):
                receivers.add(caller, self._socket(caller))
        receivers.followers.open()
        return form

    def live(self, room_id: str) -> list[Receivers]:
        """The outputs of a room that are not over, oldest first."""
        return [receivers for receivers in self._receivers.get(room_id, ()) if not receivers.over]

    def overwritten(self, room: Room, message_ids: Collection[str] | None) -> None:
        """Somebody changed or deleted answers: what is kept of these is no more (B15).

        :param message_ids: None: all answers of the room.
        """
        self.kept.forget(room.id, message_ids)

    def known_names(self, sid: str) -> frozenset[str] | None:
        """The stream names that a socket reads, none for a plain listener, None while that is unknown."""
        socket = self._sockets.get(sid)
        return None if socket is None or socket.names is None else frozenset(socket.names)

    def _socket(self, caller: Caller) -> StreamSocket:
        socket = self._sockets.get(caller.sid)
        if socket is None:
            socket = self._sockets[caller.sid] = StreamSocket(caller.sid, declared=caller.stream_mode == "ss")
        return socket

    def _forget(self, receivers: Receivers) -> None:
        there = self._receivers.get(receivers.about.room_id)
        if there is not None and receivers in there:
            there.remove(receivers)
            if not there:
                del self._receivers[receivers.about.room_id]

    # -------------------------------------------------------------------------------------------- what readers tell us

    def read(self, sid: str, stream_id: str) -> None:
        """``$stream-read``: one permit to write."""
        socket = self._sockets.get(sid)
        if socket is not None and (stream := socket.open.get(stream_id)) is not None:
            stream.read()

    def stopped(self, sid: str, stream_id: str) -> None:
        """``$stream-end`` or ``$stream-error`` from the reader; the echo of our own end finds nothing."""
        socket = self._sockets.get(sid)
        if socket is not None and (stream := socket.open.get(stream_id)) is not None:
            stream.finish(None)

    # ------------------------------------------------------------------------------------------------------ listeners

    def socket_attached(self, caller: Caller) -> None:
        if caller.namespace != "/llm" or not self._receivers:
            return
        for room_id in list(self._receivers):
            if caller.identity in self._members(room_id):
                self._join(room_id, caller)

    def socket_detached(self, caller: Caller) -> None:
        socket = self._sockets.pop(caller.sid, None)
        for stream in list(socket.open.values()) if socket is not None else ():
            stream.finish(None)
        for there in list(self._receivers.values()):
            for receivers in list(there):
                receivers.remove(caller.sid)

    def member_joined(self, room: Room, identity: str, role: Role) -> None:
        for caller in self._sessions.callers(identity, "/llm"):
            self._join(room.id, caller)

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        for caller in self._sessions.callers(identity, "/llm"):
            for receivers in list(self._receivers.get(room.id, ())):
                receivers.remove(caller.sid)

    def room_deleted(self, room: Room) -> None:
        """What was not read of it by now is read by nobody, though the extension may be at work on it still."""
        for receivers in list(self._receivers.get(room.id, ())):
            if not receivers.over:
                receivers.ended("Room deleted.")
            receivers.break_off("Room deleted.")
        self.kept.forget(room.id, None)

    def _join(self, room_id: str, caller: Caller) -> None:
        for receivers in list(self._receivers.get(room_id, ())):
            if not receivers.over and receivers.about.is_for(caller.identity):
                receivers.add(caller, self._socket(caller))
