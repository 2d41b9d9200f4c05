"""Listeners that do nothing: whoever builds on them overrides what concerns it, and nothing else happens."""

from __future__ import annotations

import pytest
from zope.interface import Interface
from zope.interface.interface import Method
from zope.interface.verify import verifyClass, verifyObject

from hubkit import HOME
from newage.domain.model import Caller, Role, Room, Session
from newage.ports import IRoomListener, ISessionListener
from newage.services.events import RoomListener, SessionListener

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
