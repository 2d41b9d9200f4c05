"""Who may come in, and with what rights: the checks of contract 2.4 in their order, with A1, B1 and B2."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from math import inf
from typing import ClassVar

from attrs import define, evolve, field, frozen
from twisted.logger import Logger

from newage.dialect.clients import GET_KEY
from newage.domain.ids import is_extension_id, is_new_id, is_valid_identity
from newage.domain.model import Agent, Caller, KeyRecord, Kind, Peer, Rank, Scope, Session
from newage.domain.policy import granted
from newage.domain.rank import gives_rights, proves
from newage.errors import AuthenticationFailed, NotAuthorised, NotFound, Unavailable
from newage.services.accounts.keys import KeyService
from newage.services.accounts.limits import AuthSettings
from newage.services.accounts.pairing import NAMESPACE as PAIRING_NAMESPACE
from newage.services.accounts.pairing import PairingService
from newage.services.accounts.proofs import Proofs
from newage.services.accounts.trust import TrustService
from newage.services.sessions.names import Names
from newage.services.world import World

BOOTSTRAP_NAMESPACES = frozenset({"/sillytavern", "/auth", "/function_call"})
PASSWORD_NAMESPACES = frozenset({"/sillytavern", "/auth"})

ANYBODY = frozenset(Kind)
STAFF = frozenset({Kind.EXTENSION, Kind.ADMIN})  # /debug
EXTENSIONS = frozenset({Kind.EXTENSION})  # /sillytavern


class Proof(Enum):
    """Why a peer was let in."""

    LOCAL = auto()  # networkSafe and a local peer: nothing was asked
    KEY = auto()
    PASSWORD = auto()
    PAIRING = auto()  # a pairing code, for an extension that asks for its first key by it (B13)
    BOOTSTRAP = auto()  # trusted, the hub's own system user or a listed address, and no key yet (contract 2.8.4 a)


@frozen
class Shown:
    """How a peer came in, and with which key."""

    proof: Proof
    key: KeyRecord | None = None

    @property
    def credential(self) -> str:
        """As ``Caller.credential``."""
        if self.key is not None:
            return self.key.key_id or "key"
        return "password" if self.proof is Proof.PASSWORD else ""


@frozen(kw_only=True)
class HandshakeRequest:
    """The auth payload of a CONNECT, as parsed; ``identity`` may still be malformed, for step 2 to refuse."""

    client_id: str
    identity: str
    client_type: str = "client"
    key: object = field(default=None, repr=False)  # whatever was sent; only a string can be valid
    password: str = field(default="", repr=False)
    pair: str | None = field(default=None, repr=False)  # a pairing code, or what is given as one
    desc: str = ""
    html: str = ""
    stream_mode: str = ""
    incremental: bool = False
    outputs: bool = False
    capacity: int = 0
    features: frozenset[str] = frozenset()
    exclusive: bool = False
    instance: str = ""
    name: str = ""

    @property
    def kind(self) -> Kind:
        return Kind.of(self.client_type)

    @property
    def wants_key(self) -> bool:
        return self.key == GET_KEY

    @property
    def pairs(self) -> bool:
        """Whether it comes by a pairing code (B13); ``getKey`` beside it says nothing, a key does."""
        return self.pair is not None and not self.presents_key

    @property
    def presents_key(self) -> bool:
        return self.key is not None and self.key != "" and not self.wants_key


def _is_extensions(shown: Shown) -> bool:
    """Whether what was shown is a key of scope extension: all that opens a pinned id (B3)."""
    return shown.key is not None and shown.key.scope is Scope.EXTENSION


@define(eq=False, kw_only=True)
class AuthService:
    """The gatekeeper.

    :param network_safe: the setting as it is now; a change concerns new connections only.
    """

    _log: ClassVar[Logger] = Logger()

    _keys: KeyService
    _trust: TrustService
    _proofs: Proofs
    _world: World
    settings: AuthSettings
    _network_safe: Callable[[], bool]
    _names: Names
    _pairing: PairingService

    def is_open_to(self, peer: Peer) -> bool:
        """Whether this peer skips trust and key (A1)."""
        return peer.local and self._network_safe()

    @property
    def network_safe(self) -> bool:
        return self._network_safe()

    def has_password(self, client_id: str) -> bool:
        """Whether a password is set for this id."""
        return self._trust.password_hash(client_id) is not None

    async def admit(
        self, request: HandshakeRequest, *, sid: str, namespace: str, peer: Peer, gate: frozenset[Kind] = ANYBODY
    ) -> Caller:
        """All checks after the shape of the payload; without an await when nothing needs one.

        :param gate: the kinds this namespace is for.
        :raises AuthenticationFailed: steps 1-4; NotAuthorised: steps 5-6; Unavailable: too many logins at once.
        """
        network_safe = self._network_safe()
        self._ask_the_owner(request, namespace, peer, network_safe=network_safe)
        self._check_identity(request)
        if request.pairs and namespace == PAIRING_NAMESPACE:
            return await self._admit_to_pair(request, sid, namespace, peer)
        if network_safe and peer.local:
            shown = await self._shown_by_local(request, namespace, peer)
        else:
            if not await self._trust.is_trusted(request.client_id, network_safe=network_safe):
                raise AuthenticationFailed("Client is not trusted.")
            shown = await self._prove(request, namespace, peer)
            if not self._covers(shown, request.client_id, request.kind, namespace, peer, network_safe=network_safe):
                raise NotAuthorised("Unauthorized")
            # Others came, and the operator decided, while this one was being checked.
            self._check_identity(request)
            if not self._trust.knows(request.client_id, network_safe=network_safe):
                raise AuthenticationFailed("Client is not trusted.")
        kind, sensitive = self._granted(request.kind, peer, shown.proof, network_safe)
        sensitive = sensitive and (shown.key is None or gives_rights(shown.key))
        if kind not in gate:
            raise NotAuthorised("Unauthorized")
        if self._keys.is_pinned(request.client_id) and not _is_extensions(shown):
            raise AuthenticationFailed("Invalid key.")
        return self._caller(request, sid, namespace, peer, shown, kind, sensitive)

    async def _admit_to_pair(self, request: HandshakeRequest, sid: str, namespace: str, peer: Peer) -> Caller:
        """By the code alone, wherever it comes from and whether its id is trusted or not; it may ask for its key.

        :raises NotAuthorised: it is no extension; AuthenticationFailed: not the code.
        """
        client_id = request.client_id
        if request.kind is not Kind.EXTENSION or not is_extension_id(client_id):
            raise NotAuthorised("Unauthorized")
        if not await self._trust.is_trusted(client_id, network_safe=False) and not is_new_id(client_id):
            raise NotAuthorised("Unauthorized")
        ticket = self._pairing.show(request.pair or "", peer.address)
        caller = self._caller(request, sid, namespace, peer, Shown(Proof.PAIRING), Kind.EXTENSION, False)
        return evolve(caller, bootstrap=True, pairing=ticket, rank=Rank.CLIENT)

    async def log_in(self, caller: Caller, client_id: object, password: object) -> Caller:
        """LOGIN (contract 2.8.6): the caller with the rights that the password gives.

        :raises AuthenticationFailed: with the contract's text; NotFound: no password is set.
        """
        if client_id != caller.client_id or not isinstance(password, str) or not password:
            raise AuthenticationFailed("Invalid login data.")
        if self._trust.password_hash(caller.client_id) is None:
            raise NotFound("Password not set on server.")
        if not await self._proofs.password_matches(caller.client_id, password, caller.peer, caller.namespace):
            raise AuthenticationFailed("Incorrect password.")
        shown, network_safe = Shown(Proof.PASSWORD), self._network_safe()
        kind, sensitive = caller.kind, caller.sensitive
        claimed = Kind.of(caller.session.client_type)
        if self._covers(shown, caller.client_id, claimed, caller.namespace, caller.peer, network_safe=network_safe):
            kind, sensitive = self._granted(claimed, caller.peer, Proof.PASSWORD, network_safe)
        rank = max(caller.rank, self._rank(shown, caller.client_id, kind, caller.peer))
        return evolve(
            caller,
            session=evolve(caller.session, kind=kind),
            sensitive=sensitive,
            bootstrap=False,
            credential=shown.credential,
            rank=rank,
        )

    # --------------------------------------------------------------------------------------------------------- checks

    def _check_identity(self, request: HandshakeRequest) -> None:
        """Step 2 (contract 2.9)."""
        identity, client_id = request.identity, request.client_id
        if not is_valid_identity(identity, client_id) or self._names.holder(identity) not in (None, client_id):
            raise AuthenticationFailed("Invalid identity.")
        longer = (identity[:length] for length in range(len(client_id) + 1, len(identity) + 1))
        if self._trust.belongs_to_another(identity, client_id) or any(map(self._keys.is_pinned, longer)):
            raise AuthenticationFailed("Invalid identity.")

    async def _shown_by_local(self, request: HandshakeRequest, namespace: str, peer: Peer) -> Shown:
        """Nothing is asked of a local peer; but a key that it shows is looked at where it gives more rights (B2).

        Neither a wrong one nor too many of them keep it out: it needs none to come in.
        """
        kind, nothing = request.kind, Shown(Proof.LOCAL)
        if request.presents_key and self._keys.of_extension(request.client_id):
            own = self._proofs.recognised(request.client_id, request.key, peer)
            if own is not None and own.scope is Scope.EXTENSION and proves(own, kind, namespace):
                return Shown(Proof.KEY, own)
        if kind is Kind.CLIENT or not request.presents_key or self._granted(kind, peer, Proof.LOCAL, True)[1]:
            return nothing
        client_id = request.client_id
        if not self._granted(kind, peer, Proof.KEY, True)[1] or self._keys.rank(client_id) < Rank.of(kind):
            return nothing
        trusted = await self._trust.is_trusted(client_id, network_safe=False)
        record = self._proofs.recognised(client_id, request.key, peer) if trusted else None
        if trusted and record is None:
            with suppress(AuthenticationFailed, Unavailable):
                record = await self._proofs.matching_key(client_id, request.key, peer, namespace)
        self._check_identity(request)  # others came while this one was being checked
        if record is None or not self._covers(
            shown := Shown(Proof.KEY, record), client_id, kind, namespace, peer, False
        ):
            return nothing
        return shown

    @staticmethod
    def _ask_the_owner(request: HandshakeRequest, namespace: str, peer: Peer, *, network_safe: bool) -> None:
        """Where it may matter whose connection it is: at once, while what asks is surely there; the peer remembers.

        By polling each request may come by a connection of its own, which is gone when a file has been read.
        """
        keyless = namespace in BOOTSTRAP_NAMESPACES and not request.presents_key and not network_safe
        if peer.local and (keyless or request.kind in (Kind.EXTENSION, Kind.ADMIN)):
            peer.owned()

    def _may_bootstrap(self, client_id: str, peer: Peer) -> bool:
        """2.8.4 (a) with B2: an administrator's id is for programs, and on this machine not without ``local_admin``."""
        if self._trust.permits(client_id, Kind.ADMIN, network_safe=False):
            listed = peer.bootstrap
            return peer.agent is Agent.PROGRAM and (listed or (self.settings.local_admin and peer.owned()))
        return peer.bootstrap or (peer.local and peer.owned())

    def _covers(self, shown: Shown, client_id: str, kind: Kind, namespace: str, peer: Peer, network_safe: bool) -> bool:
        """Whether what was shown covers being of this kind here (step 5, contract 2.7, B6).

        A key proves no more than what it was issued for, whatever its id has become since. A password, which whoever
        has the id may have chosen, makes nobody an administrator who could not fetch a first key (2.8.4 a).
        """
        if shown.key is not None:
            if not proves(shown.key, kind, namespace):
                return False
            if kind is Kind.ADMIN and shown.key.scope is Scope.ADMIN:
                return True  # the operator said so when it was made
        elif shown.proof is Proof.PASSWORD and kind is Kind.ADMIN and not self._may_bootstrap(client_id, peer):
            return False
        return self._trust.permits(client_id, kind, network_safe=network_safe)

    async def _prove(self, request: HandshakeRequest, namespace: str, peer: Peer) -> Shown:
        """Step 4 (contract 2.8)."""
        client_id = request.client_id
        known = self._proofs.recognised(client_id, request.key, peer) if request.presents_key else None
        if known is not None:
            return Shown(Proof.KEY, known)
        if request.password and namespace in PASSWORD_NAMESPACES and self._trust.password_hash(client_id) is not None:
            if await self._proofs.password_matches(client_id, request.password, peer, namespace):
                return Shown(Proof.PASSWORD)
        elif request.presents_key:
            record = await self._proofs.matching_key(client_id, request.key, peer, namespace)
            if record is not None:
                return Shown(Proof.KEY, record)
        elif namespace in BOOTSTRAP_NAMESPACES and self._may_bootstrap(client_id, peer):
            return Shown(Proof.BOOTSTRAP)
        raise AuthenticationFailed("Invalid key.")

    # --------------------------------------------------------------------------------------------------------- rights

    def _granted(self, claimed: Kind, peer: Peer, proof: Proof, network_safe: bool) -> tuple[Kind, bool]:
        """What the peer is, and whether it has sensitive rights."""
        return granted(
            claimed,
            peer,
            proven=proof in (Proof.KEY, Proof.PASSWORD),
            keyless=proof is Proof.LOCAL and self.settings.local_admin,
            network_safe=network_safe,
        )

    def _rank(self, shown: Shown, client_id: str, kind: Kind, peer: Peer) -> Rank:
        """How far the caller's hands reach for credentials (B6)."""
        if shown.key is not None:
            return shown.key.rank or Rank.CLIENT
        if shown.proof is Proof.LOCAL:
            # Another system user's extension needs no credential here, and takes hold of none that counts elsewhere.
            held = kind is not Kind.EXTENSION or peer.bootstrap or peer.owned()
            return Rank.of(kind) if held else Rank.CLIENT
        if self._may_bootstrap(client_id, peer):
            return self._trust.rank(client_id, network_safe=self._network_safe())
        return Rank.EXTENSION if is_extension_id(client_id) else Rank.CLIENT  # by a password alone

    def _caller(
        self,
        request: HandshakeRequest,
        sid: str,
        namespace: str,
        peer: Peer,
        shown: Shown,
        kind: Kind,
        sensitive: bool,
    ) -> Caller:
        session = Session(
            client_id=request.client_id,
            identity=request.identity,
            client_type=request.client_type,
            kind=kind,
            desc=request.desc,
            html=request.html,
            name=request.name,
            connected_at=self._world.wall(),
        )
        return Caller(
            sid=sid,
            namespace=namespace,
            session=session,
            peer=peer,
            sensitive=sensitive,
            bootstrap=shown.proof is Proof.BOOTSTRAP,
            credential=shown.credential,
            keyless=shown.proof is Proof.LOCAL,
            scope=None if shown.key is None else shown.key.scope,
            until=inf if shown.key is None else self._keys.end_of(shown.key),
            rank=self._rank(shown, request.client_id, kind, peer),
            stream_mode=request.stream_mode,
            incremental=request.incremental,
            outputs=request.outputs,
            capacity=request.capacity,
            features=request.features,
            exclusive=request.exclusive and kind is Kind.EXTENSION,
            instance=request.instance,
        )
