"""What ``newage keys`` and ``newage unlock`` say to a hub, and what it answers (A37): JSON over the socket in its home.

What ``newage --json`` prints is the answers, as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from newage.dialect import Body
from newage.domain.model import KeyRecord, Rank
from newage.domain.times import iso
from newage.errors import NewAgeError


def client_of(command: Mapping[str, Any]) -> object:
    """The client that a command is about, whatever its type."""
    return command.get("clientId")


def scope_of(command: Mapping[str, Any]) -> object:
    """The scope that a new key shall have, whatever its type; None: none was named."""
    return command.get("scope")


def shown(record: KeyRecord, *, live: bool) -> Body:
    """A key, without what could open anything. ``live``: it opens something now."""
    return {
        "clientId": record.client_id,
        "keyId": record.key_id,
        "name": record.name,
        "rank": (record.rank or Rank.CLIENT).wire,
        "scope": record.scope.value,
        "madeBy": record.made_by,
        "madeAt": iso(record.created_at),
        "expires": None if record.expires is None else iso(record.expires),
        "lastUsed": None if record.last_used is None else iso(record.last_used),
        "lastFrom": record.last_address or None,
        "live": live,
    }


def made(record: KeyRecord, key: str, *, live: bool) -> Body:
    """The one time that a key itself is told."""
    return {**shown(record, live=live), "keyIds": [record.key_id], "key": key}


def revoked(
    client_id: str, records: Sequence[KeyRecord], made: Sequence[KeyRecord], most: int, *, trusted: bool
) -> Body:
    """``trusted``: the client is still trusted, by a settings file. ``made``: keys that it made for others and that
    still open something (B10); at most so many are named, the others are counted as ``more``."""
    gone = {"clientId": client_id, "keyIds": [record.key_id for record in records], "trusted": trusted}
    if not made:
        return gone
    return {**gone, "made": [shown(record, live=True) for record in made[:most]], "more": max(0, len(made) - most)}


def unlocked(logins: Sequence[tuple[str, str]], most: int) -> Body:
    """Who was locked out: (address, client id); only the first ones are named, but all are counted."""
    named = [{"address": address, "clientId": client_id} for address, client_id in logins[:most]]
    return {"unlocked": named, "count": len(logins)}


def done(answer: Body) -> Body:
    """What the audit log keeps of a key that was made, or of keys that were revoked."""
    return {"client": answer["clientId"], "keyIds": answer["keyIds"]}


def failed(command: Mapping[str, Any], error: NewAgeError) -> Body:
    """The same, where that failed."""
    return {"client": client_of(command), "errorCode": error.error_code, "reason": str(error)}
