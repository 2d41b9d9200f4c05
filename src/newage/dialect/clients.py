"""Who is connected, and whose keys there are (contract 3.2, 3.6, 2.8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from newage.dialect import Body, Event, acks
from newage.domain.model import KeyRecord, Kind, Rank, Scope, Session
from newage.domain.times import iso
from newage.errors import NewAgeError

GET_KEY = "getKey"  # in place of a key: asks for one
HIDDEN = "***"  # in place of a hash that is not for the reader


def info(session: Session) -> Body:
    """The superset that all readers understand; never any key material."""
    found: Body = {
        "id": session.client_id,
        "clientId": session.client_id,
        "identity": session.identity,
        "clientType": session.client_type,
        "desc": session.desc,
        "description": session.desc,
        "clientDesc": session.desc,
        "html": session.html,
        "clientHTML": session.html,
        "connectedAt": iso(session.connected_at),
    }
    if session.name:
        found["name"] = session.name
    return found


def infos(sessions: Sequence[Session], max_chars: int) -> list[Body]:
    """:param max_chars: of all descriptions and html; beyond, html is left out."""
    found = [info(session) for session in sessions]
    if sum(3 * len(session.desc) + 2 * len(session.html) for session in sessions) > max_chars:
        for each in found:
            each.update(html="", clientHTML="")
    return found


def list_ack(clients: Sequence[Body]) -> Body:
    return {"clients": clients}


def connected(clients: Sequence[Body], namespace: str) -> Event:
    """UPDATE_CONNECTED_CLIENTS. :param clients: as ``infos`` makes them, once for all receivers."""
    return Event("UPDATE_CONNECTED_CLIENTS", {"clients": clients}, (namespace,))


def connected_to_extensions(clients: Sequence[Body]) -> Event:
    """CONNECTED_CLIENTS_UPDATE: those that are no extensions."""
    others = [each for each in clients if Kind.of(each["clientType"]) is not Kind.EXTENSION]
    body = {"clients": others, "nonSillyTavernClients": others}
    return Event("CONNECTED_CLIENTS_UPDATE", body, ("/clients", "/auth"))


def companion(client_id: str, *, here: bool) -> Event:
    """WARNING to an extension that declared features: another one of its id, which did not, has come, or has gone."""
    said = "is here as well, and is not asked" if here else "has gone"
    words = f"Another extension of the id {client_id}, which declares no features, {said}."
    code = "OTHER_EXTENSION" if here else "OTHER_EXTENSION_GONE"
    return Event("WARNING", {"type": "WARNING", "message": words, "code": code, "clientId": client_id})


def extensions_ack(extensions: Sequence[Session]) -> Body:
    """Which extensions there are, in all the names that clients look for; of none, too."""
    identities = [session.identity for session in extensions]
    return {
        "extensions": identities,
        "allTheSTSocket": identities,
        "details": [
            {"identity": session.identity, "clientId": session.client_id, "desc": session.desc}
            for session in extensions
        ],
    }


# ---------------------------------------------------------------------------------------------------------------- keys


def keys_ack(hashes: Mapping[str, str | None]) -> Body:
    """:param hashes: of each clientId that has keys, the newest one's, or ``HIDDEN``."""
    return {"keys": {who: {"key": found, "rooms": []} for who, found in hashes.items()}}


def key_ack(client_id: str, key: str | None) -> Body:
    """A key, or the hash of one."""
    return {"key": key, "clientId": client_id}


def extension_key_ack(client_id: str, key: str) -> Body:
    """A key of scope extension, for one that asked for it (B3)."""
    return {**key_ack(client_id, key), "scope": Scope.EXTENSION.value}


def removed_ack(client_id: str, made: Sequence[KeyRecord], most: int) -> Body:
    """Whose keys were revoked; if that client made keys for others that still open something, which they are (B10).

    :param most: keys that are named; the others are counted as ``more``.
    """
    if not made:
        return {"clientId": client_id}
    named = [
        {
            "clientId": each.client_id,
            "keyId": each.key_id,
            "name": each.name,
            "rank": (each.rank or Rank.CLIENT).wire,
            "madeAt": iso(each.created_at),
        }
        for each in made[:most]
    ]
    return {"clientId": client_id, "made": named, "more": max(0, len(made) - most)}


def disconnected_ack(sockets: int) -> Body:
    return {"sockets": sockets}


def assigned(client_id: str, key: str) -> tuple[Event, Event]:
    """A new key, under both names that clients listen for."""
    body = acks.success({"clientId": client_id, "key": key, "Key": key, "message": ""})
    return Event("CLIENT_KEY_ASSIGNED", body, ("/auth",)), Event("GET_CLIENT_KEY", body, ("/auth",))


def not_assigned(error: NewAgeError) -> Event:
    return Event("CLIENT_KEY_ASSIGNED", acks.failure(error), ("/auth",))
