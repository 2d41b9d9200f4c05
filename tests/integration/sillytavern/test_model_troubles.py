"""What goes wrong at the model server, and stopping: in the chat and aside, by both of SillyTavern's APIs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from asking import ask, end_of, extension_id, link_chat, newcomer
from desk import Desk
from fake_model import FOR_EVER, FakeModel, Script
from harness import Hub, Socket
from linked import new_chat
from model_api import CHAT_COMPLETION, TEXT_COMPLETION, model_api
from tavern import SillyTavern

NIGHTLY = bool(os.environ.get("NEWAGE_NIGHTLY"))
# Chat completion aside and silences in the chat: test_asked_through_the_hub.py, test_lost_and_found.py.
EVERY = ["429", "503", "error frame", "cut", "silent before the first token", "silent between tokens"]
AT_ONCE = EVERY[:3]
WAYS = [
    (True, CHAT_COMPLETION, EVERY if NIGHTLY else AT_ONCE),
    (False, TEXT_COMPLETION, EVERY if NIGHTLY else ["503", "error frame", "cut"]),
    *([(True, TEXT_COMPLETION, EVERY), (False, CHAT_COMPLETION, EVERY)] * NIGHTLY),
]
TROUBLES = {
    "429": Script(status=429),
    "503": Script(status=503),
    "error frame": Script(tokens=("half ", "way "), gap=0.05, then="error"),
    "cut": Script(tokens=("half ", "way "), gap=0.05, then="cut"),
    "silent before the first token": Script(first_after=FOR_EVER),
    "silent between tokens": Script(tokens=("half ", "way ", "never"), gap=0.05, held_after=2),
}
PATIENT = "context.extensionSettings.newage.patience = given"


@pytest.fixture
def patience(served: tuple[Hub, Desk]) -> Iterator[Callable[[Script], None]]:
    """The extension waits a second or two for a model that falls silent, else as long as a busy machine takes."""
    desk = served[1]

    def patience(script: Script) -> None:
        silent = script.then == "cut" or script.held_after is not None
        limits = {"first": 1500 if script.first_after else 60_000, "next": 1500 if silent else 60_000, "stop": 1000}
        desk.context(PATIENT, limits)

    yield patience
    desk.context(PATIENT, {})


def somebody(hub: Hub, desk: Desk, tavern: SillyTavern, *, chat: bool) -> tuple[str, Socket]:
    if not chat:
        return newcomer(hub)
    new_chat(desk, "Ann")
    who, me = link_chat(hub, desk, tavern)
    return me, who


@pytest.mark.parametrize(
    ("chat", "api", "troubles"), WAYS, ids=[f"{'chat' if chat else 'aside'}-{api}" for chat, api, _ in WAYS]
)
def test_what_is_wrong_at_the_model_server_is_told_in_words_and_the_beginning_kept(
    served: tuple[Hub, Desk],
    tavern: SillyTavern,
    model: FakeModel,
    patience: Callable[[Script], None],
    chat: bool,
    api: str,
    troubles: list[str],
) -> None:
    hub, desk = served
    me, who = somebody(hub, desk, tavern, chat=chat)
    with model_api(api, desk, model):
        for trouble in troubles:
            script = TROUBLES[trouble]
            model.answers(script)
            patience(script)
            key = ask(who, hub, extension_id(tavern), f"Any {trouble}?")
            words = who.payload("ERROR", lambda body, key=key: body["requestId"] == key)["message"]
            assert words and "http://" not in words, trouble
            model.wait_idle()
            if script.status == 200 and script.first_after == 0:
                end = end_of(who, key)
                assert (end["data"].strip(), end["failed"], end["partial"], end["stored"]) == (
                    "half way",
                    True,
                    True,
                    True,
                ), trouble
            stored = who.call("GET_MESSAGES", {"roomName": me})["messages"][-1]
            assert (stored["requestId"], stored["fromLlm"]) == (key, "half" in script.text and script.status == 200), (
                trouble
            )
        well = Script(tokens=("All is well.",))
        model.answers(well)
        patience(well)
        assert end_of(who, ask(who, hub, extension_id(tavern), "And now?"))["data"] == "All is well."


STOPPED = [(True, TEXT_COMPLETION), *([(False, TEXT_COMPLETION), (True, CHAT_COMPLETION)] * NIGHTLY)]


@pytest.mark.parametrize(
    ("chat", "api"), STOPPED, ids=[f"{'chat' if chat else 'aside'}-{api}" for chat, api in STOPPED]
)
def test_a_long_answer_that_is_stopped_frees_the_model_and_stays_on_both_sides(
    served: tuple[Hub, Desk], tavern: SillyTavern, model: FakeModel, chat: bool, api: str
) -> None:
    hub, desk = served
    me, who = somebody(hub, desk, tavern, chat=chat)
    with model_api(api, desk, model):
        model.answers(Script(tokens=[f"{number} " for number in range(2_000)], gap=0.05))  # 100 s
        key = ask(who, hub, extension_id(tavern), "Go on for long")
        who.wait("SERVER_STREAM_DATA", lambda body: body["requestId"] == key and "3" in body["data"])
        assert who.call("CANCEL_REQUEST", {"requestId": key})["status"] == "ok"
        model.wait_idle(timeout=20)
        assert [asked.state for asked in model.requests if asked.sent] == ["gone"]
        end = end_of(who, key)
        assert (end["cancelled"], end["partial"]) == (True, True)
        stored = who.call("GET_MESSAGES", {"roomName": me})["messages"][-1]["message"]
        assert stored == end["data"] and stored.startswith("0 1 2 3")
        if chat:
            assert desk.texts[-1].startswith(stored.strip())
