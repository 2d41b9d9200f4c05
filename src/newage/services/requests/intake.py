"""LLM requests as they come in: checks, modes, queues, targets (contract 5.1, 5.2, 5.4)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import ClassVar

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.dialect import requests
from newage.dialect.messages import carried_bytes
from newage.domain.model import Caller, Message, RequestMode, Role, Room, Session
from newage.domain.open_request import OpenRequest
from newage.domain.policy import (
    MUTED,
    Verdict,
    administers,
    effective_role,
    may_ask_again,
    may_read,
)
from newage.domain.request import Accepted, Ask, Request, Waiting
from newage.errors import (
    ClientMissing,
    InvalidRequest,
    NewAgeError,
    NotAuthorised,
    RoomDenied,
    RoomMissing,
    Unavailable,
)
from newage.services.events import RoomListener, SessionListener
from newage.services.history.log import HistoryService
from newage.services.requests.desks import Desks
from newage.services.requests.forwarding import Forwarder
from newage.services.requests.ledger import RequestLedger
from newage.services.requests.limits import RequestSettings
from newage.services.requests.notices import RequestNotices
from newage.services.requests.questions import Questions
from newage.services.requests.queues import HostQueues
from newage.services.requests.rates import RequestRates
from newage.services.requests.records import CUT, FORWARDED, QUEUED, RequestRecords
from newage.services.requests.sending import Sender
from newage.services.requests.targets import Targets
from newage.services.rooms.registry import RoomRegistry
from newage.services.sessions.rates import EventRates
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live
from newage.telemetry.trouble import Trouble, trouble

RESTARTED = "The server was restarted."


@define(eq=False, kw_only=True)
class RequestService(RoomListener, SessionListener):
    """How requests get in, and what becomes of those that wait for their host; the account of all is the ledger's.

    :param sender: lets them wait for their turn at an extension.
    """

    SWEEP: ClassVar[float] = 5.0  # seconds between looks for what has expired
    _log: ClassVar[Logger] = Logger()

    _world: World
    _sessions: SessionService
    _rooms: RoomRegistry
    _targets: Targets
    _history: HistoryService
    _questions: Questions
    _ledger: RequestLedger
    _sender: Sender
    _desks: Desks
    _records: RequestRecords
    _notices: RequestNotices
    _forwarder: Forwarder
    _queues: HostQueues
    settings: Live[RequestSettings]
    _event_rates: EventRates
    _rates: RequestRates = field(init=False)
    _trouble: Trouble = trouble()
    _held: dict[Request, bool] = field(factory=dict, init=False)  # for an extension that went; may it be any?
    _sweep: IDelayedCall | None = field(default=None, init=False)
    _stopping: bool = field(default=False, init=False)

    @_rates.default
    def _make_rates(self) -> RequestRates:
        return RequestRates(self.settings, self._event_rates)

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
        room = self._check(caller, ask)
        role = self._role(caller, room, ask)
        request = await self._enter_as(caller, ask, room, role)
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

    def _check(self, caller: Caller, ask: Ask) -> Room:
        """Steps 1, 2, 3, 4 and 8 of contract 5.2."""
        if self._stopping:
            raise Unavailable("The server is stopping.")
        name = ask.room if ask.room is not None and ask.room != caller.client_id else caller.identity
        room = self._rooms.seen(caller, name)
        if room is not None and room.is_muted(caller.identity, caller.client_id):
            raise NotAuthorised(MUTED)
        if room is None or not may_read(caller, room):
            raise RoomDenied("Invalid or unauthorized target room.")
        if ask.unknown and caller.outputs:
            raise InvalidRequest("Unknown action.")
        if ask.request_id is None or not (ask.text or ask.wordless):
            raise InvalidRequest("Invalid LLM request data.")
        size = carried_bytes(ask.text, ask.data, ask.extra)
        if size > self.settings.value.max_request_bytes:
            raise InvalidRequest("Invalid LLM request data.")
        known = self._ledger.get(caller.identity, ask.request_id)
        if known is not None and known.live:
            raise InvalidRequest("Duplicate requestId.")
        if ask.targets is not None and "server" in ask.targets:
            raise InvalidRequest("LLM requests should not be sent to the server directly.")
        self._check_limits(caller, size)
        return room

    def _check_limits(self, caller: Caller, size: int) -> None:
        now, settings = self._world.clock.seconds(), self.settings.value
        if (
            not self._rates.admits(caller, size, now)
            or self._ledger.live_count >= settings.max_live_requests
            or self._ledger.live_of(caller.identity) >= settings.max_live_requests_per_identity
        ):
            raise Unavailable("Too many requests.")
        self._rates.count(caller, size, now)

    def _role(self, caller: Caller, room: Room, ask: Ask) -> Role:
        outsider = Role.MANAGER if administers(caller) else Role.GUEST
        return effective_role(room.role_of(caller.identity, outsider), ask.role_hint)

    async def _enter_as(self, caller: Caller, ask: Ask, room: Room, role: Role) -> Request:
        if ask.again:
            return await self._ask_again(caller, ask, room, role)
        if ask.continues:
            return await self._continue(caller, ask, room, role)
        if ask.impersonates:
            return self._impersonate(caller, ask, room, role)
        return await self._record(caller, ask, room, role)

    async def _record(self, caller: Caller, ask: Ask, room: Room, role: Role) -> Request:
        """Enter the request and store its message; the id is taken from the first moment on."""
        draft = self._draft(caller, ask, room, role)
        request = self._enter(caller, ask, room, role, draft.message_id)
        try:
            await self._history.add(draft, opens=self._opening(caller, request, room))
        except CancelledError:
            self._ledger.forget(request)
            raise
        except Exception as error:
            self._trouble.say("the message of a request could not be stored", error)
            self._ledger.forget(request)
            raise NewAgeError("Failed to record request message.") from error
        return request

    def _draft(self, caller: Caller, ask: Ask, room: Room, role: Role) -> Message:
        targets = ask.targets if ask.targets is None or len(ask.targets) != 1 else ask.targets[0]
        return Message(
            message_id=self._world.new_id(),
            room=room.name,
            room_id=room.id,
            seq=0,
            identity=caller.identity,
            client_id=caller.client_id,
            name=self._sessions.named(caller.identity).name or None,
            role=role.wire,
            text=ask.text,
            data=ask.data,
            request_id=ask.request_id,
            target=list(targets) if isinstance(targets, tuple) else targets,
            request_type=ask.request_type,
            extra=ask.extra,
        )

    def _opening(self, caller: Caller, request: Request, room: Room) -> OpenRequest | None:
        """It is stored as what it will be in the usual case."""
        verdict = request.decide(room.mode)
        if verdict not in (Verdict.FORWARD, Verdict.QUEUE):
            return None
        likely = self._targets.likely(request, room.name, exempt=administers(caller))
        sent = verdict is Verdict.FORWARD and any(self._sender.may_go(each, request) for each in likely)
        return self._records.opening(request, FORWARDED if sent else QUEUED)

    def _enter(
        self, caller: Caller, ask: Ask, room: Room, role: Role, message_id: str, unsaid: Message | None = None
    ) -> Request:
        assert ask.request_id is not None  # _check refused its absence
        now = self._world.clock.seconds()
        request = Request(
            request_id=ask.request_id,
            identity=caller.identity,
            client_id=caller.client_id,
            room=room.name,
            room_id=room.id,
            role=role,
            mode=room.mode,
            message_id=message_id,
            unsaid=unsaid,
            ask=ask.wishes,
            created_at=now,
            active_at=now,
        )
        self._ledger.enter(request)
        return request

    async def _ask_again(self, caller: Caller, ask: Ask, room: Room, role: Role) -> Request:
        """One more answer to a question that is stored (A19); what nobody asked before is asked now.

        :raises NotFound: no such message. :raises NotAuthorised: it is not the caller's to ask again.
        """
        request = self._enter(caller, ask, room, role, "")
        try:
            question = await self._questions.asked_again(caller, ask, room)
        except BaseException:
            self._ledger.forget(request)
            raise
        if question is None:
            if not request.live:  # taken back meanwhile
                return request
            self._ledger.forget(request)
            return await self._record(caller, ask, room, role)
        request.ask_again(question.message_id, question.identity)
        return request

    async def _continue(self, caller: Caller, ask: Ask, room: Room, role: Role) -> Request:
        """An answer that is stored shall grow (A19).

        :raises NotFound: no such message. :raises NotAuthorised: it is not the caller's to ask again.
        """
        request = self._enter(caller, ask, room, role, "")
        try:
            request.go_on_with(await self._questions.continued(caller, ask, room))
        except BaseException:
            self._ledger.forget(request)
            raise
        return request

    def _impersonate(self, caller: Caller, ask: Ask, room: Room, role: Role) -> Request:
        """Words for the caller: what he says to that end, and what comes of it, is for him alone (A19).

        :raises NotAuthorised: the host asks here.
        """
        if not may_ask_again(caller, room, caller.identity):
            raise NotAuthorised("Permission denied to impersonate.")
        return self._enter(caller, ask, room, role, "", self._draft(caller, ask, room, role))

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
        self._rates.sweep(now)
