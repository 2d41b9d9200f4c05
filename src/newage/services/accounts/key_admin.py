"""Who may make, revoke and read whose keys (contract 2.8, 3.6, A11, A37, B6).

The rule, for every way to a credential: nobody touches one of a rank above his own; of his own rank only his own; below
it others', too.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import define, field
from twisted.logger import Logger

from newage.dialect.clients import HIDDEN
from newage.domain.ids import is_valid_id
from newage.domain.model import Caller, Kind, Rank
from newage.domain.policy import may_operate
from newage.domain.rank import may_touch
from newage.errors import ClientMissing, NotAuthorised
from newage.services.accounts.keys import Grant, KeyService
from newage.services.accounts.trust import TrustService
from newage.services.sessions.sessions import SessionService
from newage.telemetry.audit import Recorder

REMOVING_ABSENT_KEY = 61  # warningCode
NOT_YOURS = "You are have no right to get others key."  # the reference server's words

# What to do, beside the words of a refusal.
NEEDS_PASSWORD = "A password is set for this client: send it as password, or log in."  # noqa: S105 - no password
NEEDS_OPERATOR = "An administrator's key exists already. On the hub's machine, `newage keys new {client_id}` makes one."
NEEDS_RANK = "This client is more than you have shown to be. On the hub's machine, `newage keys new {client_id}` helps."


@define(eq=False)
class KeyAdministration:
    """Key operations on behalf of a caller."""

    _log: ClassVar[Logger] = Logger()

    _keys: KeyService
    _trust: TrustService
    _sessions: SessionService
    _trusted: Recorder = field(factory=lambda: Recorder("client.trust", "CLIENT_ADDED"), init=False)
    _making_first: bool = field(default=False, init=False)  # the first administrator's key is being hashed

    def rank_of(self, client_id: str) -> Rank:
        """An id's rank: the highest of its trust, its keys and what it is connected as (B6)."""
        connected = [Rank.of(s.kind) for s in self._sessions.online_sessions() if s.client_id == client_id]
        return max(self._trust.guarded_rank(client_id), self._keys.rank(client_id), *connected)

    # --------------------------------------------------------------------------------------------------- of others

    def overview(self, caller: Caller) -> dict[str, str | None]:
        """The newest hash of every id that has a key and is not above the caller.

        Extensions see who, not the hash; so do administrators of one another.

        :raises NotAuthorised: client kind, or no sensitive rights.
        """
        self._require(caller)
        shown: dict[str, str | None] = {}
        for client_id in self._keys.client_ids():
            if self.rank_of(client_id) <= caller.rank:
                readable = caller.kind is Kind.ADMIN and self._may_touch(caller, client_id)
                shown[client_id] = self._keys.newest_hash(client_id) if readable else HIDDEN
        return shown

    def newest_hash(self, caller: Caller, wanted: str | None) -> tuple[str, str | None]:
        """A clientId and the hash of its newest key: one's own, and for an administrator that of anybody below.

        :param wanted: a clientId; None is the caller's own.
        :raises NotAuthorised: it is not for the caller.
        """
        client_id = caller.client_id if wanted is None else wanted
        if client_id != caller.client_id and caller.kind is not Kind.ADMIN:
            raise NotAuthorised(NOT_YOURS)
        if (client_id != caller.client_id and not caller.sensitive) or not self._may_touch(caller, client_id):
            raise NotAuthorised("Unauthorized")
        return client_id, self._keys.newest_hash(client_id)

    async def generate(self, caller: Caller, client_id: str) -> str:
        """Issue a key for oneself, or for somebody below.

        An administrator may for any id; one not trusted yet becomes trusted by it. An extension may for whoever is
        trusted or connected; that trusts the client, too: a key that opens no door would help nobody, and somebody at
        the extension's page has just asked for it.

        :raises NotAuthorised: not for this caller; ClientMissing: nobody knows this id; Unavailable: too many.
        """
        self._require(caller)
        if not is_valid_id(client_id):
            raise ClientMissing("Client not found.")
        trusted = await self._trust.is_trusted(client_id, network_safe=False)
        self._require_reach(caller, client_id)
        own = client_id == caller.client_id
        if caller.kind is not Kind.ADMIN and not trusted and not own and self._is_absent(client_id):
            raise ClientMissing("Client not found.")
        rank = caller.rank if own else self._trust.rank(client_id, network_safe=False)
        key = await self._keys.generate(client_id, local=True, grant=Grant(rank=rank, made_by=caller.client_id))
        if not trusted and (caller.kind is Kind.ADMIN or not own):
            await self._trust.trust(client_id)
            self._trusted.done(caller, client=client_id)
        return key

    async def remove(self, caller: Caller, client_id: str) -> None:
        """Revoke all keys of oneself or of somebody below, and the trust that a key of ours had brought; idempotent.

        Sockets that are connected stay until they reconnect.

        :raises NotAuthorised: not for this caller.
        """
        self._require(caller)
        self._require_reach(caller, client_id)
        removed = await self._keys.remove(client_id)
        await self._trust.distrust(client_id)
        if not removed:
            self._log.warn("no key of {client_id} to remove", client_id=client_id, warning_code=REMOVING_ABSENT_KEY)

    # ------------------------------------------------------------------------------------------------- for oneself

    async def assign(self, caller: Caller) -> str:
        """A key for the caller: what ``getKey`` and a password ask for (contract 2.8.5, 2.8.6, A37).

        :raises NotAuthorised: with what to do as ``hint``; Unavailable: as ``KeyService.generate``.
        """
        client_id = caller.client_id
        rank = self.rank_of(client_id)
        if self._trust.password_hash(client_id) is not None and not caller.credential:
            raise NotAuthorised("Unauthorized", hint=NEEDS_PASSWORD)
        if not may_touch(caller.rank, rank, own=True):
            raise NotAuthorised("Unauthorized", hint=NEEDS_RANK.format(client_id=client_id))
        grant = Grant(rank=rank, made_by=client_id)
        if rank is not Rank.ADMIN:
            return await self._keys.generate(client_id, local=caller.peer.local, grant=grant)
        if self._making_first or self._keys.has_administrator() or not (caller.sensitive or caller.bootstrap):
            raise NotAuthorised("Unauthorized", hint=NEEDS_OPERATOR.format(client_id=client_id))
        self._making_first = True
        try:
            return await self._keys.generate(client_id, local=caller.peer.local, grant=grant)
        finally:
            self._making_first = False

    async def identify(self, caller: Caller) -> str:
        """One more key for an extension that says who it is (contract 3.7); it proves an extension and nothing above.

        No password is asked for: the reference extension has none to send (contract 2.2). Who showed nothing and is not
        the hub's system user gets one that proves nothing elsewhere (B2): here it needs none.
        """
        proven = caller.sensitive or caller.bootstrap or caller.credential
        grant = Grant(rank=Rank.EXTENSION if proven else Rank.CLIENT, made_by=caller.client_id)
        return await self._keys.generate(caller.client_id, local=caller.peer.local, grant=grant)

    # ------------------------------------------------------------------------------------------------------- rights

    def _require(self, caller: Caller) -> None:
        if not may_operate(caller):
            raise NotAuthorised("Unauthorized")

    def _require_reach(self, caller: Caller, client_id: str) -> None:
        if not self._may_touch(caller, client_id):
            raise NotAuthorised("Unauthorized")

    def _may_touch(self, caller: Caller, client_id: str) -> bool:
        own = client_id == caller.client_id
        # Others' are touched as what one is here, one's own with what one has shown.
        actor = caller.rank if own else min(caller.rank, Rank.of(caller.kind))
        return may_touch(actor, self.rank_of(client_id), own=own)

    def _is_absent(self, client_id: str) -> bool:
        """Whether no session of exactly this clientId is connected; keys know no identities."""
        return all(session.client_id != client_id for session in self._sessions.online_sessions())
