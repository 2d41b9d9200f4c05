"""Conversational mode: now and then an extension is asked to say something by itself (contract 5.4, 8.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.domain.forwarded import ForwardedRequest
from newage.domain.model import RequestMode, Role, Room
from newage.domain.request import Ask, Request
from newage.errors import CallFailed, NewAgeError
from newage.services.events import RoomListener
from newage.services.history.log import HistoryService
from newage.services.requests.ledger import RequestLedger
from newage.services.requests.slots import Pacer
from newage.services.rooms.assignments import AssignmentService
from newage.services.rooms.registry import RoomRegistry
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live, limit, text
from newage.telemetry.trouble import Trouble, trouble

THINK = "think_"


@frozen(kw_only=True)
class ConversationSettings:
    """When extensions speak by themselves in rooms in Conversational mode."""

    conversational_think_probability: float = limit(
        0.3, "chance that a room whose time has come is asked", least=0, most=1
    )
    conversational_think_interval_min: int = limit(
        15_000, "milliseconds between two looks at a room, at least", least=100
    )
    conversational_think_interval_max: int = limit(
        60_000, "milliseconds between two looks at a room, at most", least=100
    )
    conversational_check_interval: int = limit(5000, "milliseconds between two rounds through the rooms", least=100)
    conversational_instruction: str = text(
        "Continue the conversation naturally if you have something to add.",
        "what an extension is told when it may speak",
    )
    post_unmute_instruction: str = text(
        "You can speak again. Join the conversation if you like.", "what an extension is told after it was unmuted"
    )
    post_unmute_think_delay: int = limit(2000, "milliseconds between its unmuting and that", least=0)


@define(eq=False, kw_only=True)
class ThinkingService(RoomListener):
    """
    :param chance: uniform in [0, 1). :param choose: picks one of a non-empty sequence.
    """

    _log: ClassVar[Logger] = Logger()

    _world: World
    _rooms: RoomRegistry
    _assignments: AssignmentService
    _history: HistoryService
    _ledger: RequestLedger
    _sessions: SessionService
    _pacer: Pacer
    settings: Live[ConversationSettings]
    _chance: Callable[[], float]
    _choose: Callable[[Sequence[str]], str]
    _trouble: Trouble = trouble()
    _due: dict[str, float] = field(factory=dict, init=False)  # room id -> when it is looked at next, on the clock
    _round: IDelayedCall | None = field(default=None, init=False)
    _later: dict[tuple[str, str], IDelayedCall] = field(factory=dict, init=False)  # (room id, extension) after unmuting
    _thinking: dict[str, str] = field(factory=dict, init=False)  # room id -> the last request of ours

    def start(self) -> None:
        seconds = self.settings.value.conversational_check_interval / 1000
        self._round = self._world.clock.callLater(seconds, self._look_round)

    def close(self) -> None:
        for call in (self._round, *self._later.values()):
            if call is not None:
                call.cancel()
        self._round = None
        self._later.clear()

    def member_unmuted(self, room: Room, identity: str, by: str) -> None:
        """An extension got its voice back: ask it soon."""
        waits = (room.id, identity)
        if room.mode is not RequestMode.CONVERSATIONAL or waits in self._later:
            return
        delay = self.settings.value.post_unmute_think_delay / 1000
        self._later[waits] = self._world.clock.callLater(delay, self._speak_again, room, identity)

    def _speak_again(self, then: Room, identity: str) -> None:
        """Unless it was muted again, or the room is another by now."""
        del self._later[then.id, identity]
        room = self._rooms.current(then)
        if room is not None and room.mode is RequestMode.CONVERSATIONAL and identity in self._able(room):
            self._begin(room, identity, self.settings.value.post_unmute_instruction)

    def _look_round(self) -> None:
        self.start()
        now = self._world.clock.seconds()
        rooms = [room for room in self._rooms.all() if room.mode is RequestMode.CONVERSATIONAL]
        self._due = {room.id: self._due[room.id] if room.id in self._due else now + self._interval() for room in rooms}
        self._thinking = {room_id: last for room_id, last in self._thinking.items() if room_id in self._due}
        for room in rooms:
            if self._due[room.id] > now:
                continue
            self._due[room.id] = now + self._interval()
            able = self._able(room)
            if able and self._chance() < self.settings.value.conversational_think_probability:
                self._begin(room, self._choose(able), self.settings.value.conversational_instruction)

    def _able(self, room: Room) -> list[str]:
        """The extensions that serve a room and may speak in it."""
        return [
            extension
            for extension in self._assignments.assigned(room.name)
            if not room.is_muted(extension, self._rooms.client_of(extension))
        ]

    def _interval(self) -> float:
        low = self.settings.value.conversational_think_interval_min
        high = max(low, self.settings.value.conversational_think_interval_max)
        return (low + (high - low) * self._chance()) / 1000

    def _begin(self, room: Room, extension: str, instruction: str) -> None:
        d = Deferred.fromCoroutine(self._think(room, extension, instruction))
        d.addErrback(self._failed, room.name)

    async def _think(self, room: Room, extension: str, instruction: str) -> None:
        """Ask one extension; where nobody spoke there is nothing to continue, and one thought at a time is enough."""
        last = self._ledger.get("System", self._thinking.get(room.id, ""))
        if last is not None and last.live:
            return
        context = await self._history.context(room)
        session = self._sessions.by_identity(extension)
        said = any(not message.is_system for message in context)
        if not said or session is None or self._rooms.current(room) is None:
            return
        request_id = self._thinking[room.id] = THINK + self._world.new_id()
        now = self._world.clock.seconds()
        request = Request(
            request_id=request_id,
            identity="System",
            client_id="System",
            room=room.name,
            room_id=room.id,
            role=Role.GUEST,
            mode=RequestMode.CONVERSATIONAL,
            message_id="",
            ask=Ask(request_id=request_id, text=""),
            created_at=now,
            active_at=now,
            targets=(extension,),
            stays=True,
        )
        self._ledger.enter(request)
        self._pacer.send(extension, request, partial(self._send, room, request, instruction))

    def _send(self, room: Room, request: Request, instruction: str, extension: str, name: str) -> None:
        d = Deferred.fromCoroutine(self._ask(room, extension, request, instruction, name))
        d.addErrback(self._failed, room.name)

    async def _ask(self, room: Room, extension: str, request: Request, instruction: str, name: str) -> None:
        """Its turn has come: with what was said until now, if it may still speak."""
        try:
            context = await self._history.context(room)
        except NewAgeError as error:
            self._ledger.failed_by(request, extension, error)
            return
        now, link, session = (
            self._rooms.current(room),
            self._sessions.link(extension),
            self._sessions.by_identity(extension),
        )
        if now is None or extension not in self._able(now) or link is None or session is None:
            self._ledger.failed_by(request, extension, CallFailed("It may not speak any more."))
            return
        request.give()
        link.forward(
            ForwardedRequest(
                request_id=name,
                target=session.client_id,
                room=room.name,
                mode=RequestMode.CONVERSATIONAL,
                text=instruction,
                context=context,
            )
        )

    def _failed(self, failure: Failure, room: str) -> None:
        self._trouble.say("an extension could not be asked in room {room}", failure, room=room)
