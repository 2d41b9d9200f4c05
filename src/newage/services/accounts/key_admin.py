"""Who may make, revoke and read whose keys (contract 2.8, 3.6, A11, A37, B6).

The rule, for every way to a credential: nobody touches one of a rank above his own; of his own rank only his own; below
it others', too. And no key that is made reaches further or lasts longer than the one by which its maker came in.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import define, evolve, field
from twisted.logger import Logger

from newage.dialect.clients import HIDDEN
from newage.domain.ids import is_extension_id, is_new_id, is_valid_id
from newage.domain.model import Caller, Kind, Rank, Scope
from newage.domain.policy import may_operate
from newage.domain.rank import may_touch
from newage.errors import ClientMissing, NotAuthorised
from newage.services.accounts.keys import Grant, KeyService
from newage.services.accounts.revocation import Revocation, Revoked
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
    """Key operations on behalf of a actor."""

    _log: ClassVar[Logger] = Logger()

    _keys: KeyService
    _trust: TrustService
    _sessions: SessionService
    _revocation: Revocation
    _trusted: Recorder = field(factory=lambda: Recorder("client.trust", "CLIENT_ADDED"), init=False)
    _making_first: bool = field(default=False, init=False)  # the first administrator's key is being hashed

    def rank_of(self, client_id: str) -> Rank:
        """An id's rank: the highest of its trust, its keys and what it is connected as (B6)."""
        connected = [Rank.of(s.kind) for s in self._sessions.online_sessions() if s.client_id == client_id]
        return max(self._trust.guarded_rank(client_id), self._keys.rank(client_id), *connected)

    # --------------------------------------------------------------------------------------------------- of others

    def overview(self, actor: Caller) -> dict[str, str | None]:
        """The newest hash of every id that has a key and is not above the actor.

        Extensions see who, not the hash; so do administrators of one another.

        :raises NotAuthorised: client kind, or no sensitive rights.
        """
        self._require(actor)
        shown: dict[str, str | None] = {}
        for client_id in self._keys.client_ids():
            if self.rank_of(client_id) <= actor.rank:
                readable = actor.kind is Kind.ADMIN and self.may_touch(actor, client_id)
                shown[client_id] = self._keys.newest_hash(client_id) if readable else HIDDEN
        return shown

    def newest_hash(self, actor: Caller, wanted: str | None) -> tuple[str, str | None]:
        """A clientId and the hash of its newest key: one's own, and for an administrator that of anybody below.

        :param wanted: a clientId; None is the actor's own.
        :raises NotAuthorised: it is not for the actor.
        """
        client_id = actor.client_id if wanted is None else wanted
        if client_id != actor.client_id and actor.kind is not Kind.ADMIN:
            raise NotAuthorised(NOT_YOURS)
        if (client_id != actor.client_id and not actor.sensitive) or not self.may_touch(actor, client_id):
            raise NotAuthorised("Unauthorized")
        return client_id, self._keys.newest_hash(client_id)

    async def generate(self, actor: Caller, subject: str | None) -> tuple[str, str]:
        """Issue a key for oneself, or for somebody below.

        An administrator may for any id; one not trusted yet becomes trusted by it. An extension may for whoever is
        trusted or connected; that trusts the client, too: a key that opens no door would help nobody, and somebody at
        the extension's page has just asked for it.

        :param subject: a clientId; None is the actor's own.
        :return: whose it is, and the key.
        :raises NotAuthorised: not for this actor; ClientMissing: nobody knows this id; Unavailable: too many.
        """
        self._require(actor)
        client_id = actor.client_id if subject is None else subject
        if not is_valid_id(client_id):
            raise ClientMissing("Client not found.")
        trusted = await self._trust.is_trusted(client_id, network_safe=False)
        self._require_reach(actor, client_id)
        own = client_id == actor.client_id
        unseen = not trusted and not own and not self._sessions.is_connected(client_id)
        if unseen and (actor.kind is not Kind.ADMIN or not is_new_id(client_id)):
            raise ClientMissing("Client not found.")
        rank = actor.rank if own else self._trust.rank(client_id, network_safe=False)
        key = await self._keys.generate(client_id, local=True, grant=self._grant(actor, rank, own=own))
        if not trusted and (actor.kind is Kind.ADMIN or not own):
            await self._trust.trust(client_id)
            self._trusted.done(actor, client=client_id)
        return client_id, key

    async def remove(self, actor: Caller, subject: str | None) -> Revoked:
        """Revoke all keys of oneself or of somebody below, and the trust that a key of ours had brought; idempotent.

        Sockets that they let in are ended.

        :param subject: as for ``generate``.
        :return: whose they were, and what of theirs is left that the actor may revoke, too.
        :raises NotAuthorised: not for this actor.
        """
        self._require(actor)
        client_id = actor.client_id if subject is None else subject
        self._require_reach(actor, client_id)
        revoked = await self._revocation.of_client(client_id)
        if not revoked.records:
            self._log.warn("no key of {client_id} to remove", client_id=client_id, warning_code=REMOVING_ABSENT_KEY)
        return evolve(revoked, made=tuple(each for each in revoked.made if self.may_touch(actor, each.client_id)))

    # ------------------------------------------------------------------------------------------------- for oneself

    async def assign(self, actor: Caller) -> str:
        """A key for the actor: what ``getKey`` and a password ask for (contract 2.8.5, 2.8.6, A37).

        :raises NotAuthorised: with what to do as ``hint``; Unavailable: as ``KeyService.generate``.
        """
        client_id = actor.client_id
        rank = self.rank_of(client_id)
        if self._trust.password_hash(client_id) is not None and not actor.credential:
            raise NotAuthorised("Unauthorized", hint=NEEDS_PASSWORD)
        if not may_touch(actor.rank, rank, own=True):
            raise NotAuthorised("Unauthorized", hint=NEEDS_RANK.format(client_id=client_id))
        grant = self._grant(actor, rank)
        if rank is not Rank.ADMIN:
            return await self._keys.generate(client_id, local=actor.peer.local, grant=grant)
        if self._making_first or self._keys.has_administrator() or not (actor.sensitive or actor.bootstrap):
            raise NotAuthorised("Unauthorized", hint=NEEDS_OPERATOR.format(client_id=client_id))
        self._making_first = True
        try:
            return await self._keys.generate(client_id, local=actor.peer.local, grant=grant)
        finally:
            self._making_first = False

    async def identify(self, actor: Caller, claimed: object, *, scoped: bool = False) -> str:
        """One more key for an extension that says who it is (contract 3.7); it proves an extension and nothing above.

        No password is asked for: the reference extension has none to send (contract 2.2). Who showed nothing and is not
        the hub's system user gets one that proves nothing elsewhere (B2): here it needs none.

        :param claimed: the id that it says it has; None is its own.
        :param scoped: the key shall be of scope extension, which pins the id once it is used (B3).
        :raises NotAuthorised: that is not its own, or no extension's.
        """
        if claimed not in (None, actor.client_id) or not is_extension_id(actor.client_id):
            raise NotAuthorised("Unauthorized")
        proven = actor.sensitive or actor.bootstrap or actor.credential
        grant = self._grant(actor, Rank.EXTENSION if proven else Rank.CLIENT)
        if scoped:
            grant = evolve(grant, scope=Scope.EXTENSION)
        return await self._keys.generate(actor.client_id, local=actor.peer.local, grant=grant)

    # ------------------------------------------------------------------------------------------------------- rights

    def _require(self, actor: Caller) -> None:
        if not may_operate(actor):
            raise NotAuthorised("Unauthorized")

    def _grant(self, actor: Caller, rank: Rank, *, own: bool = True) -> Grant:
        """A key of one's own opens what the shown one does; anybody's ends with it.

        What is below an administrator's rank is within his reach, whatever his scope.

        :raises NotAuthorised: the shown one is over.
        """
        if self._keys.is_over(actor.until):
            raise NotAuthorised("Unauthorized")
        scope = actor.scope if own and actor.scope is not None else Scope.ALL
        return Grant(rank=rank, scope=scope, made_by=actor.client_id, until=actor.until)

    def _require_reach(self, actor: Caller, client_id: str) -> None:
        if not self.may_touch(actor, client_id):
            raise NotAuthorised("Unauthorized")

    def may_touch(self, actor: Caller, client_id: str) -> bool:
        """Whether the credentials of that id are within the actor's reach (B6)."""
        own = client_id == actor.client_id
        # Others' are touched as what one is here, one's own with what one has shown.
        rank = actor.rank if own else min(actor.rank, Rank.of(actor.kind))
        return may_touch(rank, self.rank_of(client_id), own=own)
