"""The circle closes: a SillyTavern whose model is the hub, which asks another SillyTavern (``make nightly``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from desk import Desk
from fake_model import FakeModel, Script
from harness import Daemon, Hub
from tab import Browser
from tavern import SillyTavern

ONLINE = "() => SillyTavern.getContext().onlineStatus !== 'no_connection'"
MODELS = "() => [...document.querySelectorAll('#model_custom_select option')].map((each) => each.value).filter(Boolean)"
TOKENS = ("The ", "circle ", "closes.")


@pytest.fixture(scope="module")
def asker(
    tavern_hub: Daemon, open_desk: Desk, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    """At the second one, whose server asks the hub: its extension is not there."""
    custom = {"custom_model": "newage", "bypass_status_check": False}
    asking = SillyTavern(
        tmp_path_factory.mktemp("custom") / "data", f"{tavern_hub.url}/v1", settings={"oai_settings": custom}
    )
    asking.add_character("Dora")
    asking.start()
    try:
        with closing(Desk.sit_down(browser, asking.url)) as desk:
            desk.wait(ONLINE)
            yield desk
    finally:
        asking.stop()


def test_it_finds_the_hubs_models(served: tuple[Hub, Desk], asker: Desk) -> None:
    desk_id = f"SillyTavern-{served[1].run('() => location.port')}"
    assert {"newage", desk_id} <= set(asker.run(MODELS))


def test_what_it_asks_another_sillytavern_answers(served: tuple[Hub, Desk], model: FakeModel, asker: Desk) -> None:
    _, answers = served
    before = answers.texts
    model.answers(Script(tokens=TOKENS, gap=0.05))
    asker.open_chat("Dora")
    asker.say("Does it close?")
    asker.wait_text("".join(TOKENS))
    asker.at_rest()
    assert asker.texts[-2:] == ["Does it close?", "".join(TOKENS)]
    asked = model.wait_asked()
    assert "Does it close?" in asked.words
    assert "Dora is brief." in asked.words  # the prompt is the asker's own
    assert answers.texts == before  # and the chat of who answers is untouched


def test_what_is_stopped_there_stops_the_model_here(served: tuple[Hub, Desk], model: FakeModel, asker: Desk) -> None:
    model.answers(Script(tokens=("Once ", "upon ", "a ", "time."), held_after=2))
    asker.open_chat("Dora")
    asker.say("Tell me a story")
    asker.wait_context("context.chat.at(-1)?.mes.startsWith(given)", "Once")  # the newest word is held back
    asker.stop()
    model.wait_idle()
    asker.at_rest()
    model.release()


def test_why_the_model_failed_is_shown(served: tuple[Hub, Desk], model: FakeModel, asker: Desk) -> None:
    model.answers(Script(status=503))
    asker.open_chat("Dora")
    asker.say("And now?")
    asker.wait("() => document.querySelector('#toast-container .toast-error') !== null")
    assert len(model.requests) == 1  # asked once
