"""What a program asks over HTTP becomes a request like any other's."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from zope.interface import implementer

from hubkit import HOME, Kit, failure_of, result_of
from newage.domain.chat_question import ChatQuestion, parse_chat
from newage.domain.model import Caller, RequestMode, Role, Session
from newage.domain.model_names import ModelName
from newage.domain.request import Request
from newage.errors import InvalidRequest, NotFound, OverLimit, Unavailable
from newage.services.api.asking import NO_NEWS, NO_PICTURES, NO_PICTURES_IN_ROOMS, ApiAsking, speaker
from newage.services.requests.limits import RequestSettings
from newage.services.streams.answers import Answer
from newage.services.streams.own_outputs import IAsker

X, Y = "SillyTavern-8000", "SillyTavern-8001"


@implementer(IAsker)
class Nobody:
    def output_opened(self, answer: Answer) -> None:
        pass

    def request_ended(self, request: Request, words: str | None) -> None:
        pass

    def hub_stops(self) -> None:
        pass


class Bot:
    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.asking = ApiAsking(
            requests=kit.requests,
            cancelling=kit.cancelling,
            own=kit.talk.own_outputs,
            rooms=kit.rooms,
            sessions=kit.sessions,
            pictures={Y},
            most_picture_bytes=20,
        )
        session = Session(client_id="bot", identity="bot")
        self.caller = Caller(sid="bot#v1", namespace="/v1", session=session, peer=HOME)
        kit.sessions.attach(self.caller)

    def ask(self, question: ChatQuestion, model: ModelName | None = None, request_id: str = "r1") -> Any:
        return self.asking.ask(self.caller, model or ModelName(), question, request_id, Nobody(), 100)


def question(*messages: Any, **more: Any) -> ChatQuestion:
    said = list(messages) or [{"role": "user", "content": "Hi"}]
    return parse_chat({"model": "newage", "messages": said, **more}, 10)


@pytest.fixture
def bot(kit: Kit) -> Bot:
    return Bot(kit)


def test_what_is_asked_aside_is_forwarded_with_all_that_was_said_and_kept_nowhere(bot: Bot) -> None:
    link = bot.kit.extension(X)
    result_of(bot.ask(question(max_tokens=500, stop="x")))
    (asked,) = link.forwarded
    options = {"max_tokens": 100, "stop": ["x"]}
    assert (asked["message"], asked["origin"], asked["options"]) == ("Hi", "openai", options)
    assert asked["data"] == {"messages": [{"role": "user", "content": "Hi"}], "options": options}
    assert (asked["context"], asked["currentRequest"]["origin"]) == ([], "openai")
    assert bot.kit.stored("bot") == []
    assert len(bot.kit.talk.own_outputs) == 1
    bot.asking.forget(bot.caller, "r1")
    assert len(bot.kit.talk.own_outputs) == 0


def test_a_character_and_an_extension_are_named(bot: Bot) -> None:
    bot.kit.extension("SillyTavern-8001")
    link = bot.kit.extension(X, features=frozenset({"cancel"}))
    result_of(bot.ask(question(), ModelName(X, "sera.png")))
    assert [each["character"] for each in link.forwarded] == ["sera.png"]
    assert "failover" not in link.forwarded[0]


def test_a_long_conversation_is_no_longer_message(make_kit: Any) -> None:
    bot = Bot(make_kit(requests=RequestSettings(max_request_bytes=100)))
    link = bot.kit.extension(X)
    result_of(bot.ask(question({"role": "user", "content": "x" * 1000})))
    assert len(link.forwarded[0]["message"]) == 1000


def test_too_much_is_over_the_limit(make_kit: Any) -> None:
    bot = Bot(make_kit(requests=RequestSettings(request_rate=1)))
    bot.kit.extension(X)
    result_of(bot.ask(question()))
    assert type(failure_of(bot.ask(question(), request_id="r2"))) is OverLimit
    assert len(bot.kit.talk.own_outputs) == 1
    bot.kit.requests.refuse_new()
    assert type(failure_of(bot.ask(question(), request_id="r3"))) is Unavailable


def test_a_room_hears_the_news_of_somebody_by_a_program(bot: Bot) -> None:
    bot.kit.connect("ann")
    link = bot.kit.extension(X)
    bot.kit.group("lobby", "ann", RequestMode.IMMEDIATE, bot=Role.GUEST)
    old = {"role": "assistant", "content": "Hm"}
    error = failure_of(bot.ask(question({"role": "user", "content": "Hi"}, old), ModelName(room="lobby")))
    assert (type(error), str(error)) == (InvalidRequest, NO_NEWS)
    result_of(bot.ask(question(old, {"role": "user", "content": "Hi"}, user="Anna"), ModelName(room="lobby")))
    (asked,) = link.forwarded
    assert asked["currentRequest"]["name"] == "Anna (via bot)"
    assert "origin" not in asked
    assert [each.text for each in bot.kit.stored("lobby") if not each.is_system] == ["Hi"]


def shown(url: str) -> ChatQuestion:
    return question({"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]})


PICTURE = "data:image/png;base64," + b64encode(b"\x89PNG\r\n\x1a\n rest").decode()


def test_pictures_are_refused_by_who_does_not_take_them(bot: Bot) -> None:
    assert str(failure_of(bot.ask(shown(PICTURE)))) == NO_PICTURES
    assert str(failure_of(bot.ask(shown(PICTURE), ModelName(extension=X)))) == NO_PICTURES
    assert str(failure_of(bot.ask(shown(PICTURE), ModelName(room="lobby")))) == NO_PICTURES_IN_ROOMS


def test_pictures_for_who_takes_them_come_with_the_question(bot: Bot) -> None:
    link = bot.kit.extension(Y)
    result_of(bot.ask(shown(PICTURE), ModelName(extension=Y)))
    (asked,) = link.forwarded
    assert PICTURE in str(asked["data"]["messages"])
    for wrong, words in (("http://a.test/x.png", "fetches none"), (PICTURE + "A" * 40, "20 bytes at most")):
        assert words in str(failure_of(bot.ask(shown(wrong), ModelName(extension=Y), "r2")))


def test_others_watch_a_room(bot: Bot) -> None:
    kit = bot.kit
    kit.connect("ann")
    kit.group("lobby", "ann", bot=Role.GUEST)
    assert bot.asking.is_watched(bot.caller, ModelName(room="lobby"))
    kit.disconnect_all("ann")
    kit.clock.advance(3)
    assert not bot.asking.is_watched(bot.caller, ModelName(room="lobby"))
    assert not bot.asking.is_watched(bot.caller, ModelName())


def test_one_takes_back_ones_own(bot: Bot) -> None:
    bot.kit.extension(X)
    result_of(bot.ask(question()))
    assert result_of(bot.asking.cancel(bot.caller, "r1")).state == "cancelled"
    assert type(failure_of(bot.asking.cancel(bot.caller, "r2"))) is NotFound


@pytest.mark.parametrize(
    ("said", "name"),
    [("Anna", "Anna"), (" Anna  B\n", "Anna B"), ("", ""), ("x" * 65, ""), ("a\u202eb", ""), ("\x00", "")],
)
def test_a_name_is_shown_as_it_may_be(said: str, name: str) -> None:
    assert speaker(said) == name
