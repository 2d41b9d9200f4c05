"""A hub that means harm, at a real SillyTavern: it breaks nothing there, and is told nothing of the open chat."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest
from desk import Desk
from fake_model import FakeModel, Script
from fault_proxy import FaultProxy
from played_hub import PlayedHub
from tab import Browser
from tavern import SillyTavern

SECRET = "the violet canary"
FINAL = ("CLIENT_STREAM_END", "ERROR", "BUSY")
ADDRESS = """(address) => {
  const fields = [...document.querySelectorAll('#newage_settings label.newage-field')];
  const input = fields.find((one) => one.querySelector('span').textContent === 'Address').querySelector('input');
  input.value = address;
  input.dispatchEvent(new Event('change'));
}"""
SHOWN = "() => document.querySelector('#newage_settings .newage-status').textContent"
# Origins that the page has loaded something from.
ORIGINS = "() => [...new Set(performance.getEntriesByType('resource').map((one) => new URL(one.name).origin))]"
KEPT = "JSON.stringify([context.extensionSettings.newage, context.characters.length, context.getCurrentChatId()])"

NO_TEXT = {"toString": 1, "valueOf": 1}  # of which a script can make no text
POLLUTION = {"__proto__": {"owned": 1}, "constructor": {"prototype": {"owned": 1}}}
DEEP: Any = "leaf"
for _ in range(150):
    DEEP = {"a": DEEP}
MARKUP = "<img src=http://127.0.0.1:9/x onerror='window.owned = 1'><script>window.owned = 1</script>{{setvar::x::1}}"
HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 1e308, "", "../../../../etc/passwd", "x" * 100_000, "\u202e\x00\r\n", MARKUP),
    *([], [None], {}, NO_TEXT, [NO_TEXT], POLLUTION, DEEP),
)
SAID = {
    "message": "hi",
    "isResponse": True,
    "outputId": "o",
    "messageId": "m0",
    "questionId": "q",
    "character": {"name": "A"},
}
REQUEST = {
    "type": "LLM_REQUEST",
    "roomName": "room",
    "targetRoom": "room",
    "message": "hi",
    "action": "newMessage",
    "requestType": "newMessage",
    "clientId": "c",
    "identity": "c",
    "name": "n",
    "messageId": "m",
    "character": "Ann.png",
    "currentRequest": {"messageId": "m", "name": "n", "requestId": "r", "originalRequestIds": ["a"]},
    "originalRequestIds": ["a"],
    "context": [SAID],
    "data": {"messages": [{"role": "user", "content": "hey", "name": "x"}], "stop": ["x"], "temperature": 1},
    "options": {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}},
}
EVENTS: Mapping[str, Mapping[str, Any]] = {
    "CANCEL_REQUEST": {"requestId": "r", "outputIds": ["o"], "reason": "cancelled"},
    "LIST_CHARACTERS": {"roomName": "room"},
    "GET_AVATAR": {"id": "Ann.png"},
    "SELECT_CHARACTER": {"roomName": "room", "id": "Ann.png"},
    "CHAT_SNAPSHOT": {"roomName": "room", "limit": 5},
    "ERROR": {"message": "m", "code": "c", "errorCode": 2, "requestId": "r", "error": {"message": "x", "code": 3}},
    "WARNING": {"message": "m", "code": "OTHER_EXTENSION"},
    "NO_SUCH_EVENT": {"a": 1},
}


def spoilt(body: Mapping[str, Any], values: Iterator[Any]) -> Iterator[dict[str, Any]]:
    """The body with each of its members, at every depth, once as the next of these values."""
    for name, member in body.items():
        yield {**body, name: next(values)}
        inner = member[0] if isinstance(member, list) else member
        if isinstance(inner, dict):
            for one in spoilt(inner, values):
                yield {**body, name: [one] if isinstance(member, list) else one}


def wrong(desk: Desk) -> list[str]:
    """What the page or its console objected. The played hub answers 400 on a line just dropped."""
    return [one for one in desk.problems if "status of 400 (BAD REQUEST)" not in one]


@pytest.fixture(scope="module")
def played() -> Iterator[PlayedHub]:
    with closing(PlayedHub()) as hub:
        yield hub


@pytest.fixture(scope="module")
def victim(tavern: SillyTavern, tavern_line: FaultProxy, browser: Browser, played: PlayedHub) -> Iterator[Desk]:
    """A desk whose extension dials the hub that the test plays; it goes back to its own in the end."""
    with closing(Desk.sit_down(browser, tavern.url)) as desk:
        desk.wait("() => document.getElementById('newage_settings')")
        desk.run(ADDRESS, played.url)
        played.wait(lambda: played.count("SET_CHAT_ROOM"))
        yield desk
        desk.run(ADDRESS, tavern_line.url)
        desk.wait(f"() => ({SHOWN})().includes('Connected')")
        desk.save_settings()


def is_in(desk: Desk, hub: PlayedHub) -> None:
    """The extension is at the hub, with nothing left to do."""
    desk.wait(f"() => ({SHOWN})().includes('Connected')")
    while hub.ask("LIST_CHARACTERS", {})["status"] != "ok":
        pass  # too much at once: what waits gets less


def test_whatever_a_hub_says_nothing_throws_runs_or_is_told(
    victim: Desk, tavern: SillyTavern, played: PlayedHub, model: FakeModel
) -> None:
    desk = victim
    model.answers(Script(tokens=("Fine.",)))
    desk.open_chat("Bob")
    desk.say(SECRET)
    desk.wait_text("Fine.")
    desk.fill("#send_textarea", SECRET)
    desk.at_rest()
    before, asked = desk.context(KEPT), len(model.requests)
    desk.run("() => performance.clearResourceTimings()")

    for event, body in EVENTS.items():
        for value in HOSTILE:
            played.say(event, value)
            for one in spoilt(body, itertools.repeat(value)):
                played.say(event, one)
    for value in HOSTILE:
        played.say("LLM_REQUEST", value)
    is_in(desk, played)
    values = itertools.cycle(HOSTILE)
    for number, one in enumerate(spoilt(REQUEST, values)):
        request = {**one, "requestId": f"r{number}"}
        played.say("LLM_REQUEST", request)
        played.wait(lambda wanted=request: played.of(FINAL, wanted["requestId"]))  # type: ignore[misc]

    is_in(desk, played)
    assert wrong(desk) == []
    assert desk.run("() => [window.owned, ({}).owned]") == [None, None]
    assert set(desk.run(ORIGINS)) <= {tavern.url.rstrip("/"), played.url}
    assert desk.context(KEPT) == before
    assert len(model.requests) > asked + 10, "most were answered, whatever else was in them"
    assert SECRET not in str(played.heard)
    assert not [one for one in model.requests[asked:] if SECRET in one.raw]
    assert desk.run("() => document.getElementById('send_textarea').value") == SECRET
    desk.fill("#send_textarea", "")


def test_a_flood_leaves_sillytavern_usable(victim: Desk, played: PlayedHub, model: FakeModel) -> None:
    desk = victim
    model.answers(Script(tokens=("Fine.",)))
    desk.open_chat("Bob")
    count = len(desk.texts)
    played.say("LLM_REQUEST", {"requestId": "huge", "message": "y" * 10_000_000, "context": []})
    played.say("ERROR", {"message": "y" * 1_000_000})
    for number in range(2_000):
        played.say("LLM_REQUEST", {**REQUEST, "requestId": f"flood{number}"})
    for number in range(500):
        played.say("CHAT_SNAPSHOT", {"limit": 200})
        played.say("SELECT_CHARACTER", {"id": "Ann.png"})
        played.say("GET_AVATAR", {"id": "Ann.png"})
        played.say("CANCEL_REQUEST", {"requestId": f"flood{number}"})
        played.say("ERROR", {"message": f"message {number}"})
    desk.say("is anybody there?")
    desk.wait_context("context.chat.length === given && context.chat.at(-1).mes === 'Fine.'", count + 2)
    is_in(desk, played)
    [told] = [body for event, body in played.heard if event == "ERROR" and body["requestId"] == "huge"]
    assert told["message"] == "That is too long."
    assert played.count("BUSY") > 1_000, "four at once, and eight in the chat"
    assert desk.context("context.characters[context.characterId].name") == "Bob"
    assert len(desk.run(SHOWN)) < 1_000
    assert wrong(desk) == []


def test_a_hub_that_takes_back_each_key_that_it_gives_is_not_asked_for_ever(victim: Desk, played: PlayedHub) -> None:
    desk = victim
    is_in(desk, played)
    identified = played.count("IDENTIFY_SILLYTAVERN")
    played.refuses = True
    played.drop()
    desk.wait(f"() => ({SHOWN})().includes('refused')")
    assert played.count("IDENTIFY_SILLYTAVERN") <= identified + 1
    assert wrong(desk) == []
