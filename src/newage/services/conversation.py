"""Conversational mode: now and then an extension is asked to say something by itself (contract 5.4, 8.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from attrs import define, field, frozen
from attrs.validators import and_, ge, le
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.domain.model import Message, RequestMode, Role, Room
from newage.domain.request import Ask, Request
from newage.ports import IExtensionLink
from newage.services.clock import World
from newage.services.history import HistoryService
from newage.services.relations import RelationService
from newage.services.requests import RequestService
from newage.services.rooms import RoomService

THINK = "think_"


@frozen(kw_only=True)
class ConversationSettings:
    """When extensions speak by themselves in rooms in Conversational mode."""

    conversational_think_probability: float = field(
        default=0.3, validator=and_(ge(0), le(1)), metadata={"doc": "chance that a room whose time has come is asked"}
    )
    conversational_think_interval_min: int = field(
        default=15_000, validator=ge(100), metadata={"doc": "milliseconds between two looks at a room, at least"}
    )
    conversational_think_interval_max: int = field(
        default=60_000, validator=ge(100), metadata={"doc": "milliseconds between two looks at a room, at most"}
    )
    conversational_check_interval: int = field(
        default=5000, validator=ge(100), metadata={"doc": "milliseconds between two rounds through the rooms"}
    )
    conversational_instruction: str = field(
        default="Continue the conversation naturally if you have something to add.",
        metadata={"doc": "what an extension is told when it may speak"},
    )
    post_unmute_instruction: str = field(
        default="You can speak again. Join the conversation if you like.",
        metadata={"doc": "what an extension is told after it was unmuted"},
    )
    post_unmute_think_delay: int = field(
        default=2000, validator=ge(0), metadata={"doc": "milliseconds between its unmuting and that"}
    )


@define(eq=False)
class ConversationService:
    """
    :param link: how to reach an extension now, or None.
    :param chance: uniform in [0, 1). :param choose: picks one of a non-empty sequence.
    """

    _log: ClassVar[Logger] = Logger()

    _world: World
    _rooms: RoomService
    _relations: RelationService
    _history: HistoryService
    _requests: RequestService
    _link: Callable[[str], IExtensionLink | None]
    _settings: ConversationSettings
    _chance: Callable[[], float]
    _choose: Callable[[Sequence[str]], str]
    _due: dict[str, float] = field(factory=dict, init=False)  # room -> when it is looked at next, on the clock
    _round: IDelayedCall | None = field(default=None, init=False)
    _later: set[IDelayedCall] = field(factory=set, init=False)  # after unmuting; bounded by members

    def start(self) -> None:
        seconds = self._settings.conversational_check_interval / 1000
        self._round = self._world.clock.callLater(seconds, self._look_round)

    def close(self) -> None:
        for call in (self._round, *self._later):
            if call is not None:
                call.cancel()
        self._round = None
        self._later.clear()

    def unmuted(self, room: Room, identity: str) -> None:
        """An extension got its voice back: ask it soon."""
        if room.mode is not RequestMode.CONVERSATIONAL or identity not in self._relations.assigned(room.name):
            return
        delay = self._settings.post_unmute_think_delay / 1000

        def speak() -> None:
            self._later.discard(call)
            self._begin(room.name, identity, self._settings.post_unmute_instruction)

        call = self._world.clock.callLater(delay, speak)
        self._later.add(call)

    def _look_round(self) -> None:
        self.start()
        now = self._world.clock.seconds()
        rooms = [room for room in self._rooms.all() if room.mode is RequestMode.CONVERSATIONAL]
        self._due = {room.name: self._due.get(room.name, now + self._interval()) for room in rooms}
        for room in rooms:
            if self._due[room.name] > now:
                continue
            self._due[room.name] = now + self._interval()
            silent = {who for who, until in room.muted.items() if until > self._world.now()}
            able = [extension for extension in self._relations.assigned(room.name) if extension not in silent]
            if able and self._chance() < self._settings.conversational_think_probability:
                self._begin(room.name, self._choose(able), self._settings.conversational_instruction)

    def _interval(self) -> float:
        low = self._settings.conversational_think_interval_min
        high = max(low, self._settings.conversational_think_interval_max)
        return (low + (high - low) * self._chance()) / 1000

    def _begin(self, room: str, extension: str, instruction: str) -> None:
        d = Deferred.fromCoroutine(self._think(room, extension, instruction))
        d.addErrback(self._failed, room)

    async def _think(self, name: str, extension: str, instruction: str) -> None:
        """Ask one extension; an empty room has nothing to talk about."""
        context = await self._history.context(name)
        link = self._link(extension)
        if not context or link is None or self._rooms.get(name) is None:
            return
        request_id = THINK + self._world.new_id()
        now = self._world.now()
        words = Message(message_id=request_id, room=name, seq=0, identity="System", role="system", text=instruction)
        self._requests.enter(
            Request(
                request_id=request_id,
                identity="System",
                client_id="System",
                room=name,
                role=Role.GUEST,
                mode=RequestMode.CONVERSATIONAL,
                message=words,
                ask=Ask(request_id=request_id, text=instruction),
                created_at=now,
                active_at=now,
                state="forwarded",
                targets=(extension,),
                heard={extension: now},
            )
        )
        link.forward(
            {
                "mode": RequestMode.CONVERSATIONAL.value,
                "type": "THINK_REQUEST",
                "requestId": request_id,
                "targetRoom": name,
                "roomName": name,
                "context": context,
                "instruction": instruction,
                "message": instruction,
                "requestType": "newMessage",
            }
        )

    def _failed(self, failure: Failure, room: str) -> None:
        self._log.failure("an extension could not be asked in room {room}", failure, room=room)
