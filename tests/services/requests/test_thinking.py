"""Conversational mode: when an extension is asked to say something by itself, and when not (contract 5.4, 8.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import evolve

from hubkit import Kit, result_of
from newage.domain.model import RequestMode
from newage.ports import Said
from newage.services.requests.thinking import ConversationSettings

ST = "SillyTavern-8000"


class Talk:
    """A room in Conversational mode that somebody has said something in, and an extension that serves it."""

    def __init__(self, make_kit: Callable[..., Kit], **settings: Any) -> None:
        self.kit = make_kit(**settings)
        self.kit.chances = []
        self.st = self.kit.extension(ST)
        self.web = self.kit.connect("web1")
        self.kit.group("lobby", "web1", RequestMode.CONVERSATIONAL)
        self.kit.submit(self.web, "hello", room="lobby")
        assert self.st.forwarded == [], "without a target it is only recorded"
        self.kit.thinking.start()

    def advance(self, seconds: float) -> list[dict[str, Any]]:
        """What the extension was asked in this time."""
        before = len(self.st.forwarded)
        self.kit.clock.pump([1.0] * int(seconds))
        return self.st.forwarded[before:]


@pytest.fixture
def talk(make_kit: Callable[..., Kit]) -> Talk:
    return Talk(make_kit)


def test_an_extension_is_asked_when_the_time_of_the_room_has_come(talk: Talk) -> None:
    """The first round at 5 s draws the time of the room: at once the shortest, 15 s later."""
    assert talk.advance(19) == []
    [asked] = talk.advance(2)
    assert asked["requestId"].startswith("think_")
    assert {name: asked[name] for name in asked if name not in ("requestId", "context")} == {
        "mode": "Conversational",
        "type": "THINK_REQUEST",
        "target": ST,
        "targetRoom": "lobby",
        "roomName": "lobby",
        "instruction": talk.kit.live.conversation.value.conversational_instruction,
        "message": talk.kit.live.conversation.value.conversational_instruction,
        "requestType": "newMessage",
    }
    assert [message["message"] for message in asked["context"]][1:] == ["hello"]


def test_the_time_is_drawn_between_the_bounds(make_kit: Callable[..., Kit]) -> None:
    talk = Talk(make_kit)
    talk.kit.chances[:] = [0.999]
    assert talk.advance(60) == []
    assert len(talk.advance(6)) == 1


def test_now_and_then_only(talk: Talk) -> None:
    talk.kit.chances[:] = [0.0, 0.0, 0.31]  # the time, the next time, whether
    assert talk.advance(21) == []
    assert len(talk.advance(15)) == 1


def test_its_answer_is_recorded_and_nobody_gets_a_status(talk: Talk) -> None:
    [asked] = talk.advance(21)
    talk.kit.outbox.clear()
    talk.kit.streams.answered(Said(ST, output="o1", request=asked["requestId"]), "a thought")
    [answer] = talk.kit.responses("lobby")
    assert answer.text == "a thought"
    assert talk.kit.outbox.bodies(talk.web, "REQUEST_STATUS_UPDATE") == []
    assert any(body["message"]["message"] == "a thought" for body in talk.kit.outbox.bodies(talk.web, "NEW_MESSAGE"))


def test_one_thought_at_a_time(talk: Talk) -> None:
    [asked] = talk.advance(21)
    assert talk.advance(50) == []
    talk.kit.streams.answered(Said(ST, output="o1", request=asked["requestId"]), "a thought")
    assert len(talk.advance(21)) == 1


def test_a_room_in_which_nobody_spoke_has_nothing_to_talk_about(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit()
    st = kit.extension(ST)
    kit.connect("web1")
    kit.group("lobby", "web1", RequestMode.CONVERSATIONAL)
    kit.thinking.start()
    kit.clock.pump([1.0] * 60)
    assert st.forwarded == []


def test_other_modes_are_left_alone(talk: Talk) -> None:
    talk.advance(10)
    talk.kit.set_mode("lobby", RequestMode.IMMEDIATE)
    assert talk.advance(120) == []


def test_a_deleted_room(talk: Talk) -> None:
    talk.advance(10)
    result_of(talk.kit.rooms.delete("lobby"))
    assert talk.advance(120) == []


def test_a_room_that_is_deleted_while_its_context_is_read(talk: Talk) -> None:
    talk.kit.gate.shut = True
    talk.advance(21)
    del talk.kit.rooms._rooms["lobby"]
    talk.kit.gate.open()
    assert talk.st.forwarded == []


def test_a_muted_extension_is_not_asked(talk: Talk) -> None:
    talk.kit.mute("lobby", ST, 40)
    assert talk.advance(40) == []
    assert len(talk.advance(30)) == 1


def test_an_extension_that_left(talk: Talk) -> None:
    talk.kit.disconnect_all(ST)
    assert talk.advance(120) == []


def test_it_waits_its_turn_when_the_extension_is_paced(make_kit: Callable[..., Kit]) -> None:
    talk = Talk(make_kit)
    talk.kit.submit(talk.web, "a question", "r1", room="lobby", targets=(ST,))
    assert [asked["requestId"] for asked in talk.st.forwarded] == ["r1"]
    assert talk.advance(21) == []
    talk.kit.streams.answered(Said(ST, output="o1", request="r1"), "an answer")
    assert [asked["type"] for asked in talk.st.forwarded[1:]] == ["THINK_REQUEST"]


def test_a_paced_thought_for_an_extension_that_is_gone(make_kit: Callable[..., Kit]) -> None:
    talk = Talk(make_kit)
    talk.kit.submit(talk.web, "a question", "r1", room="lobby", targets=(ST,))
    talk.advance(21)
    talk.kit.disconnect_all(ST)
    talk.advance(10)
    assert len(talk.st.forwarded) == 1


class TestUnmuted:
    @pytest.fixture
    def muted(self, make_kit: Callable[..., Kit]) -> Iterator[Talk]:
        talk = Talk(make_kit, conversation=ConversationSettings(conversational_think_probability=0))
        talk.kit.mute("lobby", ST, 3600)
        yield talk

    def unmute(self, talk: Talk) -> None:
        before = talk.kit.rooms.require("lobby")
        room = result_of(talk.kit.rooms.change(before, evolve(before, muted={})))
        talk.kit.thinking.member_unmuted(room, ST, "boss")

    def test_it_is_asked_soon(self, muted: Talk) -> None:
        self.unmute(muted)
        self.unmute(muted)
        assert muted.advance(1) == []
        [asked] = muted.advance(2)
        assert asked["instruction"] == muted.kit.live.conversation.value.post_unmute_instruction
        assert muted.advance(10) == []

    def test_not_when_it_was_muted_again(self, muted: Talk) -> None:
        self.unmute(muted)
        muted.kit.mute("lobby", ST, 3600)
        assert muted.advance(5) == []

    def test_not_when_the_mode_is_another_by_then(self, muted: Talk) -> None:
        self.unmute(muted)
        muted.kit.set_mode("lobby", RequestMode.DEFAULT)
        assert muted.advance(5) == []

    def test_not_when_the_room_is_gone_by_then(self, muted: Talk) -> None:
        self.unmute(muted)
        result_of(muted.kit.rooms.delete("lobby"))
        assert muted.advance(5) == []

    def test_not_in_another_mode(self, muted: Talk) -> None:
        muted.kit.set_mode("lobby", RequestMode.DEFAULT)
        self.unmute(muted)
        assert muted.advance(5) == []

    def test_people_are_not_asked(self, muted: Talk) -> None:
        muted.kit.thinking.member_unmuted(muted.kit.rooms.require("lobby"), "web1", "boss")
        assert muted.advance(5) == []

    def test_nothing_is_left_behind_at_the_end(self, muted: Talk) -> None:
        """The kit checks it when it is closed."""
        self.unmute(muted)


def test_a_store_that_fails_is_logged_and_the_rounds_go_on(talk: Talk, logged: Any) -> None:
    talk.kit.gate.broken = True
    talk.advance(21)
    assert "an extension could not be asked in room lobby: The disk is full." in logged()
    assert not any("log_failure" in event for event in logged.events)
    talk.kit.gate.broken = False
    assert len(talk.advance(20)) == 1


def test_settings_may_be_swapped(talk: Talk) -> None:
    talk.kit.change("conversation", conversational_think_probability=0)
    assert talk.advance(60) == []
