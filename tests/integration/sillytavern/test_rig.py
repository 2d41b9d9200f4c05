"""The rig itself: a real SillyTavern in a real browser talks to the model server whose answers a test writes."""

from __future__ import annotations

from desk import Desk
from fake_model import FakeModel, Script

FORGET = "() => void (newageProbe.length = 0)"
HEARD = "(name) => newageProbe.find(([heard]) => heard === name)"


def test_an_answer_of_the_model_arrives_in_the_chat_and_the_probe_hears_it(open_desk: Desk, model: FakeModel) -> None:
    desk = open_desk
    answer = Script(tokens=("One ", "two ", "three."), gap=0.02)
    model.answers(answer)
    desk.open_chat("Ann")
    desk.say("count please")
    desk.wait_text(answer.text)

    assert set(desk.context("context.characters.map((character) => character.name)")) >= {"Ann", "Bob"}
    assert desk.names[-2:] == ["Desk", "Ann"]
    [asked] = model.requests
    assert "count please" in asked.words
    assert "Ann is brief." in asked.words
    assert desk.run(HEARD, "STREAM_TOKEN_RECEIVED")
    desk.wait(HEARD, "MESSAGE_RECEIVED")


def test_the_model_server_hears_that_a_generation_is_stopped(open_desk: Desk, model: FakeModel) -> None:
    desk = open_desk
    desk.run(FORGET)
    model.answers(Script(tokens=("Held ", "never "), held_after=1))
    desk.open_chat("Bob")
    desk.say("begin")
    desk.wait(HEARD, "STREAM_TOKEN_RECEIVED")
    assert model.busy == 1
    desk.stop()
    model.wait_idle()
    assert [asked.state for asked in model.requests] == ["gone"]
    desk.wait(HEARD, "GENERATION_STOPPED")
