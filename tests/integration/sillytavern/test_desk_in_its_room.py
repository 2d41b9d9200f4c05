"""The linked chat of a real SillyTavern in its room: what is done at the desk is told there and nowhere else."""

from __future__ import annotations

from typing import Any

from asking import ask, asker, end_of, extension_id, link_chat
from desk import Desk
from fake_model import FakeModel, Script
from harness import Hub, Socket
from tavern import SillyTavern

SECRET = "the purple lamp"
DELETE_LAST = "async () => { const { deleteLastMessage } = await import('/script.js'); await deleteLastMessage(); }"
EDIT = """(text) => {
    const last = document.querySelector('#chat .last_mes');
    last.querySelector('.mes_edit').click();
    document.querySelector('#curEditTextarea').value = text;
    last.querySelector('.mes_edit_done').click();
}"""
# SillyTavern 1.13 says nothing of it.
DELETE_SWIPE = "async () => { const { deleteSwipe } = await import('/script.js'); await deleteSwipe(1); }"
FORTH = "() => document.querySelector('#chat .last_mes .swipe_right').click()"
# SillyTavern hears no click while it still draws the swipe before.
BACK = "context.chat.at(-1).swipe_id === 0 || (document.querySelector('#chat .last_mes .swipe_left').click(), false)"


def told(who: Socket, event: str, text: str) -> Any:
    """The message of the desk that the room is told."""
    found = who.payload(event, lambda body: (body.get("message") or {}).get("message") == text)["message"]
    assert found["origin"] == "desk"
    return found


def test_the_room_sees_what_is_done_in_its_chat_and_mirror_stops_when_desk_changes_chat(
    served: tuple[Hub, Desk], tavern: SillyTavern, model: FakeModel
) -> None:
    hub, desk = served
    desk.open_chat("Ann")
    who, room = link_chat(hub, desk, tavern)
    stranger = asker(hub, sync="incremental")
    linked = desk.context("context.getCurrentChatId()")
    model.answers(Script(tokens=("Through the hub.",)), Script(tokens=("By hand.",)), Script(tokens=("Otherwise.",)))
    assert end_of(who, ask(who, hub, extension_id(tavern), "asked through the hub"))["data"] == "Through the hub."

    desk.say("said at the desk")
    told(who, "NEW_MESSAGE", "said at the desk")
    answer = told(who, "NEW_MESSAGE", "By hand.")
    assert answer["character"]["name"] == "Ann"
    desk.at_rest()
    desk.run(FORTH)
    swiped = told(who, "MESSAGE_UPDATED", "Otherwise.")
    assert (swiped["messageId"], swiped["swipe"], swiped["swipes"]) == (answer["messageId"], 1, 2)
    desk.at_rest()
    desk.wait_context(BACK)
    told(who, "MESSAGE_UPDATED", "By hand.")
    desk.at_rest()
    desk.run(DELETE_SWIPE)
    who.wait("MESSAGE_UPDATED", lambda body: (body["message"]["swipe"], body["message"]["swipes"]) == (0, 1))
    desk.run(EDIT, "By my hand.")
    told(who, "MESSAGE_UPDATED", "By my hand.")
    chat = who.call("CHAT_SNAPSHOT", {"roomName": room, "limit": 4})
    assert [one["text"] for one in chat["messages"]] == [
        "asked through the hub",
        "Through the hub.",
        "said at the desk",
        "By my hand.",
    ]
    assert len({one["id"] for one in chat["messages"]}) == 4
    desk.run(DELETE_LAST)
    assert who.payload("MESSAGES_DELETED")["origin"] == "desk"

    desk.open_chat("Bob")
    model.answers(Script(tokens=("It is private.",)))
    desk.say(SECRET)
    desk.wait_text("It is private.")
    refused = who.call("CHAT_SNAPSHOT", {"roomName": room})
    assert (refused["errorCode"], refused["message"]) == (9, "Another chat is open in SillyTavern.")
    desk.open_chat("Ann")
    desk.wait_context("context.getCurrentChatId() === given", linked)
    desk.say("back again")
    told(who, "NEW_MESSAGE", "back again")

    texts = [one["message"] for one in who.call("GET_MESSAGES", {"roomName": room})["messages"]]
    assert [text for text in texts if not text.startswith("[System]")][:3] == [
        "asked through the hub",
        "Through the hub.",
        "said at the desk",
    ]
    seen = str([record.args for one in (who, stranger) for record in one.records])
    assert SECRET not in seen and "It is private." not in seen
    assert "at the desk" not in str([record.args for record in stranger.records])
