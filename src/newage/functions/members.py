"""Plug-ins in the process: each a session and a member of rooms, with a bounded line of messages that it has to handle.

To everybody else a plug-in is one more client: it stands in the client list, the members' list and the history, and a
room's roles, mutes and request modes hold for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from newage.domain import model
from newage.domain.membership import valid_room_name
from newage.domain.model import Caller, Peer, RequestMode, Session
from newage.domain.policy import MUTED, administers
from newage.domain.request import Ask, Request
from newage.domain.text import well_formed
from newage.errors import (
    AlreadyMember,
    BadParameter,
    CallFailed,
    NewAgeError,
    NotAuthorised,
    RoomDenied,
    RoomMissing,
    TimedOut,
    Unavailable,
)
from newage.functions.hub import Hub
from newage.functions.installed import Installed
from newage.functions.running import FAULTS, Runner, start
from newage.functions.settings import PluginSettings
from newage.functions.values import PREFIX, Message, Room, Who
from newage.ports import IMessageListener, IMessageStore, IRequestListener, IWorkers
from newage.services.calls.calls import Function
from newage.services.events import MessageEvents, RequestEnds, RoomListener
from newage.services.history.log import HistoryService
from newage.services.requests.intake import RequestService
from newage.services.rooms.registry import RoomRegistry
from newage.services.rooms.rooms import RoomService
from newage.services.sessions.names import Names
from newage.services.sessions.sessions import SessionService
from newage.services.world import World

SAY_WINDOW = 60.0  # seconds
NOT_THERE = "Invalid or unauthorized target room."


@define(eq=False)
class Member:
    """One plug-in: what ``Hub`` does for it.

    ``wishes`` are rooms that it waits for, ``asked`` its questions on their way, by requestId.
    """

    plugins: PluginService
    caller: Caller
    runner: Runner
    handlers: list[Callable[..., Any]] = field(factory=list, init=False)
    wishes: dict[str, None] = field(factory=dict, init=False)
    asked: dict[str, Deferred[tuple[Request, str | None]]] = field(factory=dict, init=False)
    running: dict[Deferred[None], None] = field(factory=dict, init=False)  # setup, joins, messages being handled
    closed: bool = field(default=False, init=False)
    _waiting: deque[Message] = field(factory=deque, init=False)
    _handling: int = field(default=0, init=False)
    _pump: IDelayedCall | None = field(default=None, init=False)
    _pauses: set[Deferred[None]] = field(factory=set, init=False)
    _said: deque[float] = field(factory=deque, init=False)  # when it spoke in the last minute

    @property
    def identity(self) -> str:
        return self.caller.identity

    def close(self) -> None:
        """What it is at is cancelled; nothing more is begun."""
        self.closed = True
        self._waiting.clear()
        if self._pump is not None:
            self._pump.cancel()
            self._pump = None
        begun: list[Deferred[Any]] = [*self.running, *self._pauses, *self.asked.values()]
        for work in begun:
            work.cancel()

    def keep(self, work: Deferred[Any], doing: str) -> Deferred[None]:
        """See to something that nobody awaits; a failure is logged."""
        kept: Deferred[None] = work.addErrback(self._broke, doing)
        self.running[kept] = None

        def over(result: Any) -> None:
            self.running.pop(kept, None)

        kept.addBoth(over)
        return kept

    def _broke(self, failure: Failure, doing: str) -> None:
        if not (self.closed and isinstance(failure.value, CancelledError)):
            self.runner.broke(f" {doing}", failure)

    def unheard(self, failure: Failure) -> None:
        """Something that it began has failed, and it did not look."""
        if not (self.closed and isinstance(failure.value, CancelledError)):
            self.runner.warn(f"did not look what became of something that it began: {failure.value!r}")

    # ------------------------------------------------------------------------------------------------------- speaking

    def rooms(self) -> tuple[Room, ...]:
        named = (self.plugins.rooms.get(name) for name in self.plugins.rooms.rooms_of(self.identity))
        return tuple(Room.of(room) for room in named if room is not None and room.name != self.identity)

    async def join(self, name: str) -> bool:
        self._check_open()
        room = self.plugins.rooms.get(name)
        if room is None:
            if not valid_room_name(name) or self.plugins.names.holder(name) or self.plugins.names.is_of_client(name):
                raise RoomDenied("No room can have this name.")
            if name not in self.wishes and len(self.wishes) >= self.plugins.settings.max_plugin_rooms:
                raise Unavailable("Too many rooms.")
            self.wishes[name] = None
            return False
        if self.identity not in room.members:
            try:
                await self.plugins.entering.join(self.caller, name)
            except (NotAuthorised, RoomMissing) as error:  # nobody enters it by himself, or hears of it
                raise RoomDenied("Failed to join room") from error
            except AlreadyMember:  # it was asked for twice at once
                pass
        return True

    async def leave(self, name: str) -> None:
        self._check_open()
        self.wishes.pop(name, None)
        with suppress(RoomMissing):
            await self.plugins.entering.leave(self.caller, name)

    async def say(self, name: str, text: str) -> Message:
        self._check_open()
        room = self._room(name)
        if not isinstance(text, str) or not text.strip():
            raise BadParameter("A plug-in says a text that is not empty.")
        text = well_formed(text)
        limit = self.plugins.settings.max_say_bytes
        if len(text.encode()) > limit:
            raise BadParameter(f"A plug-in says at most {limit} bytes at once (max_say_bytes).")
        self._count_saying()
        draft = model.Message(
            message_id=self.plugins.world.new_id(),
            room=room.name,
            room_id=room.id,
            seq=0,
            identity=self.identity,
            client_id=self.caller.client_id,
            role=room.members[self.identity].wire,
            text=text,
            request_id=self.plugins.world.new_id(),  # clients keep messages by it
        )
        return self.plugins.seen(await self.plugins.history.add(draft))

    def _room(self, name: str) -> model.Room:
        room = self.plugins.rooms.get(name)
        if room is None or self.identity not in room.members:
            raise RoomDenied(NOT_THERE)
        if room.is_muted(self.identity, self.caller.client_id):
            raise NotAuthorised(MUTED)
        return room

    def _count_saying(self) -> None:
        now, limit = self.plugins.world.clock.seconds(), self.plugins.settings.says_per_minute
        while self._said and self._said[0] <= now - SAY_WINDOW:
            self._said.popleft()
        if len(self._said) >= limit:
            self.runner.warn(f"was to say more than {limit} messages in a minute (says_per_minute)")
            raise Unavailable(f"A plug-in says at most {limit} messages in a minute (says_per_minute).")
        self._said.append(now)

    async def ask(self, name: str, text: str, target: str | None) -> Message:
        self._check_open()
        room = self._room(name)
        targets: tuple[str, ...] | None = None if target is None else (target,)
        if targets is None and room.mode is RequestMode.CONVERSATIONAL:  # where only a named extension is asked
            targets = tuple(self.plugins.serving(name)[:1]) or None
        request_id = self.plugins.world.new_id()
        over = self.asked[request_id] = Deferred()
        try:
            wanted = Ask(request_id=request_id, text=well_formed(text), room=name, targets=targets)
            await self.plugins.requests.submit(self.caller, wanted)
            request, words = await over
        finally:
            del self.asked[request_id]
        return await self._answer(request, words)

    async def _answer(self, request: Request, words: str | None) -> Message:
        if request.state == "expired":
            raise TimedOut(words or "Nobody has submitted the question in time.")
        if request.state != "completed" or not request.responses:
            mode = request.mode.value
            raise CallFailed(words or f"A question of this plug-in is not passed on in this room (mode {mode}).")
        stored = await self.plugins.messages.find_message(request.room_id, request.responses[0])
        if stored is None:
            raise CallFailed("The answer was deleted.")
        return self.plugins.seen(stored)

    async def pause(self, seconds: float) -> None:
        self._check_open()
        over: Deferred[None] = Deferred(lambda _: call.cancel())
        call = self.plugins.world.clock.callLater(max(0.0, seconds), over.callback, None)
        self._pauses.add(over)
        try:
            await over
        finally:
            self._pauses.discard(over)

    def _check_open(self) -> None:
        if self.closed:
            raise Unavailable("The hub is stopping.")

    # -------------------------------------------------------------------------------------------------------- hearing

    def hear(self, message: Message) -> None:
        """Put it in the line; it is handled in a later turn."""
        if len(self._waiting) >= self.plugins.settings.max_waiting_messages:
            self._waiting.popleft()
            self.runner.warn("is too slow for what it hears: a message was dropped (max_waiting_messages)")
        self._waiting.append(message)
        self._go_on_soon()

    def _go_on_soon(self) -> None:
        if self._pump is None and self._waiting and self._handling < self.plugins.settings.handlers_at_once:
            self._pump = self.plugins.world.clock.callLater(0, self._go_on)

    def _go_on(self) -> None:
        self._pump = None
        while self._waiting and self._handling < self.plugins.settings.handlers_at_once:
            message = self._waiting.popleft()
            self._handling += 1
            work = self.keep(Deferred.fromCoroutine(self._handle(message)), "over a message")
            work.addBoth(self._handled)

    def _handled(self, result: object) -> None:
        self._handling -= 1
        if not self.closed:
            self._go_on_soon()

    async def _handle(self, message: Message) -> None:
        for handler in tuple(self.handlers):
            try:
                seconds = self.plugins.settings.handler_seconds
                reply = await self.runner.run(handler, (message,), seconds, here=False)
                if isinstance(reply, str) and reply.strip():
                    await self.say(message.room, reply)
                elif reply is not None and not isinstance(reply, str):
                    self.runner.warn(f"returned {type(reply).__name__} for a message; it may be a text or nothing")
            except CancelledError:
                if self.closed:
                    return
                self.runner.broke(" over a message")
            except NewAgeError as error:
                self.runner.warn(f"did not get what it wanted: {error}")
            except FAULTS:
                self.runner.broke(" over a message")


@implementer(IMessageListener, IRequestListener)
@define(eq=False, kw_only=True)
class PluginService(RoomListener):
    """All plug-ins, and the functions that packages bring.

    :param serving: the extensions that serve a room.
    :param make_workers: threads for one plug-in or function, by its name.
    :param call_seconds: how long a function may take.
    """

    _log: ClassVar[Logger] = Logger()

    world: World
    sessions: SessionService
    names: Names
    rooms: RoomRegistry
    entering: RoomService
    history: HistoryService
    requests: RequestService
    message_events: MessageEvents
    request_ends: RequestEnds
    messages: IMessageStore
    serving: Callable[[str], Sequence[str]]
    make_workers: Callable[[str], IWorkers]
    call_seconds: Callable[[], float]
    settings: PluginSettings
    _members: dict[str, Member] = field(factory=dict, init=False)  # by identity
    _workers: list[IWorkers] = field(factory=list, init=False)

    def function(self, each: Installed) -> Function:
        """An installed function as the registry takes it."""
        return self._runner(each).function(each.offered, self.call_seconds, self.settings.max_result_bytes)

    def start(self, plugins: Iterable[Installed]) -> None:
        """Let them in and call their ``setup``; one that fails is logged, and taken away again."""
        for each in plugins:
            if not self._members:
                self.rooms.add_listener(self)
                self.message_events.add(self)
                self.request_ends.add(self)
            self._start(each)

    def _start(self, each: Installed) -> None:
        name = PREFIX + each.name
        session = Session(
            client_id=name,
            identity=name,
            client_type="plugin",
            desc=f"{each.package or each.value}, a plug-in of the hub",
            connected_at=self.world.wall(),
        )
        peer = Peer("in-process", local=True)
        caller = Caller(sid=self.world.new_id(), namespace="", session=session, peer=peer)
        member = self._members[name] = Member(self, caller, self._runner(each))
        try:
            if (holder := self.names.holder(name)) is not None:
                raise Unavailable(f"{holder} has its name.")
            self.sessions.attach(caller)
        except NewAgeError as error:
            member.runner.warn(f"cannot be let in: {error}")
            self._end(member)
            return
        ready = start(each.offered, (Hub(member),))
        ready.addErrback(self._not_set_up, member)
        member.keep(ready, "in its setup")

    def _not_set_up(self, failure: Failure, member: Member) -> Failure | None:
        if member.closed:
            return failure
        member.runner.broke(" in its setup, and is left out", failure)
        self._end(member)
        return None

    def close(self) -> None:
        """Nobody waits for what a plug-in is at."""
        for member in list(self._members.values()):
            self._end(member)
        for workers in self._workers:
            workers.close()

    def _end(self, member: Member) -> None:
        del self._members[member.identity]
        member.close()
        self.sessions.detach(member.caller.sid)

    def _runner(self, each: Installed) -> Runner:
        workers = self.make_workers(f"{each.kind} {each.name}")
        self._workers.append(workers)
        return Runner(f"{each.kind} {each.name} of {each.value}", self.world.clock, workers)

    # ------------------------------------------------------------------------------------------------------ listening

    def message_added(self, message: model.Message) -> None:
        """Nobody hears himself, nor an answer to his own question, nor another plug-in: two would talk for ever."""
        if message.is_system or message.identity.startswith(PREFIX):
            return
        room = self.rooms.with_id(message.room_id)
        heard: Message | None = None
        for member in self._members.values():
            if room is None or member.identity not in room.members or not member.handlers:
                continue
            if message.asker != member.identity:
                heard = heard or self.seen(message)
                member.hear(heard)

    def request_ended(self, request: Request, words: str | None) -> None:
        member = self._members.get(request.identity)
        over = None if member is None else member.asked.get(request.request_id)
        if over is not None and not over.called:
            over.callback((request, words))

    def room_created(self, room: model.Room) -> None:
        for member in self._members.values():
            if room.name in member.wishes:
                del member.wishes[room.name]
                self.world.clock.callLater(0, self._join, member, room.name)

    def _join(self, member: Member, name: str) -> None:
        if not member.closed:
            member.keep(Deferred.fromCoroutine(member.join(name)), f"joining room {name}")

    def seen(self, message: model.Message) -> Message:
        """A message as plug-ins see it."""
        callers = self.sessions.all_callers(message.identity)
        kind = "extension" if message.is_response else callers[0].kind.value if callers else "client"
        who = Who(
            identity=message.identity,
            client_id=message.client_id,
            kind=kind,
            may_administer=any(map(administers, callers)),
        )
        return Message(
            id=message.message_id,
            room=message.room,
            text=message.text,
            who=who,
            role=message.role,
            at=message.timestamp,
            is_answer=message.is_response,
        )
