"""``/llm``: what becomes of a request after it was asked (contract 5.4, 5.8; A20, A32)."""

from __future__ import annotations

from math import isfinite
from typing import Any

from attrs import frozen

from newage.dialect import Body, requests
from newage.domain.model import Caller
from newage.domain.text import well_formed
from newage.errors import InvalidRequest
from newage.namespaces import wire
from newage.ports import ISocket
from newage.services.requests.intake import RequestService
from newage.services.requests.lines import WaitingLines
from newage.services.requests.taking import TakingService
from newage.services.rooms.registry import RoomRegistry
from newage.services.streams.cancelling import CancelService, Which
from newage.telemetry.audit import Recorder

PLACES = ("chat", "headless")  # where an extension answers
MAX_REASON = 1000  # characters


def parse_which(payload: Any) -> Which:
    """CANCEL_REQUEST.

    :raises InvalidRequest: it names no request.
    """
    body = wire.members(payload)
    names = {name: wire.identifier(body.get(name)) for name in ("requestId", "messageId", "identity")}
    wrong = any(name is None and body.get(member) is not None for member, name in names.items())
    if wrong or (names["requestId"] is None and names["messageId"] is None):
        raise InvalidRequest(wire.INVALID)
    return Which(request_id=names["requestId"], message_id=names["messageId"], identity=names["identity"])


@frozen
class Submission:
    """``request_id``: the client's own for what comes of it, if it has one."""

    room: str | None
    request_id: str | None


def parse_submission(payload: Any) -> Submission:
    """SUBMIT_QUEUE.

    :raises InvalidRequest: the requestId is none.
    """
    body = wire.members_or_room(payload)
    request_id = wire.identifier(body.get("requestId"))
    if request_id is None and body.get("requestId") is not None:
        raise InvalidRequest(wire.INVALID)
    return Submission(wire.room_name(body), request_id)


def _body(args: list[Any]) -> dict[str, Any]:
    return args[0] if args and isinstance(args[0], dict) else {}


@frozen(kw_only=True)
class CourseEvents:
    """What its requester and its extension say of a request that runs, and what of those that wait; extensions are not
    answered."""

    rooms: RoomRegistry
    requests: RequestService
    lines: WaitingLines
    cancelling: CancelService
    taking: TakingService

    async def cancel(self, caller: Caller, which: Which) -> Body | wire.Warned:
        outcome = await self.cancelling.cancel(caller, which)
        body = requests.cancelled(outcome)
        return wire.Warned("The request is over.", body) if outcome.over else body

    def queue(self, caller: Caller, ref: wire.RoomRef) -> Body:
        return requests.queue(self.lines.seen(caller, self.rooms.meant(caller, ref.name)))

    async def submit_queue(self, caller: Caller, submission: Submission) -> Body:
        room = self.rooms.meant(caller, submission.room)
        outcome = await self.requests.submit_queue(caller, room, submission.request_id)
        return requests.accepted(outcome, question=caller.outputs)

    def accept(self, socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        body = _body(args)
        where, position = body.get("where"), body.get("position")
        if where not in PLACES:
            self.taking.dropped(socket.caller.identity, "ACCEPT_REQUEST without where")
            return
        named = type(position) is int and 0 <= position <= wire.MAX_NUMBER
        self.taking.accept(socket.caller, wire.identifier(body.get("requestId")), where, position if named else None)

    def busy(self, socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        body = _body(args)
        after, reason = body.get("retryAfterMs"), well_formed(wire.text(body.get("reason"), MAX_REASON))
        said = after if type(after) is int or (type(after) is float and isfinite(after)) else None
        self.taking.busy(socket.caller, wire.identifier(body.get("requestId")), said, reason)

    def handlers(self) -> wire.Handlers:
        submitted = Recorder(
            "llm.request",
            "LLM_REQUEST_RECEIVED",
            "LLM_REQUEST_FAILED",
            audited=False,
            request="request_id",
            room="room",
        )
        return {
            "GET_QUEUE": wire.answer(wire.parse_room_ref, self.queue, query=True),
            "SUBMIT_QUEUE": wire.answer(parse_submission, self.submit_queue, audit=submitted),
            "CANCEL_REQUEST": wire.answer(parse_which, self.cancel),
            "ACCEPT_REQUEST": self.accept,
            "BUSY": self.busy,
        }
