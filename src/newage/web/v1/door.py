"""Who may ask ``/v1``, and that he is present while he does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from attrs import define

from newage.domain.model import Caller
from newage.services.accounts.bearer import BearerService
from newage.services.sessions.presence import Presence, Stay
from newage.web.json_api import Exchange

NAMESPACE: Final = "/v1"


@define(eq=False)
class Door:
    _bearers: BearerService
    _presence: Presence

    async def caller(self, exchange: Exchange) -> Caller:
        """:raises NewAgeError: who it is was not proved, or may not ask here."""
        key = exchange.key()
        if key is None or self._bearers.is_placeholder(key, exchange.peer):
            return self._bearers.without_key(exchange.peer, NAMESPACE)
        return await self._bearers.bearer(key, exchange.peer, NAMESPACE)

    async def enter(self, exchange: Exchange, put_out: Callable[[], None]) -> Stay:
        """He is present until he has left.

        :param put_out: as of ``Stay``. :raises NewAgeError: as ``caller``, or there is no place for him.
        """
        return self._presence.enter(await self.caller(exchange), put_out)

    @asynccontextmanager
    async def inside(self, exchange: Exchange) -> AsyncIterator[Caller]:
        """As ``enter``, for what is answered soon."""
        stay = await self.enter(exchange, _nothing)
        try:
            yield stay.caller
        finally:
            stay.leave()


def _nothing() -> None:
    """What he asked is answered in a moment."""
