"""Somebody takes a request back, before or while it is answered (contract 5.8, A20)."""

from __future__ import annotations

from attrs import frozen

from newage.domain.model import Caller
from newage.domain.policy import may_cancel
from newage.domain.request import Cancelled, Request
from newage.errors import InvalidRequest, NotFound
from newage.services.requests.ledger import RequestLedger
from newage.services.requests.queues import HostQueues
from newage.services.requests.records import RequestRecords
from newage.services.requests.sending import Sender
from newage.services.rooms.registry import RoomRegistry
from newage.services.streams.answers import Answer, AnswerService
from newage.services.streams.upstream import UpstreamService


@frozen(kw_only=True)
class Which:
    """A request: by its id and the identity that asked, None for the caller; or by the message that it asks."""

    request_id: str | None
    identity: str | None = None
    message_id: str | None = None


@frozen(kw_only=True)
class CancelService:
    _rooms: RoomRegistry
    _ledger: RequestLedger
    _queues: HostQueues
    _sender: Sender
    _records: RequestRecords
    _streams: UpstreamService
    _answers: AnswerService

    async def cancel(self, actor: Caller, which: Which) -> Cancelled:
        """End it, and what there is of its answers; that is kept. Done when it is stored.

        :raises NotFound: there is none that the actor may take back.
        :raises InvalidRequest: it was merged into another one, which is not the actor's to take back.
        """
        request = self._found(actor, which)
        if not request.live:
            return Cancelled(request_id=request.request_id, state=request.state, over=True)
        whole = self._ledger.whole_of(request)
        if whole is not request and not self._may(actor, whole):
            raise InvalidRequest("Request was merged")
        answers = self._end(whole, actor.identity)
        await self._records.closed(whole)
        for answer in answers:
            await self._answers.settled(answer)
        return Cancelled(
            request_id=request.request_id, state=request.state, outputs=tuple(each.output_id for each in answers)
        )

    def _end(self, request: Request, by: str) -> list[Answer]:
        self._queues.remove(request)
        self._sender.unsend(request)
        request.ignore(*request.targets)
        answers = self._streams.cancelled(request)
        self._ledger.cancel(request, by)
        return answers

    def _found(self, actor: Caller, which: Which) -> Request:
        """Of several that ask the same message the newest that is live, or was last."""
        if which.message_id is not None:
            found = self._ledger.of_message(which.message_id)
        else:
            one = self._ledger.get(which.identity or actor.identity, which.request_id or "")
            found = [] if one is None else [one]
        may = [each for each in found if self._may(actor, each)]
        if not may:
            raise NotFound("Request not found")
        return next((each for each in reversed(may) if each.live), may[-1])

    def _may(self, actor: Caller, request: Request) -> bool:
        room = self._rooms.with_id(request.room_id)
        return may_cancel(actor, room, request.identity, request.client_id)
