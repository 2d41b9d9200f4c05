"""``/llm``: what becomes of a request after it was asked (contract 5.8, 14; A20)."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from newage.dialect import Body, requests
from newage.domain.model import Caller
from newage.errors import InvalidRequest
from newage.namespaces import wire
from newage.services.streams.cancelling import CancelService, Which


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


@frozen(kw_only=True)
class CourseEvents:
    """What its requester does with a request that runs."""

    cancelling: CancelService

    async def cancel(self, caller: Caller, which: Which) -> Body | wire.Warned:
        outcome = await self.cancelling.cancel(caller, which)
        body = requests.cancelled(outcome)
        return wire.Warned("The request is over.", body) if outcome.over else body

    def handlers(self) -> wire.Handlers:
        return {"CANCEL_REQUEST": wire.answer(parse_which, self.cancel)}
