"""``Idempotency-Key``: what is sent twice under one is done once, and answered twice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, Final

from attrs import define, field

from newage.domain.model import Caller
from newage.errors import InvalidRequest, NewAgeError
from newage.services.accounts.api_limits import ApiSettings
from newage.services.world import World
from newage.web.json_api import Exchange
from newage.web.json_errors import HttpRefusal, Sort

HEADER: Final = "Idempotency-Key"
MAX_CHARS: Final = 255
_UNDER_WAY: Final = Sort(409, "invalid_request_error", "conflict")
_ANOTHER: Final = Sort(422, "invalid_request_error", "idempotency_key_reused")


@define(eq=False)
class _Known:
    """One of them. ``answer`` and ``error``: what came of it, if anything has."""

    digest: bytes
    since: float
    answer: Any = None
    error: NewAgeError | None = None
    over: bool = False


@define(eq=False)
class Repeats:
    """In memory; of each client so many, the oldest go first. They belong to the client, not to one of its keys."""

    _world: World
    _settings: ApiSettings
    _known: dict[str, OrderedDict[str, _Known]] = field(factory=dict, init=False)

    async def once(self, actor: Caller, name: str, asked: object, begin: Callable[[], Awaitable[Any]]) -> Any:
        """
        :param name: what the header says. :param asked: all that is asked; two that are alike have the same ``repr``.
        :return: what ``begin`` gave, now or the first time.
        :raises NewAgeError: what that failed with, where something is stored of it; else it may be tried again.
        :raises HttpRefusal: it is under way, or something else was sent under that name.
        """
        digest, now = sha256(repr(asked).encode("utf-8", "surrogatepass")).digest(), self._world.clock.seconds()
        known = self._of(actor.client_id, now)
        found = known.get(name)
        if found is None:
            return await self._first(known, name, _Known(digest, now), begin)
        if found.digest != digest:
            raise HttpRefusal(_ANOTHER, f"Something else was sent under this {HEADER}.")
        if not found.over:
            raise HttpRefusal(_UNDER_WAY, f"What was sent under this {HEADER} is under way.")
        if found.error is not None:
            raise found.error
        return found.answer

    async def _first(
        self, known: OrderedDict[str, _Known], name: str, entry: _Known, begin: Callable[[], Awaitable[Any]]
    ) -> Any:
        known[name] = entry
        while len(known) > self._settings.idempotency_keys:
            known.popitem(last=False)
        try:
            entry.answer = await begin()
        except BaseException as error:
            if isinstance(error, NewAgeError) and "messageId" in error.members:
                entry.error = error
            elif known.get(name) is entry:
                del known[name]
            raise
        finally:
            entry.over = True
        return entry.answer

    def _of(self, client_id: str, now: float) -> OrderedDict[str, _Known]:
        """What is not too old of a client's; who has none any more is forgotten."""
        oldest = now - self._settings.idempotency_seconds
        for who, known in list(self._known.items()):
            while known and next(iter(known.values())).since < oldest:
                known.popitem(last=False)
            if not known and who != client_id:
                del self._known[who]
        return self._known.setdefault(client_id, OrderedDict())


def name_of(exchange: Exchange) -> str | None:
    """What the header says; None where there is none. :raises InvalidRequest: that is no name, or there are two."""
    shown = exchange.request.requestHeaders.getRawHeaders(HEADER.encode()) or []
    if not shown:
        return None
    name = shown[0].decode("latin-1").strip()
    if len(shown) > 1 or not 0 < len(name) <= MAX_CHARS or not (name.isascii() and name.isprintable()):
        raise InvalidRequest(f"{HEADER} has to be one text of 1 to {MAX_CHARS} printable characters of ASCII.")
    return name
