"""``/clients``: who is connected, and the administration of keys (contract 3.6)."""

from __future__ import annotations

from typing import Any

from newage.domain.model import Caller
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.auth import parse_client_id, parse_own_id
from newage.namespaces.handshake import add_client_disconnected, connect_handler, disconnected
from newage.namespaces.wire import answer, nothing
from newage.services.accounts.auth import AuthService
from newage.services.accounts.key_admin import KeyAdministration
from newage.services.accounts.keys import KeyService
from newage.services.sessions.client_list import ClientListService
from newage.services.sessions.sessions import SessionService
from newage.telemetry.audit import Recorder


def parse_subject(payload: Any) -> str | None:
    """Whose key is meant (aliases of contract 1.8); None: the caller's own."""
    return parse_client_id(payload, "targetClientId", "clientId")


def make_clients_namespace(
    auth: AuthService,
    keys: KeyService,
    administration: KeyAdministration,
    sessions: SessionService,
    clients: ClientListService,
) -> Namespace:
    """The namespace. ``clients`` is to be added to the listeners of ``sessions`` by whoever builds it."""

    def all_keys(caller: Caller, _: None) -> dict[str, Any]:
        return {"keys": administration.overview(caller)}

    def key_hash(caller: Caller, wanted: str | None) -> dict[str, Any]:
        client_id = administration.readable_id(caller, wanted)
        return {"key": keys.newest_hash(client_id), "clientId": client_id}

    async def generate(caller: Caller, subject: str | None) -> dict[str, Any]:
        client_id = caller.client_id if subject is None else subject
        return {"key": await administration.generate(caller, client_id), "clientId": client_id}

    async def remove(caller: Caller, subject: str | None) -> dict[str, Any]:
        client_id = caller.client_id if subject is None else subject
        await administration.remove(caller, client_id)
        return {"clientId": client_id}

    def client_list(caller: Caller, _: None) -> dict[str, Any]:
        return {"clients": clients.clients()}

    namespace = Namespace("/clients", connect=connect_handler(auth, sessions), disconnected=disconnected(sessions))
    namespace.on("GET_ALL_CLIENT_KEYS", answer(nothing, all_keys, query=True))
    namespace.on("GET_CLIENT_KEY", answer(parse_own_id, key_hash, query=True))
    generated = Recorder("key.generate", "CLIENT_KEY_GENERATED", client="")
    removed = Recorder("key.remove", "CLIENT_KEY_REMOVED", client="")
    namespace.on("GENERATE_CLIENT_KEY", answer(parse_subject, generate, audit=generated))
    namespace.on("REMOVE_CLIENT_KEY", answer(parse_subject, remove, audit=removed))
    namespace.on("GET_CLIENT_LIST", answer(nothing, client_list, query=True))
    namespace.on("UPDATE_CONNECTED_CLIENTS", answer(nothing, client_list, query=True))
    return add_client_disconnected(namespace)
