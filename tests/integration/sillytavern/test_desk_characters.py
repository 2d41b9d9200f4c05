"""The characters of a real SillyTavern, and who chooses among them (contract 5.9, B17)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from asking import LINK, asker, end_of, extension_id
from desk import Desk
from fake_model import FakeModel, Script
from harness import Hub, Socket
from linked import BOX, HALF_TYPED, LEFT, Linked, busy_with, new_chat, open_group, saved, untouched
from tavern import SillyTavern

MAY_CHOOSE = """(may) => {
    const labels = [...document.querySelectorAll('#newage_settings label.checkbox_label')];
    const label = labels.find((one) => one.textContent.trim() === 'The room may choose the character');
    const box = label.querySelector('input');
    if (box.checked !== may) box.click();
}"""
AT_WORK = "Somebody is at work in SillyTavern."
EDITED = "document.querySelector('#chat .mes[mesid=\"0\"] .mes_edit').click()"


@pytest.fixture
def ann(served: tuple[Hub, Desk], tavern: SillyTavern) -> Iterator[Linked]:
    """In a new chat of Ann, in a room that may choose; nobody has touched the page for a minute."""
    hub, desk = served
    desk.fill("#send_textarea", "")
    new_chat(desk, "Ann")
    linked = Linked(hub, desk, tavern)
    desk.run(MAY_CHOOSE, True)
    desk.run(LEFT)
    yield linked
    desk.run(MAY_CHOOSE, False)


def choose(linked: Linked, character: str, who: Socket | None = None) -> Any:
    asked = {"roomName": linked.room, "id": f"{character}.png"}
    return (who or linked.who).call("SELECT_CHARACTER", asked)


def refused(linked: Linked, character: str, who: Socket | None = None) -> tuple[int, str]:
    reply = choose(linked, character, who)
    assert reply["status"] == "error", reply
    return reply["errorCode"], reply["message"]


def test_a_room_sees_whom_its_sillytavern_offers_with_pictures(ann: Linked, tavern: SillyTavern) -> None:
    stranger = asker(ann.hub)
    listed = ann.who.call("LIST_CHARACTERS", {"roomName": ann.room})
    assert (listed["extension"], listed["current"], listed["truncated"]) == (extension_id(tavern), "Ann.png", False)
    assert [one["name"] for one in listed["characters"]][:2] == ["Ann", "Bob"]
    for one in listed["characters"]:
        picture = ann.who.call("GET_AVATAR", {"target": listed["extension"], "id": one["id"]})
        assert picture.get("type", "").startswith("image/"), picture
        assert picture["hash"] == hashlib.sha256(picture["data"]).hexdigest()
    gone = ann.who.call("GET_AVATAR", {"target": listed["extension"], "id": "../settings.json"})
    assert (gone["errorCode"], gone["message"]) == (7, "Character not found.")
    assert stranger.call("LIST_CHARACTERS", {"roomName": ann.room})["status"] == "error"


def test_staff_chooses_who_answers_in_a_chat_of_the_room_and_finds_the_first_one_again(
    ann: Linked, model: FakeModel
) -> None:
    desk = ann.desk
    name = ann.hub.new_id("guest")
    guest = ann.hub.client(name, auth={"outputs": True})
    member = {"identity": name, "roomName": ann.room}
    assert ann.hub.client(ann.room, "/rooms").call("ADD_CLIENT_TO_ROOM", member)["status"] == "ok"
    model.answers(Script(tokens=("I am Ann.",)), Script(tokens=("I am Bob.",)), Script(tokens=("Ann again.",)))
    assert ann.answered("Who is it?")["character"]["name"] == "Ann"
    first = desk.context("context.getCurrentChatId()")
    private = desk.context("context.characters.find((one) => one.name === 'Bob').chat")

    assert refused(ann, "Bob", guest) == (6, "Permission denied to select a character.")
    assert choose(ann, "Bob")["character"] == {"id": "Bob.png", "name": "Bob"}
    told = guest.payload("CHARACTER_CHANGED")
    assert (told["roomName"], told["character"]["name"]) == (ann.room, "Bob")
    assert desk.context("context.getCurrentChatId()") not in (first, private)
    assert ann.who.call("LIST_CHARACTERS", {"roomName": ann.room})["current"] == "Bob.png"
    answer = ann.answered("And now?")
    assert (answer["data"], answer["character"]["name"]) == ("I am Bob.", "Bob")
    assert desk.texts[1:] == ["And now?", "I am Bob."]
    chat = ann.who.call("CHAT_SNAPSHOT", {"roomName": ann.room})
    assert [one["text"] for one in chat["messages"]][1:] == ["And now?", "I am Bob."]

    assert choose(ann, "Ann")["status"] == "ok"
    assert desk.context("context.getCurrentChatId()") == first
    assert ann.answered("Are you back?")["data"] == "Ann again."
    assert desk.texts[1:] == ["Who is it?", "I am Ann.", "Are you back?", "Ann again."]


def test_nobody_is_chosen_while_somebody_is_at_the_desk_or_against_its_will(ann: Linked, model: FakeModel) -> None:
    desk = ann.desk
    chat = desk.context("context.getCurrentChatId()")
    desk.do("press", key="Shift")
    assert refused(ann, "Bob") == (9, AT_WORK)
    desk.run(LEFT)
    desk.fill("#send_textarea", "half a word")
    assert refused(ann, "Bob") == (9, "Something is half typed in SillyTavern.")
    assert desk.run(BOX) == "half a word"
    desk.fill("#send_textarea", "")  # presses Delete
    desk.run(LEFT)
    desk.run(f"() => {{ {EDITED}; document.querySelector('#curEditTextarea').value = 'half edited'; }}")
    assert refused(ann, "Bob") == (9, AT_WORK)
    assert desk.run("() => document.querySelector('#curEditTextarea').value") == "half edited"
    desk.run("() => document.querySelector('#chat .mes_edit_cancel').click()")
    desk.run("() => void SillyTavern.getContext().Popup.show.confirm('Delete it?', 'Really')")
    desk.wait("() => document.querySelector('dialog[open]')")
    assert refused(ann, "Bob") == (9, AT_WORK)
    desk.run("() => document.querySelector('dialog[open] .popup-button-cancel').click()")
    desk.wait("() => !document.querySelector('dialog[open]')")

    model.answers(Script(tokens=("on ", "and on"), held_after=1))
    ann.begun("Go on")
    assert refused(ann, "Bob") == (9, "SillyTavern is answering.")
    model.release()
    ann.who.wait("SERVER_STREAM_END")
    assert refused(ann, "Nobody") == (7, "Character not found.")
    desk.run(MAY_CHOOSE, False)
    assert refused(ann, "Bob") == (6, "SillyTavern does not let this room choose its character.")
    assert desk.context("context.getCurrentChatId()") == chat
    desk.run(MAY_CHOOSE, True)
    chosen = choose(ann, "Bob")
    assert chosen["status"] == "ok", chosen


def test_a_room_of_a_group_goes_on_with_one_character(
    served: tuple[Hub, Desk], tavern: SillyTavern, ann: Linked, model: FakeModel
) -> None:
    hub, desk = served
    open_group(desk)
    both = Linked(hub, desk, tavern)
    desk.run(LEFT)
    assert choose(both, "Bob")["status"] == "ok"
    model.answers(Script(tokens=("Bob alone.",)))
    answer = both.answered("Who is there?")
    assert (answer["data"], answer["character"]["name"]) == ("Bob alone.", "Bob")
    assert desk.context("[context.groupId, context.name2]") == [None, "Bob"]


# Another extension takes its time over an answer that has come, as those do that translate: SillyTavern saves it then.
SLOW = """() => {
  const { eventSource, eventTypes } = SillyTavern.getContext();
  const slow = () => {
    eventSource.removeListener(eventTypes.MESSAGE_RECEIVED, slow);
    window.rigHeld = true;
    return new Promise((resolve) => { window.rigGo = resolve; });
  };
  window.rigHeld = false;
  eventSource.on(eventTypes.MESSAGE_RECEIVED, slow);
}"""


def test_no_other_chat_is_opened_before_an_answer_of_the_desk_is_saved(ann: Linked, model: FakeModel) -> None:
    """SillyTavern, unlocked already, would save it into that one."""
    desk = ann.desk
    model.answers(Script(tokens=("Kept where it was said.",)))
    desk.run(SLOW)
    desk.say("By hand.")
    desk.wait("() => window.rigHeld")
    assert refused(ann, "Bob") == (9, "SillyTavern is answering.")
    desk.run("() => window.rigGo()")
    desk.at_rest()
    assert [one["mes"] for one in saved(ann)][1:] == ["By hand.", "Kept where it was said."]
    assert choose(ann, "Bob")["status"] == "ok"


def test_a_linked_chat_that_is_renamed_is_served_and_one_that_is_deleted_is_not(ann: Linked, model: FakeModel) -> None:
    desk = ann.desk
    begun = Script(tokens=("Begun ", "never"), held_after=1)
    model.answers(Script(tokens=("Still here.",)), begun, Script(tokens=("Aside.",)))
    name = desk.context("context.getCurrentChatId()")
    before, name = name, f"{ann.room} renamed"
    desk.context("context.renameChat(...given)", [before, name])
    desk.wait_context("context.getCurrentChatId() === given", name)
    if not desk.context("Boolean(context.eventTypes.CHAT_RENAMED)"):  # 1.13: it is to be linked again
        assert desk.context("context.extensionSettings.newage.link.chatId") == before
        desk.run(LINK, ann.room)
    desk.wait_context("context.extensionSettings.newage.link.chatId === given", name)
    assert ann.answered("Where are you?")["data"] == "Still here."
    assert desk.texts[1:] == ["Where are you?", "Still here."]

    asked = ann.begun("And in the middle?")
    desk.context("void context.executeSlashCommandsWithOptions('/delchat')")
    desk.wait_drawn("context.getCurrentChatId() !== given", name)
    assert ann.who.payload("ERROR")["message"] == "The chat was closed in SillyTavern in the middle of the answer."
    assert end_of(ann.who, asked)["data"].strip() == "Begun"
    model.wait_idle()
    desk.wait(
        "() => document.querySelector('.newage-detail').textContent === 'The linked chat was deleted in SillyTavern.'"
    )
    shown = desk.texts
    assert ann.answered("And now?")["data"] == "Aside."
    assert desk.texts == shown
    assert not (ann.tavern.user / "chats" / "Ann" / f"{name}.jsonl").exists()
    assert ann.who.call("CHAT_SNAPSHOT", {"roomName": ann.room})["message"] == "This room is not linked with a chat."


RENAME = "context.executeSlashCommandsWithOptions('/rename-char silent=true chats=false ' + given)"
DELETE = "async (id) => (await import('/script.js')).deleteCharacter(id, { deleteChats: true })"


def test_a_character_that_is_renamed_in_the_middle_is_served_under_its_new_name(
    served: tuple[Hub, Desk], tavern: SillyTavern, model: FakeModel
) -> None:
    hub, desk = served
    tavern.add_character("Dora")
    desk.context("context.getCharacters()")
    new_chat(desk, "Dora")
    desk.fill("#send_textarea", HALF_TYPED)
    dora = Linked(hub, desk, tavern)
    chat = desk.context("context.getCurrentChatId()")
    model.answers(Script(tokens=("Begun ", "never"), held_after=1), Script(tokens=("I am Dorothy.",)))
    asked = dora.begun("Who is it?")
    desk.context(RENAME, "Dorothy")
    desk.wait_context("context.name2 === 'Dorothy'")
    words = "The character was renamed in SillyTavern in the middle of the answer."
    assert dora.who.payload("ERROR")["message"] == words
    assert (end_of(dora.who, asked)["data"].strip(), dora.history[-1]["failed"]) == ("Begun", True)
    model.wait_idle()
    kept = json.loads((tavern.user / "settings.json").read_text("utf-8"))["extension_settings"]["newage"]["link"]
    assert (kept["avatar"], kept["chatId"]) == ("Dorothy.png", chat)
    answer = dora.answered("Who is it now?")
    assert (answer["data"], answer["character"]) == ("I am Dorothy.", {"id": "Dorothy.png", "name": "Dorothy"})
    assert desk.texts[1:] == ["Who is it?", "Who is it now?", "I am Dorothy."]
    assert not (tavern.user / "chats" / "Dora").exists()
    assert untouched(dora, model)
    desk.open_chat("Ann")
    desk.run(DELETE, "Dorothy.png")


if os.environ.get("NEWAGE_NIGHTLY"):  # a question that waits is asked again after 5 s

    def test_another_chat_is_not_opened_over_what_is_edited(ann: Linked, model: FakeModel) -> None:
        desk = ann.desk
        model.answers(Script(tokens=("Here.",)))
        desk.open_chat("Bob")
        desk.run(f"() => {{ {EDITED}; document.querySelector('#curEditTextarea').value = 'half edited'; }}")
        desk.run(LEFT)
        ann.ask("Are you there?")
        busy_with(ann, "Another chat is open")
        assert desk.run("() => document.querySelector('#curEditTextarea').value") == "half edited"
        desk.run("() => document.querySelector('#chat .mes_edit_cancel').click()")
        assert ann.who.payload("SERVER_STREAM_END")["data"] == "Here."
        assert desk.texts[1:] == ["Are you there?", "Here."]
