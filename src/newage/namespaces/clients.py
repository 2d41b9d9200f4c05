"""``/clients``: who is connected, and the administration of keys (contract 3.6)."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from newage.dialect import Body, clients, pairing
from newage.domain.foreign_json import without_hostile_keys
from newage.domain.model import Caller
from newage.errors import InvalidRequest
from newage.namespaces import wire
from newage.namespaces.auth import parse_client_id, parse_own_id
from newage.services.accounts.expulsion import Expulsion
from newage.services.accounts.key_admin import KeyAdministration
from newage.services.accounts.pair_admin import PairingAdministration
from newage.services.sessions.client_list import ClientListService
from newage.telemetry.audit import Recorder

MAX_MADE = 500  # keys that REMOVE_CLIENT_KEY names
MAX_REASON_CHARS = 512


def parse_subject(payload: Any) -> str | None:
    """Whose key is meant (aliases of contract 1.8); None: the caller's own."""
    return parse_client_id(payload, "targetClientId", "clientId")


@frozen
class Disconnect:
    """DISCONNECT_CLIENT; without an ``identity`` all of the client's are meant."""

    client_id: str
    identity: str | None
    reason: str

    @classmethod
    def parse(cls, payload: Any) -> Disconnect:
        """:raises InvalidRequest: no client is named, or an identity or a reason is no such thing."""
        body = wire.members(payload)
        client_id = parse_subject(body)
        identity, reason = parse_client_id(body, "identity", "targetIdentity"), wire.first(body, "reason")
        if client_id is None or not (reason is None or (isinstance(reason, str) and len(reason) <= MAX_REASON_CHARS)):
            raise InvalidRequest(wire.INVALID)
        return cls(client_id, identity, without_hostile_keys(reason or ""))


@frozen
class Answered:
    """CREATE_PAIRING about a code that there is; ``number``: whom the answer is about, None to only look."""

    code: str = field(repr=False)
    number: int | None
    accept: bool

    @classmethod
    def parse(cls, payload: Any) -> Answered | None:
        """None: a new code is wanted."""
        body = wire.members(payload)
        if wire.first(body, "code") is None:
            return None
        number = pairing.number_of(body) if "confirm" in body else None
        return cls(pairing.code_of(body), number, pairing.accepts(body))


@frozen(kw_only=True)
class ClientEvents:
    administration: KeyAdministration
    expulsion: Expulsion
    clients: ClientListService
    pairing: PairingAdministration

    def all_keys(self, caller: Caller, _: None) -> Body:
        return clients.keys_ack(self.administration.overview(caller))

    def key_hash(self, caller: Caller, wanted: str | None) -> Body:
        return clients.key_ack(*self.administration.newest_hash(caller, wanted))

    async def generate(self, caller: Caller, subject: str | None) -> Body:
        return clients.key_ack(*await self.administration.generate(caller, subject))

    async def remove(self, caller: Caller, subject: str | None) -> Body:
        revoked = await self.administration.remove(caller, subject)
        return clients.removed_ack(revoked.client_id, revoked.made, MAX_MADE)

    def disconnect(self, caller: Caller, wanted: Disconnect) -> Body:
        sockets = self.expulsion.disconnect(caller, wanted.client_id, wanted.identity, wanted.reason)
        return clients.disconnected_ack(sockets)

    async def create_pairing(self, caller: Caller, wanted: Answered | None) -> Body:
        """A new code, or what became of one, or a yes or no to who asks by it."""
        if wanted is None:
            return pairing.made(self.pairing.create(caller), self.pairing.seconds)
        if wanted.number is None:
            return pairing.standing(self.pairing.standing(caller, wanted.code))
        return pairing.standing(await self.pairing.answer(caller, wanted.code, wanted.number, accept=wanted.accept))

    def client_list(self, caller: Caller, _: None) -> Body:
        return clients.list_ack(self.clients.clients())

    def handlers(self) -> wire.Handlers:
        generated = Recorder("key.generate", "CLIENT_KEY_GENERATED", client="")
        removed = Recorder("key.remove", "CLIENT_KEY_REMOVED", client="")
        disconnected = Recorder("client.disconnect", "CLIENT_DISCONNECTED", client="client_id", instance="identity")
        return {
            "GET_ALL_CLIENT_KEYS": wire.answer(wire.nothing, self.all_keys, query=True),
            "GET_CLIENT_KEY": wire.answer(parse_own_id, self.key_hash, query=True),
            "GENERATE_CLIENT_KEY": wire.answer(parse_subject, self.generate, audit=generated),
            "REMOVE_CLIENT_KEY": wire.answer(parse_subject, self.remove, audit=removed),
            "DISCONNECT_CLIENT": wire.answer(Disconnect.parse, self.disconnect, audit=disconnected),
            "CREATE_PAIRING": wire.answer(Answered.parse, self.create_pairing),
            "GET_CLIENT_LIST": wire.answer(wire.nothing, self.client_list, query=True),
            "UPDATE_CONNECTED_CLIENTS": wire.answer(wire.nothing, self.client_list, query=True),
        }
