"""What comes twice under one Idempotency-Key is done once; and bots, whose keys say something and do no more (B22)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from apikit import CHAT, ApiHouse, Houses, Told, question
from deferreds import value
from newage.domain.model import Access, Caller, Message, Peer, Role, Scope, Session
from newage.ports import IMessageListener
from newage.services.accounts.api_limits import ApiSettings
from newage.services.world import World
from newage.web.api_v1.repeats import MAX_CHARS, Repeats
from newage.web.json_errors import HttpRefusal


@implementer(IMessageListener)
@frozen
class _Told:
    shown: list[Message]

    def message_added(self, message: Message) -> None:
        self.shown.append(message)


SAID = "/api/v1/rooms/lobby/messages"
ALLOWED = {("GET", "/me"), ("POST", "/rooms/{room}/messages")}


@pytest.fixture
def key(hub: ApiHouse) -> str:
    hub.person("ann")
    hub.room("lobby", "ann", bot=Role.GUEST)
    return hub.key(scope=Scope.WEBHOOK)


def say(hub: ApiHouse, key: str, text: str = "built", name: str | None = "k1", path: str = SAID, **more: Any) -> Told:
    named = {} if name is None else {"Idempotency_Key": name}
    return hub.ask(path, {"text": text, **more}, key, **named)


def texts(hub: ApiHouse) -> list[str]:
    told = hub.ask(SAID, key=hub.key("reader", Scope.ALL))
    assert told.status == 403
    room = hub.core.talk.rooms.require("lobby")
    stored = hub.core.basis.stores.messages.last_messages(room.id, 99)
    return [each.text for each in value(stored) if not each.is_system]


def test_what_comes_again_is_not_done_again_and_gets_the_same_answer(hub: ApiHouse, key: str) -> None:
    first, again = say(hub, key), say(hub, key)
    assert (first.status, again.status) == (202, 202)
    assert first.json == again.json
    assert say(hub, key, name="k2").json["messageId"] != first.json["messageId"]
    assert say(hub, key, name=None).status == 202
    assert texts(hub) == ["built"] * 3


def test_something_else_under_the_same_name_is_refused(hub: ApiHouse, key: str) -> None:
    say(hub, key)
    other = say(hub, key, "another")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert say(hub, key, path="/api/v1/rooms/den/messages").status == 422
    assert texts(hub) == ["built"]


def test_a_name_is_of_its_client(hub: ApiHouse, key: str) -> None:
    hub.core.talk.rooms.add_silently("lobby", "other", Role.GUEST)
    say(hub, key)
    assert say(hub, hub.key("other", Scope.ALL), "hello").status == 202
    assert texts(hub) == ["built", "hello"]


def test_what_failed_may_be_tried_again(hub: ApiHouse, key: str) -> None:
    assert say(hub, key, path="/api/v1/rooms/nowhere/messages").status == 403
    assert say(hub, key).status == 202
    assert say(hub, key, name="k2", request_id="r").status == 400
    assert say(hub, key, name="k2").status == 202


def test_what_failed_after_it_was_stored_fails_again_and_is_stored_once(hub: ApiHouse, key: str) -> None:
    hub.core.talk.rooms.add_silently("lobby", "person", Role.MANAGER)
    other = hub.key("person", Scope.ALL)
    first, again = say(hub, other), say(hub, other)
    assert (first.status, again.status, first.code) == (503, 503, "no_extension")
    assert texts(hub) == ["built"]


@pytest.mark.parametrize("name", ["", "x" * (MAX_CHARS + 1), "\u00e4", "a\tb"])
def test_what_is_no_name(hub: ApiHouse, key: str, name: str) -> None:
    assert say(hub, key, name=name).status == 400


def test_the_oldest_are_forgotten(houses: Houses) -> None:
    hub = houses(api=ApiSettings(idempotency_keys=2))
    hub.person("ann")
    hub.room("lobby", "ann", bot=Role.GUEST)
    key = hub.key(scope=Scope.WEBHOOK)
    first, second = (say(hub, key, name=name).json for name in ("k1", "k2"))
    third = say(hub, key, name="k3").json
    assert say(hub, key, name="k3").json == third
    assert say(hub, key, name="k2").json == second
    assert say(hub, key, name="k1").json != first


def caller(client_id: str) -> Caller:
    return Caller(sid="s", namespace="", session=Session(client_id=client_id, identity=client_id), peer=Peer(""))


def test_they_are_forgotten_in_time_and_one_under_way_is_not_begun_again() -> None:
    clock = Clock()
    repeats = Repeats(World(clock=clock, wall=clock.seconds, new_id=str), ApiSettings(idempotency_seconds=60.0))
    begun: list[Deferred[int]] = []

    async def begin() -> int:
        begun.append(Deferred())
        return await begun[-1]

    def once(name: str = "k", who: str = "bot") -> Deferred[Any]:
        return Deferred.fromCoroutine(repeats.once(caller(who), name, "asked", begin))

    first = once()
    with pytest.raises(HttpRefusal, match="under way"):
        value(once())
    begun[0].callback(1)
    assert (value(first), value(once()), len(begun)) == (1, 1, 1)
    clock.advance(61)
    other = once(who="other")
    again = once()
    begun[1].callback(2)
    begun[2].callback(3)
    assert (value(other), value(again)) == (2, 3)
    broken = once("broken")
    begun[3].errback(RuntimeError("a fault"))
    with pytest.raises(RuntimeError):
        value(broken)
    once("broken").addCallback(lambda _: None)
    assert len(begun) == 5


# ----------------------------------------------------------------------------------------------------------------- bots


def test_a_key_of_scope_webhook_does_nothing_else(hub: ApiHouse, key: str) -> None:
    """Every row of the table, and ``/v1``; no socket: tests/services/accounts/test_auth.py."""
    hub.model()
    document = hub.ask("/api/v1/openapi.json", key=hub.key("all", Scope.ALL)).json
    for template, methods in document["paths"].items():
        path = "/api/v1" + re.sub(r"\{room\}", "lobby", re.sub(r"\{(?!room)\w+\}", "x", template))
        for method in methods:
            told = hub.ask(path, {} if method in ("post", "put") else None, key, method=method.upper())
            allowed = (method.upper(), template) in ALLOWED
            assert (told.status == 403) is not allowed, (method, template, told.status)
    assert hub.ask("/v1/models", key=key).status == 403
    assert hub.ask(CHAT, question(), key).status == 403
    assert hub.ask("/v1/completions", {"model": "newage", "prompt": "x"}, key).status == 403
    assert hub.ask("/api/v1/me", key=key).json["scope"] == "webhook"


def test_it_is_shown_as_a_bot(hub: ApiHouse, key: str) -> None:
    shown: list[Message] = []
    hub.core.talk.message_events.add(_Told(shown))
    assert say(hub, key).json["state"] == "queued"
    (said,) = shown
    assert (said.origin, said.identity, said.text) == ("webhook", "bot", "built")
    assert [each.client_type for each in hub.core.people.sessions.online_sessions() if each.identity == "bot"] == [
        "bot"
    ]


def test_it_is_marked_among_the_members_while_it_is_away_and_with_no_other_key(hub: ApiHouse, key: str) -> None:
    reader = hub.key("reader", Scope.ALL)

    def marked() -> list[str]:
        members = hub.ask("/api/v1/rooms/lobby/members", key=reader).json["members"]
        return [each["identity"] for each in members if each.get("bot")]

    assert marked() == ["bot"]
    hub.key(scope=Scope.ALL)
    assert marked() == []


def test_where_nobody_answers_it_is_said_nevertheless(hub: ApiHouse, key: str) -> None:
    hub.core.talk.rooms.add_silently("lobby", "staff", Role.MANAGER)
    told = say(hub, hub.key("staff", Scope.WEBHOOK))
    assert (told.status, told.json["state"], told.json["room"]) == (202, "recorded", "lobby")
    assert texts(hub) == ["built"]


def test_it_speaks_in_rooms_of_others_where_it_is_a_member(hub: ApiHouse, key: str) -> None:
    hub.room("den", "ann")
    assert say(hub, key, name=None, path="/api/v1/rooms/den/messages").status == 403
    assert say(hub, key, name=None, path="/api/v1/rooms/bot/messages").status == 403
    assert say(hub, key, name=None, targets=["SillyTavern-8000"]).status == 403
    assert say(hub, key, name=None, character="x").status == 403
    assert texts(hub) == []
    assert hub.core.talk.rooms.require("den").access is Access.OPEN
