"""Who may ask ``/v1``, and that he is present while he does."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers

from apikit import ApiHouse
from newage.domain.model import Peer
from newage.errors import AuthenticationFailed
from newage.web.json_api import Exchange
from newage.web.v1.door import Door


class Asked:
    def __init__(self, key: str | None) -> None:
        self.requestHeaders = Headers({} if key is None else {"Authorization": [f"Bearer {key}"]})


def exchange(key: str | None = None, *, local: bool = True) -> Exchange:
    asked: Any = Asked(key)
    return Exchange(asked, Peer("127.0.0.1", local=local))


def done(coroutine: Any) -> Any:
    found: list[Any] = []
    Deferred.fromCoroutine(coroutine).addCallback(found.append)
    return found[0]


@pytest.fixture
def door(hub: ApiHouse) -> Door:
    return Door(hub.core.people.bearers, hub.core.people.presence)


def test_he_is_present_until_he_leaves(hub: ApiHouse, door: Door) -> None:
    presence = hub.core.people.presence
    stay = done(door.enter(exchange(hub.key()), lambda: None))
    assert (stay.caller.identity, presence.of("bot")) == ("bot", 1)
    stay.leave()
    assert presence.of("bot") == 0

    async def look() -> int:
        async with door.inside(exchange()) as caller:
            return presence.of(caller.identity)

    assert (done(look()), presence.of("api-local")) == (1, 0)


def test_who_is_not_known_does_not_come_in(hub: ApiHouse, door: Door) -> None:
    refused: list[Any] = []
    Deferred.fromCoroutine(door.enter(exchange(local=False), lambda: None)).addErrback(refused.append)
    assert refused[0].check(AuthenticationFailed)
    assert hub.core.people.sessions.count == 0


def test_revoking_its_key_puts_it_out(hub: ApiHouse, door: Door) -> None:
    out: list[str] = []
    done(door.enter(exchange(hub.key()), lambda: out.append("bot")))
    hub.core.accounts.events.keys_revoked("bot", None)
    hub.clock.advance(0)
    assert out == ["bot"]
