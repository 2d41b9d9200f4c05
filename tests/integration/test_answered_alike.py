"""What people see is the same, whether an extension answers or a model server with no SillyTavern there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Protocol

import pytest
from asking import ask, newcomer
from expect import of_request, wait_status
from fake_model import FakeModel, Script
from harness import Daemon, Driver, Hub, Socket, request


class Speaker(Protocol):
    """Who answers; ``asked`` are the questions that came, with all that came with them."""

    def says(self, *tokens: str) -> None: ...
    def fails(self) -> None: ...
    @property
    def asked(self) -> list[str]: ...


class StandIn:
    """An extension that answers as the docs tell it to."""

    def __init__(self, hub: Hub) -> None:
        self._extension = hub.extension(kind="silent").start_quickly()

    def says(self, *tokens: str) -> None:
        self._extension.answers("docs", chunks=list(tokens))

    def fails(self) -> None:
        self._extension.answers("error", message="No.", error="No.")

    @property
    def asked(self) -> list[str]:
        return [json.dumps(body, ensure_ascii=False) for body in self._extension.llm.payloads("LLM_REQUEST")]


class ModelServer:
    def __init__(self, model: FakeModel) -> None:
        self._model = model

    def says(self, *tokens: str) -> None:
        self._model.answers(Script(tokens=tokens))

    def fails(self) -> None:
        self._model.answers(Script(status=500))

    @property
    def asked(self) -> list[str]:
        return [asked.raw.encode().decode("unicode_escape") for asked in self._model.requests]


@pytest.fixture(scope="module")
def model() -> Iterator[FakeModel]:
    with closing(FakeModel()) as model:
        yield model


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[Daemon]:
    with Daemon.configured(tmp_path_factory.mktemp("alike"), f'[upstream.x]\nurl = "{model.url}"\n') as daemon:
        yield daemon


@pytest.fixture
def hub(served: Daemon, driver: Driver, model: FakeModel) -> Iterator[Hub]:
    yield Hub(served, driver)
    driver.reset()
    model.reset()
    served.check_log()


@pytest.fixture(params=["stand-in", "model server"])
def speaker(request: pytest.FixtureRequest, hub: Hub, model: FakeModel) -> Speaker:
    return StandIn(hub) if request.param == "stand-in" else ModelServer(model)


def said(who: Socket, room: str) -> list[tuple[str, str]]:
    """Everything that is stored there: role and text."""
    stored = who.call("GET_MESSAGES", {"roomName": room})["messages"]
    return [(each["role"], each["message"]) for each in stored if not each.get("isSystem")]


def group(hub: Hub, mode: str, count: int) -> tuple[str, Socket, list[tuple[str, Socket]]]:
    """A room in that mode, who operates it, and members."""
    room, chief = hub.new_id("room"), hub.monitor("/rooms")
    assert chief.call("CREATE_ROOM", {"roomName": room})["status"] == "ok"
    assert chief.call("SET_MESSAGE_REQUEST_MODE", {"roomName": room, "mode": mode})["status"] == "ok"
    members = []
    for _ in range(count):
        name = hub.new_id("ann")
        members.append((name, hub.client(name, auth={"outputs": True})))
        assert hub.client(name, "/rooms").call("JOIN_ROOM", {"roomName": room})["status"] == "ok"
    return room, hub.monitor(), members


def test_an_answer_is_streamed_and_stored_once(hub: Hub, speaker: Speaker) -> None:
    speaker.says("One, ", "two 🌍")
    name, who = newcomer(hub)
    for number in range(3):
        request_id = ask(who, hub, None, f"Question {number}")
        wait_status(who, request_id, "completed")
        assert who.payload("LLM_RESPONSE", of_request(request_id))["message"] == "One, two 🌍"
    assert [text for _, text in said(who, name)] == [
        text for number in range(3) for text in (f"Question {number}", "One, two 🌍")
    ]
    assert "Question 0" in speaker.asked[-1], "what was said before goes with it"


def test_asked_again_there_are_two_answers_of_which_one_counts(hub: Hub, speaker: Speaker) -> None:
    name, who = newcomer(hub)
    speaker.says("First.")
    asked = request(hub.new_id("r"), None, "Well?")
    message_id = who.call("LLM_REQUEST", asked)["messageId"]
    wait_status(who, asked["requestId"], "completed")
    speaker.says("Second.")
    again = ask(who, hub, None, requestType="regenerateMessage", messageId=message_id)
    wait_status(who, again, "completed")
    stored = who.call("GET_MESSAGES", {"roomName": name})["messages"]
    answers = [(each["message"], each["selected"]) for each in stored if each["role"] == "assistant"]
    assert answers == [("First.", False), ("Second.", True)]


def test_an_answer_grows(hub: Hub, speaker: Speaker) -> None:
    name, who = newcomer(hub)
    speaker.says("Once upon")
    wait_status(who, ask(who, hub, None, "A tale."), "completed")
    speaker.says(" a time.")
    wait_status(who, ask(who, hub, None, requestType="continue"), "completed")
    assert said(who, name)[1:] == [("assistant", "Once upon a time.")]


def test_a_failure_is_told_and_the_next_question_answered(hub: Hub, speaker: Speaker) -> None:
    name, who = newcomer(hub)
    speaker.fails()
    failed = ask(who, hub, None, "Well?")
    assert who.payload("ERROR", of_request(failed))["message"]
    wait_status(who, failed, "failed")
    speaker.says("Yes.")
    wait_status(who, ask(who, hub, None, "And now?"), "completed")
    assert [text for _, text in said(who, name)] == ["Well?", "And now?", "Yes."]


def test_guests_wait_for_their_host(hub: Hub, speaker: Speaker) -> None:
    room, host, [(_, guest)] = group(hub, "Default", 1)
    speaker.says("To both.")
    waits = request(hub.new_id("r"), None, "of the guest", targetRoom=room)
    assert guest.call("LLM_REQUEST", waits)["waitsFor"] == "host"
    mine = ask(host, hub, None, "of the host", targetRoom=room)
    wait_status(host, mine, "completed")
    wait_status(guest, waits["requestId"], "completed")
    (asked,) = speaker.asked
    assert "of the guest" in asked
    assert "of the host" in asked
    assert [text for _, text in said(host, room)].count("To both.") == 1


def test_in_separate_rooms_nobody_is_told_of_others(hub: Hub, speaker: Speaker) -> None:
    room, _, [(_, ann), (_, bob)] = group(hub, "Separate", 2)
    speaker.says("Hm.")
    wait_status(ann, ask(ann, hub, None, "a secret of Ann", targetRoom=room), "completed")
    wait_status(bob, ask(bob, hub, None, "Hello", targetRoom=room), "completed")
    assert "secret" not in speaker.asked[-1]
