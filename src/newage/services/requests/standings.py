"""Where one's requests stand, for who was away when it was said (contract 5.7.7)."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define

from newage.domain.model import Caller
from newage.domain.request import Standing
from newage.errors import BadParameter
from newage.services.requests.ledger import RequestLedger
from newage.services.requests.limits import RequestSettings
from newage.services.requests.lines import WaitingLines
from newage.settings import Live


@define(eq=False, kw_only=True)
class Standings:
    _ledger: RequestLedger
    _lines: WaitingLines
    settings: Live[RequestSettings]

    def check(self, request_ids: Sequence[str]) -> None:
        """:raises BadParameter: too many."""
        most = self.settings.value.resume_requests
        if len(request_ids) > most:
            raise BadParameter(f"At most {most} requests at once.")

    def of(self, actor: Caller, request_ids: Sequence[str]) -> tuple[Standing, ...]:
        """Of the actor's own, live ones and those in their tail; of what is none, or of another, that it is gone."""
        ids = dict.fromkeys(request_ids)
        wholes = self._ledger.wholes() if ids else {}
        waiting = self._lines.all() if ids else {}
        found = [(each, self._ledger.get(actor.identity, each)) for each in ids]
        return tuple(
            Standing(request_id=request_id)
            if request is None
            else Standing(
                request_id=request_id,
                request=request,
                whole=wholes.get(request, request),
                waiting=waiting.get(request),
            )
            for request_id, request in found
        )
