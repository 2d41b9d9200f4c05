"""An output as server-sent events, at the pace of who reads; he may come back with ``Last-Event-ID``.

What waits is nowhere but in the text of the output.
"""

from __future__ import annotations

from typing import Final

from attrs import define

from newage.domain.model import Caller
from newage.errors import InvalidRequest
from newage.services.streams.cursor import Position
from newage.services.streams.event_stream import EventStream
from newage.services.streams.lookouts import Lookouts
from newage.services.streams.resuming import ResumeService
from newage.web.api_v1.readers import Reader
from newage.web.api_v1.table import Call
from newage.web.json_api import Exchange
from newage.web.responses import header_text

NO_POSITION: Final = "Last-Event-ID is the id of an event of this output, or is left out."


@define(eq=False, kw_only=True)
class OutputEvents:
    """``GET /outputs/{output}/events``."""

    _resuming: ResumeService
    _lookouts: Lookouts

    async def send(self, actor: Caller, call: Call, reader: Reader) -> None:
        """:raises NewAgeError: he may not, or there is no such output for him."""
        position = _position(reader.exchange)
        room_id, output = await self._resuming.text_of(actor, call.path["output"])
        reader.at_end(self._lookouts.watch(actor.identity, room_id, reader.gone))
        stream = EventStream(output, position, reader.exchange.request, reader.finish)
        if reader.begin(stream):
            stream.start()


def _position(exchange: Exchange) -> Position:
    written = header_text(exchange.request, b"Last-Event-ID")
    found = Position() if written is None else Position.read(written.strip())
    if found is None:
        raise InvalidRequest(NO_POSITION)
    return found
