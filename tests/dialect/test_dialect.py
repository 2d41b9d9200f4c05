"""What a dialect function makes of an event, and how it reaches its receivers."""

from __future__ import annotations

from newage.dialect import Event
from newage.domain.delivery import Audience, Emission

ROOM, ANN = Audience.room("lounge"), Audience.identity("ann")


def test_one_emission_per_namespace() -> None:
    event = Event("MEMBER_LEFT", {"roomName": "lounge"}, ("/", "/rooms"))
    assert event.to(ROOM, ANN) == (
        Emission("/", "MEMBER_LEFT", ({"roomName": "lounge"},), (ROOM, ANN)),
        Emission("/rooms", "MEMBER_LEFT", ({"roomName": "lounge"},), (ROOM, ANN)),
    )


def test_most_are_heard_on_llm() -> None:
    assert [emission.namespace for emission in Event("NEW_MESSAGE", {}).to(ROOM)] == ["/llm"]


def test_without_receivers_nothing_is_sent() -> None:
    assert Event("NEW_MESSAGE", {}).to() == ()


def test_an_alias_differs_in_case_alone() -> None:
    event = Event("NEW_MESSAGE", {"seq": 1}, ("/rooms",))
    assert event.alias() == Event("new_message", {"seq": 1}, ("/rooms",))
