"""Listeners that do nothing: whoever builds on them overrides what concerns it, and nothing else happens."""

from __future__ import annotations

from typing import Any

import pytest
from zope.interface import Interface, implementer
from zope.interface.interface import Method
from zope.interface.verify import verifyClass, verifyObject

from hubkit import HOME
from newage.domain.model import Caller, Message, Role, Room, Session
from newage.domain.request import Request
from newage.ports import IMessageListener, IRequestListener, IRoomListener, ISessionListener
from newage.services.events import MessageEvents, RequestEnds, RoomListener, SessionListener

SESSION = Session(client_id="web1", identity="web1")
ROOM = Room(name="lounge", members={"web1": Role.GUEST})
CALLER = Caller(sid="s", namespace="/llm", session=SESSION, peer=HOME)
ARGUMENTS = {
    "session": SESSION,
    "caller": CALLER,
    "room": ROOM,
    "identity": "web1",
    "role": Role.GUEST,
    "reason": "kick",
    "rejoin": True,
    "master": "web1",
    "by": "boss",
}

CASES = [
    (listener, interface, name)
    for listener, interface in ((SessionListener, ISessionListener), (RoomListener, IRoomListener))
    for name in sorted(interface.names())
]


@pytest.mark.parametrize(
    ("listener", "interface"), [(SessionListener, ISessionListener), (RoomListener, IRoomListener)]
)
def test_they_are_what_they_stand_for(listener: type, interface: type[Interface]) -> None:
    assert verifyClass(interface, listener)
    assert verifyObject(interface, listener())


@pytest.mark.parametrize(("listener", "interface", "name"), CASES)
def test_they_take_every_news_and_keep_nothing(listener: type, interface: type[Interface], name: str) -> None:
    method = interface[name]
    assert isinstance(method, Method)
    told = listener()
    before = dict(vars(told))
    getattr(told, name)(*(ARGUMENTS[each] for each in method.positional))
    assert vars(told) == before


def test_one_may_be_both() -> None:
    class Both(SessionListener, RoomListener):
        """As most services are."""

        def __init__(self) -> None:
            self.seen: list[str] = []

        def member_left(self, room: Room, identity: str, reason: str) -> None:
            self.seen.append(f"{identity} {reason}")

    both = Both()
    assert verifyObject(ISessionListener, both)
    assert verifyObject(IRoomListener, both)
    both.session_gone(SESSION)
    both.member_left(ROOM, "web1", "kick")
    assert both.seen == ["web1 kick"]


def test_who_wants_to_hear_what_is_said_and_how_requests_end_is_told_in_order() -> None:
    told: list[tuple[str, object]] = []

    @implementer(IMessageListener, IRequestListener)
    class Listener:
        def __init__(self, name: str) -> None:
            self.name = name

        def message_added(self, message: Message) -> None:
            told.append((self.name, message))

        def request_ended(self, request: Request, words: str | None) -> None:
            told.append((self.name, words))

    messages, ends = MessageEvents(), RequestEnds()
    for name in ("first", "second"):
        messages.add(Listener(name))
        ends.add(Listener(name))
    assert verifyObject(IMessageListener, messages)
    assert verifyObject(IRequestListener, ends)
    said = Message(message_id="m1", room="lounge", seq=1, identity="web1")
    messages.message_added(said)
    request: Any = None
    ends.request_ended(request, "why")
    assert told == [("first", said), ("second", said), ("first", "why"), ("second", "why")]
