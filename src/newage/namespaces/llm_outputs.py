"""``/llm``: who follows outputs and comes back to them (contract 5.7.7, A21)."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from newage.dialect import Body, requests, streams
from newage.domain.model import Caller
from newage.errors import InvalidRequest
from newage.namespaces import wire
from newage.services.requests.standings import Standings
from newage.services.streams.cursor import Position
from newage.services.streams.resuming import ResumeService, Wanted


@frozen
class Resumption:
    """``outputs``: none: all live ones. ``requests``: where these stand, None: that is not asked."""

    room: str | None
    epoch: str | None
    outputs: tuple[Wanted, ...]
    requests: tuple[str, ...] | None = None


def parse_resumption(payload: Any) -> Resumption:
    """RESUME_OUTPUTS.

    :raises InvalidRequest: what it wants is no list of outputs, or of requests.
    :raises BadParameter: a position is no number.
    """
    body = wire.members_or_room(payload)
    outputs = body.get("outputs")
    if outputs is None:
        outputs = []
    if not isinstance(outputs, list):
        raise InvalidRequest(wire.INVALID)
    epoch = body.get("epoch")
    return Resumption(
        wire.room_name(body),
        None if epoch is None else (wire.identifier(epoch) or ""),
        tuple(map(_wanted, outputs)),
        _requests(body.get("requests")),
    )


def _requests(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    ids = [wire.identifier(each) for each in value] if isinstance(value, list) else [None]
    found = tuple(each for each in ids if each is not None)
    if len(found) < len(ids):
        raise InvalidRequest(wire.INVALID)
    return found


def _wanted(value: Any) -> Wanted:
    output_id = wire.identifier(value.get("outputId")) if isinstance(value, dict) else None
    if output_id is None:
        raise InvalidRequest(wire.INVALID)
    rev, at, reasoning_at = (
        0 if (number := value.get(name)) is None else wire.whole_number(number, name, 0)
        for name in ("rev", "at", "reasoningAt")
    )
    return Wanted(output_id, Position(rev, at, reasoning_at))


@frozen(kw_only=True)
class OutputEvents:
    resuming: ResumeService
    standings: Standings

    async def resume(self, caller: Caller, request: Resumption) -> Body:
        if request.requests is not None:
            self.standings.check(request.requests)
        found = await self.resuming.resume(caller, request.room, request.epoch, request.outputs)
        body = streams.resumed(self.resuming.epoch, found)
        if request.requests is not None:
            body |= requests.standings(self.standings.of(caller, request.requests))
        return body

    def handlers(self) -> wire.Handlers:
        return {"RESUME_OUTPUTS": wire.answer(parse_resumption, self.resume, query=True)}
