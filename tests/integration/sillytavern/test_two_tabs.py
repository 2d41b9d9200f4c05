"""Two tabs of one SillyTavern: the newest serves, the older one says so, and may take over again (contract 2.9)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from asking import ask, asker, end_of, extension_id
from desk import Desk
from fake_model import FakeModel, Script
from harness import Hub, until
from linked import Linked, new_chat, saved
from tab import Browser
from tavern import SillyTavern

STATE = "(state) => document.querySelector('.newage-state')?.textContent === state"
REPLACED = "Another tab serves this hub now"
BUTTONS = """() => [...document.querySelectorAll('#newage_settings .newage-status + .newage-row button')]
    .filter((one) => !one.hidden).map((one) => one.textContent.trim())"""
PATIENCE = "void (context.extensionSettings.newage.patience = given)"
LONG = {"first": 600_000, "next": 600_000}  # ms; the model is held while a tab is opened
PRESS = """(words) => [...document.querySelectorAll('#newage_settings button')]
    .find((one) => one.textContent.trim().startsWith(words)).click()"""


@pytest.fixture
def second(browser: Browser, tavern: SillyTavern, served: tuple[Hub, Desk]) -> Iterator[list[Desk]]:
    """Where the other tab is, once it is open; in the end the first one serves, alone."""
    _, desk = served
    tabs: list[Desk] = []
    yield tabs
    for tab in tabs:  # its last word to SillyTavern has no suffix either
        tab.context("void (context.extensionSettings.newage.suffix = '')")
        tab.save_settings()
        tab.close()
    desk.context("void (context.extensionSettings.newage.suffix = '')")
    desk.context(PATIENCE, {})
    desk.save_settings()
    if not desk.run(STATE, "Connected"):
        desk.run(PRESS, "Serve here")
        desk.wait(STATE, "Connected")


def test_the_newer_tab_serves_the_older_one_says_so_and_takes_over_again(
    served: tuple[Hub, Desk], second: list[Desk], browser: Browser, tavern: SillyTavern, model: FakeModel
) -> None:
    hub, first = served
    new_chat(first, "Ann")
    linked = Linked(hub, first, tavern)
    first.context(PATIENCE, LONG)
    first.save_settings()
    aside = asker(hub)
    model.answers(Script(tokens=("begun ", "never"), held_after=1), to="Begin")
    model.answers(Script(tokens=("never",), held_after=0), Script(tokens=("The ", "newer one.")), to="Later")
    begun = linked.begun("Begin in the chat")
    later = ask(aside, hub, extension_id(tavern), "Later, aside")
    model.wait(lambda asked: len(asked) == 2, "both questions")

    newer = Desk.sit_down(browser, tavern.url, beside=first)
    second.append(newer)
    first.wait(STATE, REPLACED)
    assert first.run(BUTTONS) == ["Serve here", "It is another SillyTavern: serve beside it"]
    newer.wait(STATE, "Connected")
    end = end_of(linked.who, begun)
    assert (end["data"].strip(), end["failed"], end["partial"]) == ("begun", True, True)
    assert linked.who.payload("ERROR")["message"] == "SillyTavern extension disconnected."
    assert end_of(aside, later)["data"] == "The newer one."
    model.wait_idle()  # the older tab has stopped
    until(lambda: saved(linked)[-1]["mes"] == "begun", "it has kept that for the newer one")

    model.answers(Script(tokens=("In the newer tab.",)), Script(tokens=("In the older tab.",)))
    assert linked.answered("And now?")["data"] == "In the newer tab."
    assert newer.texts[1:] == ["Begin in the chat", "begun", "And now?", "In the newer tab."]
    assert first.texts[-1].strip() == "begun"

    first.run(PRESS, "Serve here")
    newer.wait(STATE, REPLACED)
    first.wait(STATE, "Connected")
    first.context("context.reloadCurrentChat()")  # what the newer tab has saved
    assert linked.answered("And here?")["data"] == "In the older tab."
    assert first.texts[-2:] == ["And here?", "In the older tab."]
    assert newer.texts[-1] == "In the newer tab."

    newer.run(PRESS, "It is another SillyTavern")
    newer.wait(STATE, "Connected")
    assert first.run(STATE, "Connected")
    beside = newer.context("`SillyTavern-${location.port}-${context.extensionSettings.newage.suffix}`")
    for target in (extension_id(tavern), beside):
        model.answers(Script(tokens=("Each.",)))
        assert end_of(aside, ask(aside, hub, target, "Who?"))["identity"] == target
