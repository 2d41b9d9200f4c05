"""Questions in rooms over ``/api/v1``: within a budget, until they are over."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed

from hubkit import HOME, Kit
from newage.domain.model import Caller, Session
from newage.domain.request import Ask
from newage.errors import InvalidRequest, NewAgeError, NotAuthorised, OverLimit, Unavailable
from newage.services.accounts.api_limits import ApiSettings
from newage.services.api.budgets import Budgets
from newage.services.api.questions import RoomQuestions, too_much
from newage.services.requests.intake import STOPPING
from newage.services.streams.output_text import OutputText
from newage.services.streams.own_outputs import OwnOutputs

BOT = Caller(
    sid="s", namespace="/api/v1", session=Session(client_id="bot", identity="bot"), peer=HOME, credential="key"
)


class Answer:
    def __init__(self, request: Any, text: str) -> None:
        self.request, self.extra, self.output = request, dict[str, Any](), OutputText()
        self.output.push(text)


class Asked:
    """A request, as far as who watches it looks."""

    def __init__(self, request_id: str) -> None:
        self.request_id, self.identity, self.merged = request_id, "bot", list[Any]()


class Asker:
    def __init__(self) -> None:
        self.told: list[str] = []

    def output_opened(self, answer: Any) -> None:
        self.told.append("opened")

    def request_ended(self, request: Any, words: str | None) -> None:
        self.told.append("ended")

    def hub_stops(self) -> None:
        self.told.append("stops")


class Intake:
    def __init__(self) -> None:
        self.fails: Exception | None = None

    def submit(self, actor: Caller, ask: Ask) -> Deferred[Any]:
        if self.fails is not None:
            raise self.fails
        return succeed(ask.request_id)


class House:
    def __init__(self, kit: Kit, **settings: Any) -> None:
        intake: Any = Intake()
        self.intake, self.own = intake, OwnOutputs()
        self.questions = RoomQuestions(
            requests=intake, own=self.own, budgets=Budgets(kit.world, ApiSettings(**settings))
        )

    def ask(self, request_id: str, asker: Any = None) -> Any:
        ask = Ask(request_id=request_id, text="Hello")
        done = Deferred.fromCoroutine(self.questions.submit(BOT, ask, asker))
        failed: list[Any] = []
        done.addErrback(failed.append)
        if failed:
            raise failed[0].value
        return done.result

    def end(self, request_id: str, text: str = "") -> None:
        asked: Any = Asked(request_id)
        answer: Any = Answer(asked, text)
        if text:
            self.own.opened(answer)
            self.own.opened(answer)
        self.own.request_ended(asked, None)


def test_it_is_one_at_once_until_it_is_over(kit: Kit) -> None:
    house = House(kit, requests_at_once=1)
    assert house.ask("r1") == "r1"
    with pytest.raises(OverLimit, match="at once"):
        house.ask("r2")
    house.end("r1")
    house.ask("r2")


def test_its_tokens_are_spent(kit: Kit) -> None:
    house = House(kit, tokens_per_day=100)
    house.ask("r1")
    house.end("r1")
    house.ask("r2")
    house.end("r2", "x" * 400)
    with pytest.raises(OverLimit, match="in a day"):
        house.ask("r3")


def test_who_waits_is_told_the_same(kit: Kit) -> None:
    house, asker = House(kit), Asker()
    house.ask("r1", asker)
    house.end("r1", "Hi")
    house.ask("r2", asker)
    house.own.close()
    assert asker.told == ["opened", "opened", "ended", "stops"]


def test_what_is_refused_is_over(kit: Kit) -> None:
    house = House(kit, requests_at_once=1)
    house.intake.fails = NotAuthorised("muted")
    with pytest.raises(NotAuthorised):
        house.ask("r1")
    house.intake.fails = Unavailable("Too many requests.")
    with pytest.raises(OverLimit, match="Too many requests"):
        house.ask("r1")
    assert len(house.own) == 0
    house.intake.fails = None
    house.ask("r1")


def test_two_of_one_name_do_not_share_who_is_told(kit: Kit) -> None:
    house, first, second = House(kit), Asker(), Asker()
    house.ask("r1", first)
    with pytest.raises(InvalidRequest, match="Duplicate"):
        house.ask("r1", second)
    house.end("r1")
    assert (first.told, second.told) == (["ended"], [])


def test_what_is_too_much_and_what_is_not() -> None:
    errors: list[NewAgeError] = [Unavailable("Too many events."), Unavailable(STOPPING), OverLimit("x", retry_after=9)]
    found = []
    for error in errors:
        with pytest.raises(Unavailable) as raised, too_much():
            raise error
        found.append(raised.value)
    assert isinstance(found[0], OverLimit)
    assert found[1:] == errors[1:]
