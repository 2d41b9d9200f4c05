"""``/clients``: who is connected, and the administration of keys (contract 3.6)."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from newage.dialect import Body, clients
from newage.domain.model import Caller
from newage.namespaces import wire
from newage.namespaces.auth import parse_client_id, parse_own_id
from newage.services.accounts.key_admin import KeyAdministration
from newage.services.sessions.client_list import ClientListService
from newage.telemetry.audit import Recorder


def parse_subject(payload: Any) -> str | None:
    """Whose key is meant (aliases of contract 1.8); None: the caller's own."""
    return parse_client_id(payload, "targetClientId", "clientId")


@frozen(kw_only=True)
class ClientEvents:
    administration: KeyAdministration
    clients: ClientListService

    def all_keys(self, caller: Caller, _: None) -> Body:
        return clients.keys_ack(self.administration.overview(caller))

    def key_hash(self, caller: Caller, wanted: str | None) -> Body:
        return clients.key_ack(*self.administration.newest_hash(caller, wanted))

    async def generate(self, caller: Caller, subject: str | None) -> Body:
        return clients.key_ack(*await self.administration.generate(caller, subject))

    async def remove(self, caller: Caller, subject: str | None) -> Body:
        return clients.client_ack(await self.administration.remove(caller, subject))

    def client_list(self, caller: Caller, _: None) -> Body:
        return clients.list_ack(self.clients.clients())

    def handlers(self) -> wire.Handlers:
        generated = Recorder("key.generate", "CLIENT_KEY_GENERATED", client="")
        removed = Recorder("key.remove", "CLIENT_KEY_REMOVED", client="")
        return {
            "GET_ALL_CLIENT_KEYS": wire.answer(wire.nothing, self.all_keys, query=True),
            "GET_CLIENT_KEY": wire.answer(parse_own_id, self.key_hash, query=True),
            "GENERATE_CLIENT_KEY": wire.answer(parse_subject, self.generate, audit=generated),
            "REMOVE_CLIENT_KEY": wire.answer(parse_subject, self.remove, audit=removed),
            "GET_CLIENT_LIST": wire.answer(wire.nothing, self.client_list, query=True),
            "UPDATE_CONNECTED_CLIENTS": wire.answer(wire.nothing, self.client_list, query=True),
        }
