"""Desks inside the process are asked directly, all others as ever."""

from __future__ import annotations

from typing import Any

from attrs import define, field
from zope.interface import implementer
from zope.interface.verify import verifyObject

from hubkit import failure_of, result_of
from newage.domain.chat import Characters, Offered
from newage.errors import NotFound
from newage.ports import ICharacters, IChatCalls
from newage.services.chat.inside import DeskCalls

OFFERS = Characters((Offered("ann", "Ann"),), "ann")


@implementer(ICharacters)
class Inside:
    def characters(self) -> Characters:
        return OFFERS


@define(eq=False)
class Others:
    """Both what tells links, and who asks over sockets."""

    links: dict[str, object] = field(factory=lambda: {"inside": Inside(), "socket": object()})
    asked: list[tuple[Any, ...]] = field(factory=list)

    def link_of(self, sid: str) -> object:
        return self.links.get(sid)

    def __getattr__(self, name: str) -> Any:
        async def ask(*args: Any) -> str:
            self.asked.append((name, *args))
            return name

        return ask


def test_who_is_inside_tells_its_characters() -> None:
    others: Any = Others()
    calls = DeskCalls(others, others)
    assert verifyObject(IChatCalls, calls)
    assert result_of(calls.characters("inside")) == OFFERS
    assert isinstance(failure_of(calls.picture("inside", "ann")), NotFound)
    assert others.asked == []


def test_others_are_asked_over_their_sockets() -> None:
    others: Any = Others()
    calls = DeskCalls(others, others)
    room: Any = "lobby"
    for call in (
        calls.characters("socket"),
        calls.picture("socket", "ann"),
        calls.select("socket", room, "ann"),
        calls.snapshot("socket", room, 5),
    ):
        result_of(call)
    assert others.asked == [
        ("characters", "socket"),
        ("picture", "socket", "ann"),
        ("select", "socket", "lobby", "ann"),
        ("snapshot", "socket", "lobby", 5),
    ]
