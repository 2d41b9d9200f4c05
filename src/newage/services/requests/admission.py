"""Whose request is let in, and what it is then: checked, stored as a message, entered (contract 5.1, 5.2)."""

from __future__ import annotations

from typing import ClassVar

from attrs import define, field
from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from newage.dialect.messages import carried_bytes
from newage.domain.model import Caller, Message, Role, Room
from newage.domain.open_request import OpenRequest
from newage.domain.policy import MUTED, Verdict, administers, effective_role, governs, may_ask_again, may_read
from newage.domain.request import Ask, Request
from newage.errors import InvalidRequest, NewAgeError, NotAuthorised, RoomDenied, RoomMissing, Unavailable
from newage.services.history.log import HistoryService
from newage.services.requests.ledger import RequestLedger
from newage.services.requests.limits import RequestSettings
from newage.services.requests.questions import Questions
from newage.services.requests.rates import RequestRates
from newage.services.requests.records import FORWARDED, QUEUED, RequestRecords
from newage.services.requests.sending import Sender
from newage.services.requests.targets import Targets
from newage.services.rooms.registry import RoomRegistry
from newage.services.sessions.rates import EventRates
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live
from newage.telemetry.trouble import Trouble, trouble


@define(eq=False, kw_only=True)
class Admission:
    """What becomes of it then is ``RequestService``'s.

    ``sweep`` is to be called every few seconds.
    """

    _log: ClassVar[Logger] = Logger()

    _world: World
    _sessions: SessionService
    _rooms: RoomRegistry
    _targets: Targets
    _history: HistoryService
    _questions: Questions
    _ledger: RequestLedger
    _sender: Sender
    _records: RequestRecords
    settings: Live[RequestSettings]
    _event_rates: EventRates
    _rates: RequestRates = field(init=False)
    _trouble: Trouble = trouble()

    @_rates.default
    def _make_rates(self) -> RequestRates:
        return RequestRates(self.settings, self._event_rates)

    def check(self, caller: Caller, ask: Ask) -> Room:
        """Steps 1, 2, 3, 4 and 8 of contract 5.2.

        :return: the room that is meant. :raises NewAgeError: with the contract's words.
        """
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
        size = carried_bytes("" if ask.aside else ask.text, ask.data, ask.extra)
        if not ask.aside and size > self.settings.value.max_request_bytes:
            raise InvalidRequest("Invalid LLM request data.")
        self._check_id(caller, ask.request_id)
        if ask.targets is not None and "server" in ask.targets:
            raise InvalidRequest("LLM requests should not be sent to the server directly.")
        self._check_limits(caller, size)
        return room

    def check_host(self, caller: Caller, ask: Ask) -> Room:
        """As ``check``, for one who releases what waits for the host of a room.

        :raises RoomMissing: there is none that he may read. :raises NotAuthorised: he does not govern it, or is muted.
        """
        room = self._rooms.seen(caller, ask.room or "")
        if room is None or not may_read(caller, room):
            raise RoomMissing("Room not found")
        if not governs(caller, room):
            raise NotAuthorised("Unauthorized")
        if room.is_muted(caller.identity, caller.client_id):
            raise NotAuthorised(MUTED)
        self._check_id(caller, ask.request_id or "")
        self._check_limits(caller, 0)
        return room

    def admit_host(self, caller: Caller, ask: Ask, room: Room, last: str) -> Request:
        """A request without words of its own. :param last: the message that would come last, were it sent now."""
        return self._enter(caller, ask, room, self._role(caller, room, ask), last)

    async def admit(self, caller: Caller, ask: Ask, room: Room) -> Request:
        """Step 7: it counts as live from the first moment on, and what it says is stored then.

        :raises NewAgeError: it is none then; with the contract's words.
        """
        role = self._role(caller, room, ask)
        if ask.again:
            return await self._ask_again(caller, ask, room, role)
        if ask.continues:
            return await self._continue(caller, ask, room, role)
        if ask.impersonates:
            return self._impersonate(caller, ask, room, role)
        if ask.aside:
            return self._enter(caller, ask, room, role, "", self._draft(caller, ask, room, role))
        return await self._record(caller, ask, room, role)

    def sweep(self, now: float) -> None:
        """As ``RequestRates.sweep``."""
        self._rates.sweep(now)

    def _check_id(self, caller: Caller, request_id: str) -> None:
        known = self._ledger.get(caller.identity, request_id)
        if known is not None and known.live:
            raise InvalidRequest("Duplicate requestId.")

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
            name=ask.speaker or self._sessions.named(caller.identity).name or None,
            role=role.wire,
            text=ask.text,
            data=ask.data,
            request_id=ask.request_id,
            target=list(targets) if isinstance(targets, tuple) else targets,
            request_type=ask.request_type,
            extra=ask.extra,
            origin=ask.origin,
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
        assert ask.request_id is not None  # ``check`` refused its absence
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
