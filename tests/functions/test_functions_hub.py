"""The hub that a plug-in is given, over a member that keeps what it is asked for."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from deferreds import outcome, value
from newage.errors import RoomDenied
from newage.functions.hub import Hub
from newage.functions.values import Message, Room, Who

DEN = Room(name="den", mode="Default", members={})
SAID = Message(
    id="m", room="den", text="hi", who=Who(identity="plugin/bot", client_id="plugin/bot"), role="guest", at=""
)


@define(eq=False)
class Member:
    """Waits with every answer for ``go_on``."""

    handlers: list[Callable[..., Any]] = field(factory=list)
    asked: list[tuple[Any, ...]] = field(factory=list)
    lost: list[Failure] = field(factory=list)
    go_on: Deferred[None] = field(factory=Deferred)

    @property
    def identity(self) -> str:
        return "plugin/bot"

    def rooms(self) -> tuple[Room, ...]:
        return (DEN,)

    async def join(self, name: str) -> bool:
        await self._asked("join", name)
        return True

    async def leave(self, name: str) -> None:
        await self._asked("leave", name)

    async def say(self, name: str, text: str) -> Message:
        await self._asked("say", name, text)
        return SAID

    async def ask(self, name: str, text: str, target: str | None) -> Message:
        await self._asked("ask", name, text, target)
        return SAID

    async def pause(self, seconds: float) -> None:
        await self._asked("pause", seconds)

    async def _asked(self, *what: Any) -> None:
        self.asked.append(what)
        await self.go_on

    def unheard(self, failure: Failure) -> None:
        self.lost.append(failure)


def test_it_says_who_and_where_the_plugin_is() -> None:
    hub = Hub(Member())
    assert (hub.identity, hub.rooms) == ("plugin/bot", (DEN,))


def test_what_is_begun_begins_at_once_and_can_be_awaited() -> None:
    member = Member()
    hub = Hub(member)
    begun = [hub.join("den"), hub.say("den", "hi"), hub.ask("den", "who?", target="X"), hub.leave("den"), hub.pause(2)]
    assert member.asked == [
        ("join", "den"),
        ("say", "den", "hi"),
        ("ask", "den", "who?", "X"),
        ("leave", "den"),
        ("pause", 2),
    ]
    found = [outcome(each) for each in begun]
    assert found == [[]] * 5
    member.go_on.callback(None)
    assert [each[0] for each in found] == [True, SAID, SAID, None, None]


def test_who_awaits_may_stop_waiting() -> None:
    begun = Hub(Member()).say("den", "hi")
    found = outcome(begun)
    begun.cancel()
    assert found[0].check(CancelledError)


def test_a_failure_that_nobody_awaits_is_told_to_the_member() -> None:
    member = Member()
    Hub(member).say("den", "hi")
    member.go_on.errback(RoomDenied("Not a member."))
    gc.collect()
    assert [failure.type for failure in member.lost] == [RoomDenied]


def test_one_that_is_awaited_is_not() -> None:
    member = Member()

    async def plugin() -> None:
        await Hub(member).say("den", "hi")

    found = outcome(plugin())
    member.go_on.errback(RoomDenied("Not a member."))
    assert found.pop().check(RoomDenied)
    gc.collect()
    assert member.lost == []


def test_a_handler_stays_the_function_that_it_is() -> None:
    member = Member()
    hub = Hub(member)

    @hub.on_message
    def hears(message: Message) -> str:
        return message.text

    assert member.handlers == [hears]
    assert hears(SAID) == "hi"


def test_in_another_thread_it_is_refused_and_nothing_begins() -> None:
    member = Member()
    hub = Hub(member)
    hub._thread += 1
    for use in (lambda: hub.rooms, lambda: hub.say("den", "hi"), lambda: hub.on_message(print)):
        with pytest.raises(RuntimeError, match="runs in a thread"):
            use()
    assert (member.asked, member.handlers) == ([], [])


def test_what_has_its_result_gives_it() -> None:
    member = Member()
    member.go_on.callback(None)
    assert value(Hub(member).join("den")) is True
