"""Each field and button of the panel in a real SillyTavern: what it does at the hub, and that it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from asking import ask, asker, end_of, extension_id, newcomer
from desk import Desk
from fake_model import FakeModel, Script
from fault_proxy import FaultProxy
from harness import Daemon, Driver, Hub, Socket, new_key, operator
from panel import Panel
from tab import Browser
from tavern import SillyTavern

SERVE = ("the linked chat and other rooms", "the linked chat only", "nothing")
FIRST = "as linked, or the first one"
PERSONA = "Their hat is PERSONA-GREEN."


@pytest.fixture
def hub(tavern_hub: Daemon, driver: Driver, panel: Panel) -> Hub:
    return Hub(tavern_hub, driver)


@pytest.fixture
def settled(panel: Panel) -> Iterator[Panel]:
    """Whose settings are those of a new panel again in the end."""
    yield panel
    panel.enter("Name that people see", "")
    panel.choose("Serve", SERVE[0])
    panel.choose("Character", FIRST)
    panel.tick("Offer all characters")
    for label in ("Tell the model my persona", "The room may choose the character"):
        panel.tick(label, on=False)
    panel.enter("Clients whose macros may run", "")
    panel.desk.save_settings()


def own_settings(tavern: SillyTavern) -> dict[str, Any]:
    found: dict[str, Any] = tavern.stored_settings()["extension_settings"]["newage"]
    return found


def extensions(hub: Hub) -> dict[str, dict[str, Any]]:
    """What a plain client sees of those that answer, by identity."""
    listed = hub.client(hub.new_id(), "/clients").call("GET_CLIENT_LIST", {})
    return {one["identity"]: one for one in listed["clients"] if one["clientType"] == "SillyTavern"}


def failure(who: Socket, request_id: str) -> str:
    return str(who.payload("ERROR", lambda body: body["requestId"] == request_id)["message"])


def test_what_is_entered_is_used_and_kept(settled: Panel, hub: Hub, tavern: SillyTavern, model: FakeModel) -> None:
    panel, extension = settled, extension_id(tavern)
    entered = {"Name that people see": "Ann's desk", "Clients whose macros may run": "monitor, my-script"}
    for label, text in entered.items():
        panel.enter(label, text)
    panel.choose("Character", "Bob")
    panel.tick("Offer all characters", on=False)
    panel.tick("Bob")
    ticked = ("Tell the model my persona", "The room may choose the character", "Bob")
    for label in ticked:
        panel.tick(label)
    panel.shows("Connected")
    panel.reload().shows("Connected")

    assert {label: panel.value(label) for label in entered} == entered
    assert [panel.value(label) for label in (*ticked, "Ann", "Offer all characters")] == [True] * 3 + [False] * 2
    assert panel.value("Character") == "Bob.png"
    kept = own_settings(tavern)
    assert (kept["offered"], kept["trusted"]) == (["Bob.png"], ["monitor", "my-script"])

    assert extensions(hub)[extension]["name"] == "Ann's desk"
    who = asker(hub)
    listed = who.call("LIST_CHARACTERS", {"target": extension})
    assert ([one["name"] for one in listed["characters"]], listed["current"]) == (["Bob"], "Bob.png")
    panel.desk.context("void (context.powerUserSettings.persona_description = given)", PERSONA)
    model.answers(Script(tokens=("Yes.",)))
    for told in (True, False):
        panel.tick("Tell the model my persona", told)
        end = end_of(who, ask(who, hub, extension, "Who are you?"))
        assert end["character"]["name"] == "Bob"
        assert (PERSONA in model.requests[-1].words) is told
    panel.desk.context("void (context.powerUserSettings.persona_description = '')")
    request_id = ask(who, hub, extension, "Ann?", character="Ann.png")
    assert failure(who, request_id) == "This character is not offered."


def test_what_it_serves_is_chosen(settled: Panel, hub: Hub, tavern: SillyTavern, model: FakeModel) -> None:
    panel, extension, who = settled, extension_id(tavern), asker(hub)
    panel.choose("Serve", SERVE[1])
    assert failure(who, ask(who, hub, extension, "Aside?")) == "This SillyTavern answers in its linked room only."
    panel.choose("Serve", SERVE[2])
    panel.shows("Paused")
    panel.reload().shows("Paused")
    assert extension not in extensions(hub)
    panel.choose("Serve", SERVE[0])
    panel.shows("Connected")
    model.answers(Script(tokens=("Again.",)))
    assert end_of(who, ask(who, hub, extension, "Again?"))["data"] == "Again."


def test_a_room_is_linked_and_unlinked(panel: Panel, hub: Hub, tavern: SillyTavern) -> None:
    room = hub.new_id("linked")
    who = hub.client(room, auth={"outputs": True})
    snapshot = {"roomName": room, "limit": 1}
    panel.enter("Room", "")
    panel.press("Link the open chat")
    panel.shows("Enter the name of a room first.")
    panel.enter("Room", room, key="Enter")
    panel.shows("Open the chat first")
    panel.desk.open_chat("Ann")
    panel.open().enter("Room", room, key="Enter")
    panel.shows("The extension is not a member of this room")
    member = {"identity": extension_id(tavern), "roomName": room}
    assert hub.client(room, "/rooms").call("ADD_CLIENT_TO_ROOM", member)["status"] == "ok"
    panel.press("Link the open chat")
    panel.desk.wait("() => !document.querySelector('#newage_settings .newage-detail').textContent")
    assert who.call("CHAT_SNAPSHOT", snapshot)["status"] == "ok"

    panel.reload().shows("Connected")
    assert panel.value("Room") == room
    assert panel.linked.startswith(f"{room}  →  Ann")
    panel.press("Unlink")
    panel.desk.wait(
        "() => document.querySelector('#newage_settings .newage-linked').textContent === 'No room is linked.'"
    )
    assert who.call("CHAT_SNAPSHOT", snapshot)["status"] == "error"
    panel.desk.save_settings()
    assert own_settings(tavern)["link"] is None


def test_what_is_answered_and_what_waits_is_seen_and_stopped(
    panel: Panel, hub: Hub, tavern: SillyTavern, model: FakeModel
) -> None:
    extension = extension_id(tavern)
    model.answers(Script(tokens=("begun ", "never"), held_after=1))
    people = [newcomer(hub) for _ in range(2)]
    asked = [ask(who, hub, extension, "Go on") for _, who in people]
    for (_, who), request_id in zip(people, asked, strict=True):
        who.wait("SERVER_STREAM_DATA", lambda body, request_id=request_id: body["requestId"] == request_id)
    rows = [(room, "aside", "is answered") for room, _ in people]
    for number, (_, who) in enumerate(people):
        panel.wait_jobs(*rows[number:])
        panel.press("Stop this answer")
        panel.wait_jobs(*rows[number + 1 :])
        assert failure(who, asked[number]) == "Stopped in SillyTavern."
        assert end_of(who, asked[number])["data"].startswith("begun")
    model.wait_idle()


def test_another_tab_takes_over_and_back_or_serves_beside(
    panel: Panel, hub: Hub, tavern: SillyTavern, browser: Browser
) -> None:
    extension = extension_id(tavern)
    with closing(Desk.sit_down(browser, tavern.url, beside=panel.desk)) as desk:
        panel.shows("Another tab serves this hub now")
        panel.press("Serve here")
        panel.shows("Connected")
        other = Panel(desk).open()
        other.shows("Another tab serves this hub now")
        assert set(extensions(hub)) == {extension}
        other.press("It is another SillyTavern: serve beside it")
        other.shows("Connected")
        panel.shows("Connected")
        found = set(extensions(hub))
        assert len(found) == 2
        assert all(identity == extension or identity.startswith(f"{extension}-") for identity in found)
        desk.context("void (context.extensionSettings.newage.suffix = '')")
        desk.save_settings()


def test_a_key_is_typed_and_forgotten(panel: Panel, strict: Daemon, tavern: SillyTavern) -> None:
    extension = extension_id(tavern)
    panel.enter("Address", strict.url)
    panel.shows("The hub does not know this SillyTavern.")
    panel.enter("Key", "sk-newage-00000000-" + "a" * 26)
    panel.shows("The hub refused")
    key = new_key(strict, extension, "--scope", "extension")
    panel.enter("Key", f" {key} ")
    panel.shows("Connected")
    panel.desk.save_settings()
    assert (panel.value("Key"), own_settings(tavern)["keys"][strict.url]) == (key, key)
    panel.enter("Key", "")
    panel.shows("Enter the code that newage pair shows there.")
    panel.desk.save_settings()
    assert strict.url not in own_settings(tavern)["keys"]


def test_connect_now_does_not_wait(panel: Panel, tavern_line: FaultProxy) -> None:
    tavern_line.black_hole()
    try:
        panel.enter("Address", tavern_line.url)
        panel.enter("Address", tavern_line.url + "/")
        panel.shows("The hub is away.")
        panel.shows(tavern_line.url)
    finally:
        tavern_line.heal()
    panel.press("Connect now")
    panel.shows("Connected")


def test_a_code_is_refused_by_the_operator_and_replaced_by_a_newer_one(
    panel: Panel, strict: Daemon, tavern: SillyTavern
) -> None:
    panel.enter("Address", strict.url)
    panel.shows("The hub")
    panel.enter("Pairing code", "12 34", key="Enter")
    panel.shows("A pairing code has six digits.")
    first = operator(strict, "pair")
    assert first.stdout is not None
    code = first.stdout.readline().strip()
    panel.enter("Pairing code", f"{code[:3]} {code[3:]}", key="Enter")
    panel.shows("Waiting for the yes")
    second = operator(strict, "pair")
    assert second.stdout is not None
    newer = second.stdout.readline().strip()
    panel.shows("The pairing code is wrong or too old.")
    first.communicate(timeout=30)
    assert first.returncode != 0
    panel.enter("Pairing code", newer)
    panel.press("Pair")
    panel.shows("Waiting for the yes")
    _, said = second.communicate("n\n", timeout=30)
    assert "nobody got a key" in said
    panel.shows("The operator of the hub said no.")
