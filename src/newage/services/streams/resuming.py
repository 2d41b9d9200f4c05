"""Coming back to outputs: what one missed, then what comes (contract 5.7.7, A21, B15)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from zlib import crc32

from attrs import define, frozen

from newage.dialect.messages import finish_reason
from newage.domain.model import Caller, Message, Room
from newage.domain.shown import Missed, OutputState, ResumedOutput, ShownOutput
from newage.errors import BadParameter, InvalidRequest, NotFound, NotMember
from newage.ports import IMessageStore
from newage.services.rooms.registry import RoomRegistry
from newage.services.streams.catching_up import catch_up
from newage.services.streams.cursor import Position
from newage.services.streams.downstream import DownstreamService
from newage.services.streams.kept_outputs import KeptOutput
from newage.services.streams.limits import DownstreamSettings
from newage.services.streams.output_text import OutputText, TextKind
from newage.services.streams.receivers import Receivers
from newage.settings import Live

START = Position()
FAILED = "It failed."  # why is not kept
NOTHING = Position(rev=-1)  # no output has that: its reader starts anew


@frozen
class Wanted:
    """An output that somebody comes back to, and what he has of it."""

    output_id: str
    position: Position = START


@frozen
class _Stored:
    """An answer in the history. ``output`` is its text; None where it was not read, because there is too much."""

    message: Message
    output: OutputText | None


@define(eq=False, kw_only=True)
class ResumeService:
    """Live outputs and those of a while ago are in memory; others are read from the history as it is now."""

    _rooms: RoomRegistry
    _downstream: DownstreamService
    _messages: IMessageStore
    _settings: Live[DownstreamSettings]

    @property
    def epoch(self) -> str:
        """Positions that were told under another one are of outputs that this hub does not know."""
        return self._downstream.epoch

    async def resume(
        self, actor: Caller, room_name: str | None, epoch: str | None, wanted: Sequence[Wanted]
    ) -> tuple[ResumedOutput, ...]:
        """What the actor's socket has missed of these. It gets what comes of live ones right after that.

        Rights are those of this moment: what is in no room of the actor's is gone, as what never was (B15).

        :param room_name: of this room only; None: of all that he is in. :param epoch: None: this one.
        :param wanted: none: all live ones, from their start.
        :raises InvalidRequest: the socket did not say that it follows outputs. :raises BadParameter: too many.
        """
        limits = self._settings.value
        if not actor.outputs:
            raise InvalidRequest("Only sockets that declared outputs:true follow outputs.")
        if len(wanted) > limits.resume_outputs:
            raise BadParameter(f"At most {limits.resume_outputs} outputs at once.")
        stored = await self._read(actor, room_name, wanted)
        # From here on nothing waits: what comes follows what is said now.
        rooms = self._rooms_of(actor, room_name)
        live = self._live(actor, rooms)
        left = limits.resume_bytes
        found: dict[str, ResumedOutput] = {}
        for each in wanted or [Wanted(output_id, NOTHING) for output_id in list(live)[: limits.resume_outputs]]:
            if each.output_id not in found:
                position = each.position if epoch in (None, self.epoch) else NOTHING
                limit = min(left, limits.resume_output_bytes)
                resumed = self._resumed(actor, rooms, live, stored, each.output_id, position, limit)
                found[each.output_id] = resumed
                left -= _size(resumed.missed)
        return tuple(found.values())

    async def text_of(self, actor: Caller, output_id: str) -> tuple[str, OutputText]:
        """The id of its room, and an output as it is now, for who reads it by himself.

        :raises NotFound: it is in no room of the actor's now, or there is none.
        """
        wanted = Wanted(output_id)
        stored = await self._read(actor, None, [wanted])
        rooms = self._rooms_of(actor, None)
        if (receivers := self._live(actor, rooms).get(output_id)) is not None:
            return receivers.about.room_id, receivers.output
        if (kept := self._kept(actor, rooms, output_id)) is not None:
            return kept.about.room_id, kept.output
        old = stored.get(output_id)
        if old is None or old.output is None or old.message.room_id not in rooms:
            raise NotFound("There is no such output for you.")
        message = old.message
        old.output.end(FAILED if message.failed else None, stored=True, message_id=message.message_id)
        return message.room_id, old.output

    def live_in(self, actor: Caller, name: str) -> tuple[ShownOutput, ...]:
        """What is being written in a room that the actor is in, oldest first.

        :raises RoomMissing: there is none. :raises NotMember: he is not in it.
        """
        room = self._rooms.require_seen(actor, name)
        if actor.identity not in room.members:
            raise NotMember(f"You are not a member of room {name}.")
        return tuple(each.about for each in self._live(actor, [room.id]).values())

    # ------------------------------------------------------------------------------------------------------- internals

    def _rooms_of(self, actor: Caller, name: str | None) -> Mapping[str, Room]:
        """The rooms that he is in now, by id."""
        names = self._rooms.rooms_of(actor.identity) if name is None else (self._rooms.meant(actor, name),)
        rooms = (room for each in names if (room := self._rooms.get(each)) is not None)
        return {room.id: room for room in rooms if actor.identity in room.members}

    def _live(self, actor: Caller, room_ids: Iterable[str]) -> Mapping[str, Receivers]:
        found = (receivers for room_id in room_ids for receivers in self._downstream.live(room_id))
        return {each.about.output_id: each for each in found if each.about.is_for(actor.identity)}

    def _kept(self, actor: Caller, room_ids: Collection[str], output_id: str) -> KeptOutput | None:
        found = (kept for kept in self._downstream.kept.find(output_id) if kept.about.is_for(actor.identity))
        return next((kept for kept in found if kept.about.room_id in room_ids), None)

    async def _read(self, actor: Caller, room_name: str | None, wanted: Sequence[Wanted]) -> Mapping[str, _Stored]:
        """Those of these that are only in the history; the texts of as many as may be said."""
        rooms = self._rooms_of(actor, room_name)
        live = self._live(actor, rooms)
        ids = [each.output_id for each in wanted]
        lost = [each for each in ids if each not in live and self._kept(actor, rooms, each) is None]
        if not lost or not rooms:
            return {}
        left, found = self._settings.value.resume_bytes, dict[str, _Stored]()
        for message in await self._messages.find_outputs(tuple(rooms), lost):
            output_id = message.output_id or ""
            if output_id in found:
                continue
            whole = await self._messages.find_message(message.room_id, message.message_id) if left > 0 else None
            found[output_id] = _Stored(message, None if whole is None else _text_of(whole))
            left -= 0 if whole is None else len(whole.text.encode()) + len(whole.reasoning.encode())
        return found

    def _resumed(
        self,
        actor: Caller,
        rooms: Collection[str],
        live: Mapping[str, Receivers],
        stored: Mapping[str, _Stored],
        output_id: str,
        position: Position,
        limit: int,
    ) -> ResumedOutput:
        """:param limit: bytes."""
        if (receivers := live.get(output_id)) is not None:
            missed = receivers.followers.resume(actor.sid, position, limit)
            return ResumedOutput(output_id=output_id, state=OutputState.LIVE, about=receivers.about, missed=missed)
        if (kept := self._kept(actor, rooms, output_id)) is not None:
            missed = catch_up(kept.output, position, limit)
            return ResumedOutput(
                output_id=output_id,
                state=kept.state,
                about=kept.about,
                missed=missed,
                message_id=kept.message_id,
                finish=kept.output.finish,
            )
        if (old := stored.get(output_id)) is not None and old.message.room_id in rooms:
            return _from_history(output_id, old, position, limit)
        return ResumedOutput(output_id=output_id, state=OutputState.GONE)


def _size(missed: Missed | None) -> int:
    return 0 if missed is None else len(missed.text.encode()) + len(missed.reasoning.encode())


def _text_of(message: Message) -> OutputText:
    """As it is in the history now. Its ``rev`` is made of it: who has another text is told this one from its start."""
    output = OutputText()
    for text, kind in ((message.reasoning, TextKind.REASONING), (message.text, TextKind.TEXT)):
        if text:
            output.push(text, kind)
    output.finish = finish_reason(message.extra)
    output.rev = crc32(output.text.buffer, crc32(output.reasoning.buffer)) or 1
    return output


def _from_history(output_id: str, old: _Stored, position: Position, limit: int) -> ResumedOutput:
    message, output = old.message, old.output
    about = ShownOutput(
        stream_id=output_id,
        output_id=output_id,
        request_id=message.request_id or "",
        room=message.room,
        client_id=message.client_id,
        identity=message.identity,
        room_id=message.room_id,
        question_id=message.question_id or "",
        requester=message.asker or "",
        character=message.character,
    )
    if output is None:
        missed = Missed(rev=0, at=0, text="", reasoning_at=0, reasoning="", more=True)
    else:
        missed = catch_up(output, position, limit)
    state = OutputState.at_end(failed=message.failed, cancelled=message.partial and not message.failed)
    return ResumedOutput(
        output_id=output_id,
        state=state,
        about=about,
        missed=missed,
        message_id=message.message_id,
        finish="" if output is None else output.finish,
    )
