"""Pairing over the wire, by administrators: CREATE_PAIRING (contract 3.6, B13)."""

from __future__ import annotations

from attrs import frozen

from newage.domain.model import Caller, Rank
from newage.domain.pairing import Standing
from newage.domain.policy import administers
from newage.domain.rank import may_touch
from newage.errors import NotAuthorised
from newage.services.accounts.pairing import Maker, PairingService
from newage.telemetry.audit import of_caller


@frozen
class PairingAdministration:
    """Each sees and answers for the code that he made himself, and for nobody's else: its key is made in his name, and
    ends with his (B10)."""

    _pairing: PairingService

    @property
    def seconds(self) -> float:
        """For how long a code is good."""
        return self._pairing.seconds

    def create(self, actor: Caller) -> str:
        """A new code. :raises NotAuthorised: no administrator, or there is a code."""
        self._require(actor)
        if self._pairing.is_open():
            raise NotAuthorised("Unauthorized")
        return self._pairing.create(Maker(actor.client_id, actor.until, of_caller(actor)))

    def standing(self, actor: Caller, code: str) -> Standing:
        """What became of it; one of others is over. :raises NotAuthorised: no administrator."""
        self._require(actor)
        return self._pairing.standing(code) if self._is_of(actor) else Standing("over")

    async def answer(self, actor: Caller, code: str, number: int, *, accept: bool) -> Standing:
        """As ``PairingService.answer``, and ``standing``."""
        self._require(actor)
        if not self._is_of(actor):
            return Standing("over")
        return await self._pairing.answer(code, number, accept=accept)

    def _is_of(self, actor: Caller) -> bool:
        return self._pairing.maker == actor.client_id

    def _require(self, actor: Caller) -> None:
        rank = min(actor.rank, Rank.of(actor.kind))
        if not administers(actor) or not may_touch(rank, Rank.EXTENSION, own=False):
            raise NotAuthorised("Unauthorized")
