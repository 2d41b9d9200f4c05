"""What administration takes and gives by ``/api/v1``; as ``bodies``."""

from __future__ import annotations

from typing import Any, Final

from attrs import frozen

from newage.domain.logs import FILES, MAX_PAGE_SIZE, LogPage
from newage.domain.model import KeyRecord, Rank, Scope
from newage.domain.times import iso
from newage.services.accounts.operator import MAX_DAYS, MAX_NAME_CHARS
from newage.web.api_v1.typed import member

MAX_ID: Final = 128  # characters of a clientId
MAX_KEYS: Final = 200  # keys in one answer
MAX_REASON: Final = 500  # characters
MAX_PAGES: Final = 1_000_000


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else iso(seconds)


@frozen(kw_only=True)
class Key:
    """A key, without what could open anything."""

    id: str = member("by this it is revoked; empty of some that other hubs made")
    client_id: str = member("whose it is")
    name: str = member("what it is called")
    rank: str = member("of its issue: client, extension or admin")
    scope: Scope = member("what it opens")
    made_by: str = member("a client, or what it came from")
    made_at: str = member("ISO 8601, UTC")
    expires: str | None = member("ISO 8601, UTC", default=None)
    last_used: str | None = member("ISO 8601, UTC", default=None)
    last_address: str | None = member("from where it was used last", default=None)
    live: bool = member("whether it opens something now")

    @classmethod
    def of(cls, record: KeyRecord, *, live: bool) -> Key:
        return cls(
            id=record.key_id,
            client_id=record.client_id,
            name=record.name,
            rank=(record.rank or Rank.CLIENT).wire,
            scope=record.scope,
            made_by=record.made_by,
            made_at=iso(record.created_at),
            expires=_iso(record.expires),
            last_used=_iso(record.last_used),
            last_address=record.last_address or None,
            live=live,
        )


@frozen(kw_only=True)
class KeyPage:
    """Which of the keys, in the order in which they are kept."""

    offset: int = member("of the first one", default=0, least=0)
    limit: int = member("how many at most", default=MAX_KEYS, least=1, most=MAX_KEYS)


@frozen(kw_only=True)
class Keys:
    keys: tuple[Key, ...] = member("your own, and those of clients below you")
    has_more: bool = member("whether there are more: ask again with offset")


@frozen(kw_only=True)
class WantedKey:
    """A key to be made, for yourself or for a client below you. It ends with the one that you show, if that ends."""

    client_id: str = member("whose it shall be; who is not trusted yet is trusted by it", characters=(1, MAX_ID))
    scope: Scope = member("what it shall open: no more than the one that you show", default=Scope.CLIENT)
    name: str = member("what it shall be called", default="", characters=(0, MAX_NAME_CHARS))
    days: int | None = member(
        "how long it is good for; without it until it is revoked", default=None, least=1, most=MAX_DAYS
    )


@frozen(kw_only=True)
class MadeKey:
    """A new key: the only time that it is shown."""

    key: str = member("to be shown as Authorization: Bearer")
    record: Key = member("what is kept of it")


@frozen(kw_only=True)
class RevokedKeys:
    client_id: str = member("whose they were")
    revoked: tuple[str, ...] = member("the ids of the keys that open nothing any more")
    made: tuple[str, ...] = member("ids of keys that the client made for others and that go on living")


@frozen(kw_only=True)
class Departure:
    identity: str | None = member("only this instance of the client", default=None, characters=(1, MAX_ID))
    reason: str = member("what the client is told", default="", characters=(0, MAX_REASON))


@frozen(kw_only=True)
class PutOut:
    connections: int = member("how many were ended; the client may come back")


@frozen(kw_only=True)
class LogWanted:
    """A page of a log file."""

    file: str = member(f"one of {', '.join(FILES)}", default=FILES[0], characters=(1, 64))
    level: str = member("all, or this and more severe: error, warn, info, debug", default="all", characters=(1, 16))
    page: int = member("the first is 1", default=1, least=1, most=MAX_PAGES)
    limit: int = member("entries of a page", default=50, least=1, most=MAX_PAGE_SIZE)
    newest_first: bool = member("or the oldest", default=True)


@frozen(kw_only=True)
class LogLines:
    lines: tuple[str, ...] = member("whole entries, as they are in the file")
    total: int = member("how many fit the question")
    truncated: bool = member("whether only the end of the file was looked at")

    @classmethod
    def of(cls, page: LogPage) -> LogLines:
        return cls(lines=page.lines, total=page.total, truncated=page.truncated)


@frozen(kw_only=True)
class Functions:
    functions: tuple[str, ...] = member("that the hub has")


@frozen(kw_only=True)
class Arguments:
    arguments: tuple[Any, ...] = member("in the order of the function's parameters", default=())


@frozen(kw_only=True)
class Result:
    result: Any = member("what the function says: any JSON")
