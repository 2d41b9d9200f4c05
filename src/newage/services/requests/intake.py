"""What becomes of LLM requests that were let in, until they are sent: modes, queues, targets (contract 5.2, 5.4)."""

from __future__ import annotations

from collections.abc import Callable, Collection
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
from newage.errors import ClientMissing, NewAgeError, RoomMissing, Unavailable
from newage.services.events import RoomListener, SessionListener
from newage.services.requests.admission import Admission
from newage.services.requests.desks import Desks
from newage.services.requests.forwarding import Forwarder
from newage.services.requests.ledger import RequestLedger
from newage.services.requests.limits import RequestSettings
from newage.services.requests.notices import RequestNotices
from newage.services.requests.queues import HostQueues
from newage.services.requests.records import CUT, FORWARDED, QUEUED, RequestRecords
from newage.services.requests.sending import Sender
from newage.services.requests.targets import Targets
from newage.services.rooms.registry import RoomRegistry
from newage.services.world import World
from newage.settings import Live
from newage.telemetry.trouble import Trouble, trouble

RESTARTED = "The server was restarted."


@define(eq=False, kw_only=True)
class RequestService(RoomListener, SessionListener):
    """What is done with a request by the mode of its room, and with those that wait for their host or an extension; the
    account of all is the ledger's.

    :param sender: lets them wait for their turn at an extension.
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
    _forwarder: Forwarder
    _queues: HostQueues
    settings: Live[RequestSettings]
    _trouble: Trouble = trouble()
    _held: dict[Request, bool] = field(factory=dict, init=False)  # for an extension that went; may it be any?
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
                self._notices.keep(request, RESTARTED, closes=stored.key)
                continue
            self._ledger.enter(request)
            verdict = request.decide(room.mode)
            if verdict is Verdict.FORWARD or request.again:
                self._held[request] = False
                request.queue()
            elif verdict is Verdict.QUEUE:
                request.queue()
                self._queues.push(request)
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
            raise Unavailable("The server is stopping.")
        room = self._admission.check(caller, ask)
        request = await self._admission.admit(caller, ask, room)
        try:
            now = self._rooms.current(room)  # storing took a while
            if now is None:
                raise RoomMissing("Room not found")
            room = now
            waiting = await self._act(caller, request, room)
        except Exception as error:
            if isinstance(error, NewAgeError):
                error.add(requests.recorded(request.message_id))
            self._sender.unsend(request)
            self._ledger.end(request, "failed", str(error) if isinstance(error, NewAgeError) else "Internal error.")
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
        elif verdict is Verdict.QUEUE and not request.direct:
            return await self._waits(request, "host", self._queues.push(request))
        elif verdict is not Verdict.FORWARD and not request.direct:
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
            self._held[request] = exempt
            before = sum(1 for other in self._held if other.room_id == room.id)
            return await self._waits(request, "extension", before)
        if request.live and not request.given:
            return await self._waits(request, "turn", self._forwarder.position(request))
        return None

    async def _waits(self, request: Request, what: str, position: int) -> Waiting | None:
        """It is not sent yet, and its time has not begun (A18); a restart finds it (A35).

        :return: None: it was sent, or ended, while that was stored.
        """
        request.queue()
        await self._records.waits(request)
        if not request.live or request.given:
            return None
        waiting = Waiting(what=what, position=position)
        self._forwarder.tell(request, requests.status(request, request.state, waiting=waiting))
        return waiting

    async def _forward_with_queue(self, request: Request, room: Room, *, exempt: bool) -> None:
        """Forward, in Default mode merged with what waits in the queue (contract 5.4)."""
        targets = self._targets.of(request, room.name, exempt=exempt)
        waiting: list[Request] = []
        hosted = room.mode in (RequestMode.DEFAULT, RequestMode.HOST_SUBMIT)
        if hosted and not request.direct:
            waiting = self._queues.take_for_merge(room.id)
        request.route(targets, waiting)
        for entry in waiting:
            self._forwarder.tell(entry, requests.status(entry, entry.state, merged_into=request.request_id))
        await self._sender.enter(request)
        if request.gone:
            raise RoomMissing("Room not found")  # deleted meanwhile

    # ------------------------------------------------------------------------------------------------- rooms' changes

    def room_deleted(self, room: Room) -> None:
        self._queues.expire_all(room.id)
        for request in self._ledger.of_room(room.id):
            self._ledger.lose_room(request)

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        """What waits of it goes to no model any more (A18)."""
        self._withdraw(room, lambda request: request.identity == identity)

    def session_put_out(self, session: Session) -> None:
        """As ``member_left``, in all rooms."""
        for room_id in {request.room_id for request in self._ledger.waiting_of(session.identity)}:
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
        waiting = [r for r in self._ledger.of_room(room.id) if r.live and not r.given]
        for request in filter(concerned, waiting):
            self._queues.remove(request)
            self._sender.withdraw(request)

    def mode_changed(self, room: Room, by: str) -> None:
        """Settle what waits under the old mode (contract 5.4)."""
        if room.mode in (RequestMode.IMMEDIATE, RequestMode.SEPARATE):
            d = Deferred.fromCoroutine(self._release(self._queues.take_all(room.id), room))
            d.addErrback(self._release_failed)
        elif room.mode is RequestMode.MASTER_ONLY:
            self._queues.expire_all(room.id)

    async def _release(self, waiting: list[Request], room: Room) -> None:
        for request in waiting:
            if not request.live:  # taken back, or the room was deleted, while those before it were sent
                continue
            request.decide(room.mode)
            try:
                await self._go_on(request, room, exempt=False)
            except NewAgeError as error:
                self._fails(request, error)

    def _fails(self, request: Request, error: NewAgeError) -> None:
        """Its ack has been given: who asked is told by an event."""
        self._forwarder.report(request, error)
        self._sender.unsend(request)
        self._ledger.end(request, "failed", str(error))

    def _release_failed(self, failure: Failure) -> None:
        self._trouble.say("a queue could not be forwarded", failure)

    # ------------------------------------------------------------------------------------- extensions that come and go

    def extension_available(self, session: Session) -> None:
        self._look_at_held()

    def extension_gone(self, session: Session) -> None:
        self._look_at_held()

    def _look_at_held(self) -> None:
        """Who waits for an extension may find one now, or has none to wait for any more."""
        if not self._held:
            return
        held, self._held = self._held, {}
        d = Deferred.fromCoroutine(self._try_held(held))
        d.addErrback(self._release_failed)

    async def _try_held(self, held: dict[Request, bool]) -> None:
        for request, exempt in held.items():
            room = self._rooms.with_id(request.room_id)
            if not request.live or room is None:
                continue
            try:
                await self._forward_with_queue(request, room, exempt=exempt)
            except ClientMissing as error:
                if request.restored or self._targets.may_return(request, room.name, exempt=exempt):
                    self._held[request] = exempt
                else:
                    self._fails(request, error)
            except NewAgeError as error:
                self._fails(request, error)
            else:
                if request.live and not request.given:
                    await self._waits(request, "turn", self._forwarder.position(request))

    # ------------------------------------------------------------------------------------------------------ internals

    def _tick(self) -> None:
        self._sweep = self._world.clock.callLater(self.SWEEP, self._tick)
        now = self._world.clock.seconds()
        self._queues.sweep(now)
        self._held = {request: exempt for request, exempt in self._held.items() if request.live}
        for request in [*self._ledger.unsent(), *self._held]:
            if request.created_at <= now - self.settings.value.queue_ttl_seconds:
                self._ledger.end(request, "expired")
        self._ledger.sweep()
        self._admission.sweep(now)
