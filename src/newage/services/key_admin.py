"""Keys of others: who may issue, revoke and list them (contract 3.6, A11)."""

from __future__ import annotations

from typing import Any, ClassVar

from attrs import define, field
from twisted.logger import Logger

from newage.audit import Recorder
from newage.domain.model import Caller, Kind, Session
from newage.errors import ClientMissing, NotAuthorised
from newage.services.identities import is_extension_id, is_valid_id
from newage.services.keys import KeyService
from newage.services.sessions import SessionService
from newage.services.trust import TrustService

REMOVING_ABSENT_KEY = 61  # warningCode


@define(eq=False)
class KeyAdministration:
    """Key operations on behalf of a caller."""

    _log: ClassVar[Logger] = Logger()

    _keys: KeyService
    _trust: TrustService
    _sessions: SessionService
    _trusted: Recorder = field(factory=lambda: Recorder("client.trust", "CLIENT_ADDED"), init=False)

    def overview(self, caller: Caller) -> dict[str, Any]:
        """The hash of every id that has a key; extensions see who, not the hash.

        :raises NotAuthorised: client kind, or no sensitive rights.
        """
        self._require(caller)
        masked = caller.kind is not Kind.ADMIN
        return {
            client_id: {"key": "***" if masked else self._keys.newest_hash(client_id), "rooms": []}
            for client_id in self._keys.client_ids()
        }

    async def generate(self, caller: Caller, client_id: str) -> str:
        """Issue a key for somebody.

        An administrator may for any id; one not trusted yet becomes trusted by it. An extension may for whoever is
        trusted or connected, and for no other extension; that trusts the client, too: a key that opens no door would
        help nobody, and somebody at the extension's page has just asked for it.

        :raises NotAuthorised: not for this caller; ClientMissing: nobody knows this id; Unavailable: too many.
        """
        self._require(caller)
        if not is_valid_id(client_id):
            raise ClientMissing("Client not found.")
        trusted = await self._trust.is_trusted(client_id, network_safe=False)
        if caller.kind is not Kind.ADMIN:
            self._require_reach(caller, client_id)
            if not trusted and client_id != caller.client_id and self._session_of(client_id) is None:
                raise ClientMissing("Client not found.")
        key = await self._keys.generate(client_id, local=True)
        if not trusted and (caller.kind is Kind.ADMIN or client_id != caller.client_id):
            await self._trust.trust(client_id)
            self._trusted.done(caller, client=client_id)
        return key

    async def remove(self, caller: Caller, client_id: str) -> None:
        """Revoke all keys of somebody, and the trust that a key of ours had brought; idempotent.

        Sockets that are connected stay until they reconnect.

        :raises NotAuthorised: not for this caller.
        """
        self._require(caller)
        if caller.kind is not Kind.ADMIN:
            self._require_reach(caller, client_id)
        removed = await self._keys.remove(client_id)
        await self._trust.distrust(client_id)
        if not removed:
            self._log.warn("no key of {client_id} to remove", client_id=client_id, warning_code=REMOVING_ABSENT_KEY)

    def _require(self, caller: Caller) -> None:
        if caller.kind is Kind.CLIENT or not caller.sensitive:
            raise NotAuthorised("Unauthorized")

    def _require_reach(self, caller: Caller, client_id: str) -> None:
        """An extension has no say over another one."""
        session = self._session_of(client_id)
        is_extension = is_extension_id(client_id) or (session is not None and session.kind is Kind.EXTENSION)
        if is_extension and client_id != caller.client_id:
            raise NotAuthorised("Unauthorized")

    def _session_of(self, client_id: str) -> Session | None:
        """A connected session of exactly this clientId; keys know no identities."""
        return next((s for s in self._sessions.online_sessions() if s.client_id == client_id), None)
