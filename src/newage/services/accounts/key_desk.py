"""Keys one by one, for administrators: listed, made with a name, a scope and an end, revoked by their ids (B6, B7).

The rights are ``KeyAdministration``'s: one's own, and others' below one's rank. Administrators of other ids are made on
the hub's machine alone.
"""

from __future__ import annotations

from attrs import define, field, frozen

from newage.domain.ids import is_extension_id, is_new_id, is_valid_id
from newage.domain.model import Caller, KeyRecord, Rank, Scope
from newage.domain.policy import administers
from newage.errors import InvalidRequest, NotAuthorised, NotFound
from newage.services.accounts.key_admin import KeyAdministration
from newage.services.accounts.keys import Grant, KeyService
from newage.services.accounts.revocation import Revocation, Revoked
from newage.services.accounts.trust import TrustService
from newage.telemetry.audit import Recorder

NO_KEY = "There is no key of that id for you to revoke."
NO_CLIENT = "That cannot be a client id."
NO_EXTENSION = "That scope is for ids of extensions, which begin with SillyTavern."
AN_EXTENSION = "That is an extension's id: its keys are of scope extension or all."
NO_ADMINISTRATOR = "An administrator of another id is made on the hub's machine: newage keys new --scope admin."
WIDER = "A key opens no more than the one by which it is made."
_BELOW = {
    Scope.ADMIN: frozenset({Scope.ADMIN, Scope.CLIENT, Scope.API, Scope.WEBHOOK}),
    Scope.ALL: frozenset(Scope),
}


@frozen(kw_only=True)
class NewKey:
    """What is wanted. ``seconds``: how long it is good for; None: until it is revoked, or its maker's key ends."""

    client_id: str
    scope: Scope = Scope.CLIENT
    name: str = ""
    seconds: float | None = None


@define(eq=False, kw_only=True)
class KeyDesk:
    _administration: KeyAdministration
    _keys: KeyService
    _trust: TrustService
    _revocation: Revocation
    _trusted: Recorder = field(factory=lambda: Recorder("client.trust", "CLIENT_ADDED"), init=False)

    def listed(self, actor: Caller) -> tuple[tuple[KeyRecord, bool], ...]:
        """The keys that the actor may revoke, and whether each opens something now.

        :raises NotAuthorised: he is no administrator.
        """
        return tuple((each, self._keys.is_live(each)) for each in self._reach(actor))

    async def make(self, actor: Caller, wanted: NewKey) -> tuple[KeyRecord, str]:
        """One more key, for oneself or somebody below; who is not trusted yet is trusted by it.

        :return: its record, and the key, which nobody can read again.
        :raises NotAuthorised: that is not for the actor. :raises InvalidRequest: there is no such key.
        :raises Unavailable: as ``KeyService.generate``.
        """
        self._check(actor)
        client_id, own = wanted.client_id, wanted.client_id == actor.client_id
        if wanted.scope not in _BELOW.get(actor.scope or Scope.API, ()):
            raise NotAuthorised(WIDER)
        if not is_valid_id(client_id):
            raise InvalidRequest(NO_CLIENT)
        if (wanted.scope is Scope.EXTENSION) > is_extension_id(client_id):
            raise InvalidRequest(NO_EXTENSION)
        if is_extension_id(client_id) and wanted.scope not in (Scope.ALL, Scope.EXTENSION):
            raise InvalidRequest(AN_EXTENSION)
        if wanted.scope is Scope.ADMIN and not own:
            raise NotAuthorised(NO_ADMINISTRATOR)
        trusted = await self._trust.is_trusted(client_id, network_safe=False)
        if not trusted and not is_new_id(client_id):
            raise InvalidRequest(NO_CLIENT)
        if not self._administration.may_touch(actor, client_id):
            raise NotAuthorised("Unauthorized")
        key_id = self._keys.new_key_id()
        grant = Grant(
            rank=self._rank(actor, wanted, own=own),
            scope=wanted.scope,
            name=wanted.name,
            made_by=actor.client_id,
            seconds=wanted.seconds,
            until=actor.until,
            key_id=key_id,
            labelled=True,
        )
        if self._keys.is_over(actor.until):
            raise NotAuthorised("Unauthorized")
        key = await self._keys.generate(client_id, local=True, grant=grant)
        if not trusted:
            await self._trust.trust(client_id)
            self._trusted.done(actor, client=client_id)
        found = next((each for each in self._keys.records(client_id) if each.key_id == key_id), None)
        if found is None:
            raise NotFound(NO_KEY)  # it was revoked meanwhile
        return found, key

    async def revoke(self, actor: Caller, key_id: str) -> Revoked:
        """One key; who came in by it is put out.

        :raises NotAuthorised: the actor is no administrator. :raises NotFound: there is none of that id within reach.
        :raises InvalidRequest: there are several.
        """
        named = [each for each in self._reach(actor) if key_id and each.key_id == key_id]
        if not named:
            raise NotFound(NO_KEY)
        if len(named) > 1:
            raise InvalidRequest("That is the id of several keys: revoke all keys of their client.")
        return await self._revocation.of_key(named[0])

    def _rank(self, actor: Caller, wanted: NewKey, *, own: bool) -> Rank:
        if wanted.scope in (Scope.CLIENT, Scope.API, Scope.WEBHOOK):
            return Rank.CLIENT
        if wanted.scope is Scope.EXTENSION:
            return Rank.EXTENSION
        return actor.rank if own else self._trust.rank(wanted.client_id, network_safe=False)

    def _reach(self, actor: Caller) -> tuple[KeyRecord, ...]:
        self._check(actor)
        records = self._keys.all_records()
        clients = {each.client_id for each in records}  # each is asked about once: that looks at all sessions
        mine = {client_id for client_id in clients if self._administration.may_touch(actor, client_id)}
        return tuple(each for each in records if each.client_id in mine)

    def _check(self, actor: Caller) -> None:
        if not administers(actor):
            raise NotAuthorised("Unauthorized")
