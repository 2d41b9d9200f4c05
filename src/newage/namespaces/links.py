"""The hub's way down to an extension that is connected by a socket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import frozen
from twisted.internet.defer import Deferred
from zope.interface import implementer

from newage.dialect import requests
from newage.domain.forwarded import ForwardedRequest
from newage.domain.model import Caller, Kind
from newage.ports import IExtensionLink, IOutbox

STOP_SECONDS: Final = 5.0  # so long it may take to say that it has stopped


@implementer(IExtensionLink)
@frozen
class SocketLink:
    """One ``LLM_REQUEST`` event to one socket for each request."""

    outbox: IOutbox
    sid: str

    @classmethod
    def of(cls, outbox: IOutbox, caller: Caller) -> SocketLink | None:
        """The link of a socket that has just been admitted to ``/llm``; only extensions have one (contract 2.10)."""
        return cls(outbox, caller.sid) if caller.kind is Kind.EXTENSION else None

    def forward(self, request: ForwardedRequest) -> None:
        event = requests.forwarded(request)
        self.outbox.emit(self.sid, event.name, event.body)

    def stop(self, request_id: str, output_ids: Sequence[str], reason: str) -> Deferred[None]:
        event = requests.stop(request_id, output_ids, reason)
        return self.outbox.call(self.sid, event.name, [event.body], STOP_SECONDS).addCallback(lambda _: None)
