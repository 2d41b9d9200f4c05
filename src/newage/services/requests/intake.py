"""What becomes of LLM requests that were let in, until they are sent: modes, queues, targets (contract 5.2, 5.4)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import ClassVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.dialect import requests
from newage.domain.model import Caller, RequestMode, Room, Session
from newage.domain.policy import Verdict, administers
from newage.domain.request import Accepted, Ask, Request, Waiting
from newage.errors import ClientMissing, NewAgeError, NotFound, RoomMissing, Unavailable
from newage.services.events import RoomListener, SessionListener
from newage.services.requests.admission import Admission
from newage.services.requests.desks import Desks
from newage.services.requests.forwarding import Forwarder
from newage.services.requests.held import HeldRequests
from newage.services.requests.ledger import RequestLedger
from newage.services.requests.limits import RequestSettings
from newage.services.requests.notices import RequestNotices
from newage.services.requests.queue_news import QueueNews
from newage.services.requests.queues import HostQueues
from newage.services.requests.records import CUT, FORWARDED, QUEUED, RequestRecords
from newage.services.requests.sending import Sender
from newage.services.requests.targets import Targets
from newage.services.rooms.registry import RoomRegistry
from newage.services.world import World
from newage.settings import Live
from newage.telemetry.trouble import Trouble, trouble

RESTARTED = "The server was restarted."
STOPPING = "The server is stopping."
EMPTY = "The queue is empty"


@define(eq=False, kw_only=True)
class RequestService(RoomListener, SessionListener):
    """What is done with a request by the mode of its room, and with those that wait for their host or an extension; the
    account of all is the ledger's.

    :param sender: lets them wait for their turn at an extension.
    :param lost: told of one that an extension had when the hub went, and why it has failed.
    """

    SWEEP: ClassVar[float] = 5.0  # seconds between looks for what has expired
    _log: ClassVar[Logger] = Logger()

    _world: World
    _rooms: RoomRegistry
    _targets: Targets
    _admission: Admission
    _ledger: RequestLedger
    _sender: Sender
    _desks: Desks
    _records: RequestRecords
    _notices: RequestNotices
    _lost: Callable[[Request, str], None]
    _forwarder: Forwarder
    _queues: HostQueues
    _held: HeldRequests
    _news: QueueNews
    settings: Live[RequestSettings]
    _trouble: Trouble = trouble()
    _sweep: IDelayedCall | None = field(default=None, init=False)
    _stopping: bool = field(default=False, init=False)

    @property
    def live_count(self) -> int:
        """How many requests are live."""
        return self._ledger.live_count

    async def load(self) -> None:
        """What was open at the last stop: what an extension had been told is over, the rest waits on (A35)."""
        await self._notices.load()
        found = await self._records.load()
        told = [stored.request_id for stored in found if stored.state != QUEUED]
        self._desks.know_former(told, await self._records.answered())
        for stored in found:
            room = self._rooms.with_id(stored.room_id)
            if room is None or stored.state == CUT:
                continue
            request = self._records.restored(stored, room, float(self.settings.value.queue_ttl_seconds))
            if stored.state == FORWARDED:
                request.end("failed", self._world.clock.seconds())
                self._lost(request, RESTARTED)
                self._notices.keep(request, RESTARTED, closes=stored.key)
                continue
            self._ledger.enter(request)
            verdict = request.decide(room.mode)
            if verdict is Verdict.FORWARD or request.again or request.ask.submits:
                self._held.hold(request, exempt=False)
                request.queue()
            elif verdict is Verdict.QUEUE:
                request.queue()
                self._queue(request)
            else:
                self._ledger.end(request, verdict.value)

    def start(self) -> None:
        self._sweep = self._world.clock.callLater(self.SWEEP, self._tick)

    def refuse_new(self) -> None:
        """The hub is stopping: what runs may finish, nothing begins."""
        self._stopping = True
        self._forwarder.stop()
        self._records.stop()

    def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    # -------------------------------------------------------------------------------------------------------- arrival

    async def submit(self, caller: Caller, ask: Ask) -> Accepted:
        """Check, store and show, then do with it what the room's mode says (contract 5.2 with A12).

        :raises NewAgeError: with the contract's words; says which message it was once that is stored.
        """
        if self._stopping:
            raise Unavailable(STOPPING)
        room = self._admission.check(caller, ask)
        request = await self._admission.admit(caller, ask, room)
        return await self._begin(caller, request, room)

    async def submit_queue(self, caller: Caller, name: str, request_id: str | None = None) -> Accepted:
        """Release what waits for the host, as a request of the caller without words of its own (contract 5.4).

        :param request_id: which the request shall have.
        :raises NewAgeError: with the contract's words: NotFound when nothing waits.
        """
        if self._stopping:
            raise Unavailable(STOPPING)
        ask = Ask(request_id=request_id or self._world.new_id(), text="", room=name, submits=True)
        room = self._admission.check_host(caller, ask)
        last = self._queues.last_in_merge(room.id)
        if last is None:
            raise NotFound(EMPTY)
        return await self._begin(caller, self._admission.admit_host(caller, ask, room, last.message_id), room)

    async def _begin(self, caller: Caller, request: Request, room: Room) -> Accepted:
        try:
            now = self._rooms.current(room)  # storing took a while
            if now is None:
                raise RoomMissing("Room not found")
            room = now
            waiting = await self._act(caller, request, room)
        except Exception as error:
            told = error if isinstance(error, NewAgeError) else NewAgeError()
            told.add({} if request.ask.submits else requests.recorded(request.message_id))
            self._sender.unsend(request)
            self._ledger.end(request, "failed", str(told), error=told)
            raise
        return Accepted(
            request_id=request.request_id,
            message_id=request.message_id,
            room=room.name,
            state=request.state,
            waiting=waiting,
            again=request.again,
        )

    # ---------------------------------------------------------------------------------------------------------- modes

    async def _act(self, caller: Caller, request: Request, room: Room) -> Waiting | None:
        """:return: what it waits for, if it was not sent yet."""
        verdict = request.decide(room.mode)
        if not request.live:  # who said it left or was muted meanwhile
            pass
        elif request.direct or request.ask.submits:
            return await self._go_on(request, room, exempt=administers(caller))
        elif verdict is Verdict.QUEUE:
            return await self._waits(request, "host", self._queue(request))
        elif verdict is not Verdict.FORWARD:
            self._ledger.end(request, verdict.value)
        else:
            return await self._go_on(request, room, exempt=administers(caller))
        return None

    async def _go_on(self, request: Request, room: Room, *, exempt: bool) -> Waiting | None:
        """To its extensions; while they are away for a moment it waits for them (A22).

        :raises NewAgeError: there is none, or what would be sent cannot be read.
        """
        try:
            await self._forward_with_queue(request, room, exempt=exempt)
        except ClientMissing:
            if not (request.restored or self._targets.may_return(request, room.name, exempt=exempt)):
                raise
            return await self._waits(request, "extension", self._held.hold(request, exempt=exempt))
        return await self._waits_for_turn(request)

    async def _waits_for_turn(self, request: Request) -> Waiting | None:
        """As ``_waits``, where it waits for its turn."""
        position = self._forwarder.position(request)
        if not request.live or request.given or (request.tried and not position):  # it is on its way to another one
            return None
        return await self._waits(request, "turn", position)

    async def _waits(self, request: Request, what: str, position: int) -> Waiting | None:
        """It is not sent yet, and its time has not begun (A18); a restart finds it (A35).

        :return: None: it was sent, merged, or ended, while that was stored.
        """
        request.queue()
        await self._records.waits(request)
        if not request.waits or request.given:
            return None
        waiting = Waiting(what=what, position=position)
        self._news.waits(request, waiting)
        return waiting

    async def _forward_with_queue(self, request: Request, room: Room, *, exempt: bool) -> None:
        """Forward, in Default mode merged with what waits in the queue (contract 5.4)."""
        targets = self._targets.of(request, room.name, exempt=exempt)
        waiting: list[Request] = []
        hosted = room.mode in (RequestMode.DEFAULT, RequestMode.HOST_SUBMIT)
        if request.ask.submits or (hosted and not request.direct):
            waiting = self._queues.take_for_merge(room.id)
        if request.ask.submits:
            if not waiting:  # nothing is left of what it was to release
                self._ledger.end(request, "expired", EMPTY)
                return
            request.speak_for([each.message_id for each in waiting])
        request.route(targets, waiting)
        for entry in waiting:
            self._forwarder.tell(entry, requests.status(entry, entry.state, merged_into=request.request_id))
        await self._sender.enter(request)
        if request.gone:
            raise RoomMissing("Room not found")  # deleted meanwhile

    # ------------------------------------------------------------------------------------------------- rooms' changes

    def room_deleted(self, room: Room) -> None:
        self._expire(self._queues.take_all(room.id))
        for request in self._ledger.of_room(room.id):
            self._ledger.lose_room(request)

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        """What waits of it goes to no model any more (A18)."""
        self._withdraw(room, lambda request: request.identity == identity)

    def session_put_out(self, session: Session) -> None:
        """As ``member_left``, in all rooms."""
        for room_id in {request.room_id for request in self._ledger.live_requests_of(session.identity)}:
            room = self._rooms.with_id(room_id)
            if room is not None:
                self._withdraw(room, lambda request: request.identity == session.identity)

    def member_muted(self, room: Room, identity: str, by: str) -> None:
        """As ``member_left``, for all who are muted now."""
        self._withdraw(room, lambda request: room.is_muted(request.identity, request.client_id))

    def taken_back(self, room: Room, message_ids: Collection[str] | None = None) -> None:
        """These messages are stored no more, or all that were; as ``member_left``, for what waits of them."""
        if message_ids is None:
            self._withdraw(room, lambda request: bool(request.message_id) and request.state != "recorded")
        else:
            self._withdraw(room, lambda request: request.message_id in message_ids)

    def _withdraw(self, room: Room, concerned: Callable[[Request], bool]) -> None:
        """What an extension has it may answer, and no other is asked (A22). A request without words of its own goes
        when nothing is left to be sent with it."""
        live = [request for request in self._ledger.of_room(room.id) if request.live]
        for request in live:
            if request.ask.submits or not concerned(request):
                continue
            if request.given:
                request.stay()
            else:
                self._queues.remove(request)
                self._sender.withdraw(request)
        for request in live:
            if request.ask.submits and request.merged and not any(each.live for each in request.merged):
                self._sender.withdraw(request)

    def mode_changed(self, room: Room, by: str) -> None:
        """Settle what waits under the old mode (contract 5.4)."""
        if room.mode in (RequestMode.IMMEDIATE, RequestMode.SEPARATE):
            d = Deferred.fromCoroutine(self._release(self._queues.take_all(room.id), room))
            d.addErrback(self._release_failed)
        elif room.mode is RequestMode.MASTER_ONLY:
            self._expire(self._queues.take_all(room.id))

    async def _release(self, waiting: list[Request], room: Room) -> None:
        for request in waiting:
            if not request.live:  # taken back, or the room was deleted, while those before it were sent
                continue
            request.decide(room.mode)
            try:
                await self._go_on(request, room, exempt=False)
            except Exception as error:  # the others go on
                self._fails(request, self._in_words(error))

    def _in_words(self, error: Exception) -> NewAgeError:
        """What nobody foresaw is a line in the log, and "Internal error." to who asked."""
        if isinstance(error, NewAgeError):
            return error
        self._trouble.say("a request that waited could not be forwarded", error)
        return NewAgeError()

    def _fails(self, request: Request, error: NewAgeError) -> None:
        """Its ack has been given: who asked is told by an event."""
        self._forwarder.report(request, error)
        self._sender.unsend(request)
        self._ledger.end(request, "failed", str(error), error=error)

    def _release_failed(self, failure: Failure) -> None:
        self._trouble.say("a queue could not be forwarded", failure)

    # ------------------------------------------------------------------------------------- extensions that come and go

    def extension_available(self, session: Session) -> None:
        self._look_at_held()

    def extension_gone(self, session: Session) -> None:
        self._look_at_held()

    def _look_at_held(self) -> None:
        """Who waits for an extension may find one now, or has none to wait for any more."""
        held = self._held.take()
        if not held:
            return
        d = Deferred.fromCoroutine(self._try_held(held))
        d.addErrback(self._release_failed)

    async def _try_held(self, held: dict[Request, bool]) -> None:
        for request, exempt in held.items():
            room = self._rooms.with_id(request.room_id)
            if not request.live or room is None:
                continue
            try:
                await self._forward_with_queue(request, room, exempt=exempt)
                await self._waits_for_turn(request)
            except ClientMissing as error:
                if request.restored or self._targets.may_return(request, room.name, exempt=exempt):
                    self._held.hold(request, exempt=exempt)
                else:
                    self._fails(request, error)
            except Exception as error:  # the others go on
                self._fails(request, self._in_words(error))

    # ------------------------------------------------------------------------------------------------------ internals

    def _queue(self, request: Request) -> int:
        """Until somebody submits it. :return: its place; the first is 1."""
        self._expire(self._queues.push(request))
        return self._queues.count(request.room_id)

    def _expire(self, old: Iterable[Request]) -> None:
        """Nobody will submit these."""
        for request in old:
            self._ledger.end(request, "expired")

    def _tick(self) -> None:
        self._sweep = self._world.clock.callLater(self.SWEEP, self._tick)
        now = self._world.clock.seconds()
        self._expire(self._queues.take_old(now))
        waiting = [*self._ledger.unsent(), *self._held.asked()]
        self._expire(r for r in waiting if r.created_at <= now - self.settings.value.queue_ttl_seconds)
        self._ledger.sweep()
        self._admission.sweep(now)
