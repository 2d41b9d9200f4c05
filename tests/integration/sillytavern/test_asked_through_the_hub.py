"""Questions to a real SillyTavern by way of the hub, and its answers back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing

import pytest
from asking import ask, asker, end_of, extension_id, text_of
from desk import Desk
from fake_model import FakeModel, Script
from harness import Hub
from tavern import SillyTavern

SECRET = "the purple lamp is under the stairs"
HALF_TYPED = "half typed, never sent"


def test_every_token_arrives_in_order_and_what_is_stored_is_what_the_model_said(
    served: tuple[Hub, Desk], tavern: SillyTavern, model: FakeModel
) -> None:
    hub, _ = served
    answer = Script(tokens=[f"{number} 😀客 " for number in range(30)] + ["end."], gap=0.01)
    model.answers(answer)
    who = asker(hub)
    request_id = ask(who, hub, extension_id(tavern), "What is a hub?")
    end = end_of(who, request_id)
    assert (end["data"], end["failed"], end["stored"]) == (answer.text, False, True)
    assert text_of(who, request_id) == answer.text
    assert who.call("GET_MESSAGES", {})["messages"][-1]["data"] == answer.text


def test_a_stopped_answer_frees_the_model_and_its_beginning_is_kept(
    served: tuple[Hub, Desk], tavern: SillyTavern, model: FakeModel
) -> None:
    hub, _ = served
    model.answers(Script(tokens=("kept ", "too ", "never "), held_after=2))
    who = asker(hub)
    request_id = ask(who, hub, extension_id(tavern), "Go on for long")
    who.wait("SERVER_STREAM_DATA", lambda body: body["data"].startswith("kept"))
    assert model.busy == 1
    assert who.call("CANCEL_REQUEST", {"requestId": request_id})["status"] == "ok"
    model.wait_idle()
    assert [asked.state for asked in model.requests] == ["gone"]
    end = end_of(who, request_id)
    assert (end["cancelled"], end["partial"]) == (True, True)
    assert end["data"].startswith("kept")


def test_two_rooms_at_once_hold_nothing_of_each_other_nor_of_the_desk(
    served: tuple[Hub, Desk], tavern: SillyTavern, model: FakeModel
) -> None:
    hub, desk = served
    model.answers(Script(tokens=("I see.",)))
    desk.open_chat("Bob")
    before = len(desk.texts)
    desk.say(SECRET)
    desk.wait_context("context.chat.length >= given && context.chat.at(-1).mes === 'I see.'", before + 2)
    desk.fill("#send_textarea", HALF_TYPED)
    asked_before = len(model.requests)
    shown = desk.texts
    one, other = asker(hub), asker(hub)
    ids = [ask(one, hub, extension_id(tavern), "ONE-WORD"), ask(other, hub, extension_id(tavern), "OTHER-WORD")]
    for who, request_id in zip((one, other), ids, strict=True):
        assert end_of(who, request_id)["data"] == "I see."
    prompts = [asked.words for asked in model.requests[asked_before:]]
    assert sorted(("ONE-WORD" in words, "OTHER-WORD" in words) for words in prompts) == [(False, True), (True, False)]
    assert not [words for words in prompts if SECRET in words or HALF_TYPED in words]
    assert all("Ann is brief." in words for words in prompts)
    assert desk.texts == shown
    assert desk.run("() => document.getElementById('send_textarea').value") == HALF_TYPED


FAULTS = {
    "429": Script(status=429),
    "503": Script(status=503),
    "error-frame": Script(tokens=(), then="error"),
    # SillyTavern says nothing of these: the extension waits 45 s for the next token
    **({"cut": Script(tokens=("half ", "way "), then="cut")} if os.environ.get("NEWAGE_NIGHTLY") else {}),
}


@pytest.mark.parametrize("script", FAULTS.values(), ids=FAULTS)
def test_what_is_wrong_with_the_model_is_heard_in_words(
    served: tuple[Hub, Desk], tavern: SillyTavern, model: FakeModel, script: Script
) -> None:
    hub, _ = served
    model.answers(script)
    who = asker(hub)
    request_id = ask(who, hub, extension_id(tavern), "Anything?")
    error = who.payload("ERROR", lambda body: body["requestId"] == request_id, timeout=60)
    assert error["message"]


@pytest.fixture
def elsewhere() -> Iterator[FakeModel]:
    """Where nobody is to be sent."""
    with closing(FakeModel()) as model:
        yield model


def test_members_that_choose_a_destination_do_nothing(
    served: tuple[Hub, Desk], tavern: SillyTavern, model: FakeModel, elsewhere: FakeModel
) -> None:
    hub, _ = served
    who, url = asker(hub), elsewhere.url
    bad = {"custom_url": url, "reverse_proxy": url, "secret_id": "x", "chat_completion_source": "openai"}
    more = {"data": {**bad, "options": bad}, "options": bad, **bad}
    request_id = ask(who, hub, extension_id(tavern), "Where to?", **more)
    assert end_of(who, request_id)["failed"] is False
    assert (len(model.requests), elsewhere.requests) == (1, [])
    assert not set(bad) & set(model.requests[0].body)
