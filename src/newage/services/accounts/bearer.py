"""Who sends a request over HTTP: the bearer of a key, or a program of this machine without one (B5, B7).

A door for ``/v1`` and ``/api/v1``: it makes the ``Caller`` that the methods of services take. Its namespace is the
path, "/v1"; its sid is of no socket. Nobody is present by being its ``Caller``: see ``services.sessions.presence``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import inf

from attrs import define

from newage.domain.ids import is_extension_id
from newage.domain.key_form import has_hub_form
from newage.domain.model import API_LOCAL, BOT, Caller, KeyRecord, Kind, Peer, Rank, Scope, Session
from newage.domain.policy import granted
from newage.errors import AuthenticationFailed, NotAuthorised
from newage.services.accounts.api_limits import ApiSettings
from newage.services.accounts.keys import KeyService
from newage.services.accounts.proofs import Proofs
from newage.services.accounts.trust import TrustService
from newage.services.sessions.names import Names
from newage.services.world import World

WRONG = "The key is wrong, or it was revoked, or has expired."
WANTED = "A key is wanted here: send the header Authorization: Bearer KEY."
OTHER_FORM = "A key of this form names no client. Have the hub make one that does (newage keys new): sk-newage-..."
OTHER_SCOPE = "This key does not open the API: it takes one of scope {}."
EXTENSIONS = "An extension answers; a key of its id asks nothing over HTTP."

_BEGINS = "sk-newage-"
_SCOPES = (Scope.API, Scope.ALL)


@define(eq=False, kw_only=True)
class BearerService:
    """:param network_safe: the setting as it is now."""

    _keys: KeyService
    _trust: TrustService
    _proofs: Proofs
    _world: World
    _names: Names
    _settings: ApiSettings
    _network_safe: Callable[[], bool]

    async def bearer(
        self,
        key: str,
        peer: Peer,
        namespace: str,
        claimed: Kind = Kind.CLIENT,
        scopes: Collection[Scope] = _SCOPES,
    ) -> Caller:
        """Who shows that key. Without an await where the key's digest decides, which is always but for the first time
        after the digests' secret was lost: a wrong key of the hub's form costs no hash.

        :param namespace: the path that is asked. :param claimed: as what it wants to act: an administrator is what it
            is then as ``policy.granted`` says, by a key of that rank; else a client.
        :param scopes: of the keys that open it.
        :raises AuthenticationFailed: wrong, revoked and expired are one failure; what has another form is told so.
        :raises NotAuthorised: the key is right, and is for something else.
        """
        client_id = self._keys.client_of(key)
        if client_id is None:
            raise AuthenticationFailed(WRONG if key.startswith(_BEGINS) else OTHER_FORM)
        record = self._proofs.recognised(client_id, key, peer)
        if record is None:
            record = await self._proofs.matching_key(client_id, key, peer, namespace)
        network_safe = self._network_safe()
        if record is None or not await self._trust.is_trusted(client_id, network_safe=network_safe):
            raise AuthenticationFailed(WRONG)
        if record.scope not in scopes:
            raise NotAuthorised(OTHER_SCOPE.format(" or ".join(each.value for each in scopes)))
        if is_extension_id(client_id):
            raise NotAuthorised(EXTENSIONS)
        if self._names.holder(client_id) not in (None, client_id):
            raise AuthenticationFailed("Invalid identity.")
        kind, sensitive = Kind.CLIENT, False
        if claimed is Kind.ADMIN and self._may_administer(record, network_safe):
            kind, sensitive = granted(claimed, peer, proven=True, keyless=False, network_safe=network_safe)
        return self._caller(client_id, peer, namespace, record, kind, sensitive=sensitive)

    def _may_administer(self, record: KeyRecord, network_safe: bool) -> bool:
        """As at the door of sockets (``auth``): who was made an administrator by the settings alone is one no longer
        than they say so, whatever his keys were issued for."""
        if record.rank is not Rank.ADMIN:
            return False
        if record.scope is Scope.ADMIN:
            return True  # the operator said so when it was made
        return record.scope is Scope.ALL and self._trust.permits(
            record.client_id, Kind.ADMIN, network_safe=network_safe
        )

    def without_key(self, peer: Peer, namespace: str) -> Caller:
        """A program of this machine, or a page of it, that shows no key: ``api-local``, never an administrator.

        :raises AuthenticationFailed: it is somewhere else, or the hub wants a key of everybody.
        """
        if not self._needs_no_key(peer):
            raise AuthenticationFailed(WANTED)
        return self._caller(API_LOCAL, peer, namespace, None, Kind.CLIENT, sensitive=False)

    def is_placeholder(self, key: str, peer: Peer) -> bool:
        """Whether what is shown says nothing: many programs insist on some key, where none is needed."""
        return self._needs_no_key(peer) and not key.startswith(_BEGINS) and not has_hub_form(key)

    def _needs_no_key(self, peer: Peer) -> bool:
        return peer.local and self._settings.local_without_key and self._network_safe()

    def _caller(
        self, client_id: str, peer: Peer, namespace: str, record: KeyRecord | None, kind: Kind, *, sensitive: bool
    ) -> Caller:
        scope = None if record is None else record.scope
        session = Session(
            client_id=client_id,
            identity=client_id,
            client_type=BOT if scope is Scope.WEBHOOK else "client",
            kind=kind,
            connected_at=self._world.wall(),
        )
        return Caller(
            sid=self._world.new_id(),
            namespace=namespace,
            session=session,
            peer=peer,
            sensitive=sensitive,
            credential="" if record is None else record.key_id or "key",
            keyless=record is None,
            scope=scope,
            until=inf if record is None else self._keys.end_of(record),
            rank=Rank.CLIENT if record is None else record.rank or Rank.CLIENT,
        )
