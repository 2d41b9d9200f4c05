"""Credentials are taken back: keys, and the trust that came with one (contract 2.8, A14, B10).

Who was let in by them is told so and put out by whoever hears of it, see ``expulsion``.
"""

from __future__ import annotations

from attrs import define, frozen

from newage.domain.model import KeyRecord
from newage.services.accounts.attempts import AttemptLimiter
from newage.services.accounts.keys import KeyService
from newage.services.accounts.trust import TrustService
from newage.services.events import AccountEvents


@frozen
class Revoked:
    """``records`` are the keys that went; ``made`` those that their client made for others and that go on living."""

    client_id: str
    records: tuple[KeyRecord, ...]
    made: tuple[KeyRecord, ...]


@define(eq=False)
class Revocation:
    """Asks for no rights: who calls it has."""

    _keys: KeyService
    _trust: TrustService
    _limiter: AttemptLimiter
    _events: AccountEvents

    async def of_client(self, client_id: str) -> Revoked:
        """All keys of a client and its trust, but for what a settings file says; idempotent.

        Listeners hear of it as the last thing, once it is stored or could not be.
        """
        try:
            records = await self._keys.remove(client_id)
            await self._trust.distrust(client_id)
        finally:
            self._limiter.forget(client_id)
            self._events.keys_revoked(client_id, None)
            self._events.trust_changed()
        return Revoked(client_id, records, self._made_by(client_id))

    async def of_key(self, record: KeyRecord) -> Revoked:
        """One key; idempotent."""
        try:
            await self._keys.remove_one(record)
        finally:
            self._limiter.forget(record.client_id)
            self._events.keys_revoked(record.client_id, record.key_id)
        return Revoked(record.client_id, (record,), self._made_by(record.client_id))

    def _made_by(self, client_id: str) -> tuple[KeyRecord, ...]:
        return tuple(
            each
            for each in self._keys.all_records()
            if each.made_by == client_id != each.client_id and self._keys.is_live(each)
        )
