"""Questions to a SillyTavern by way of the hub, as a client that knows outputs asks them."""

from __future__ import annotations

import re
from typing import Any

from desk import Desk
from harness import Daemon, Hub, Socket, request, until
from tavern import SillyTavern

from followkit import units

AVAILABLE = re.compile(r"extension.available ok")


def extension_id(tavern: SillyTavern) -> str:
    return f"SillyTavern-{tavern.port}"


def wait_available(daemon: Daemon, since: int = 0, within: float = 30.0) -> None:
    """An extension has come to that hub since so many lines of its log."""
    assert daemon.log is not None
    assert daemon.log.wait_for(AVAILABLE, within, since), f"no extension came to the hub within {within} s"


def newcomer(hub: Hub, **declared: Any) -> tuple[str, Socket]:
    """Who asks from a room of one's own, which is named as its client."""
    name = hub.new_id("asker")
    return name, hub.client(name, auth={"outputs": True, **declared})


def asker(hub: Hub, **declared: Any) -> Socket:
    return newcomer(hub, **declared)[1]


def ask(who: Socket, hub: Hub, target: str | None, words: str | None = None, **more: Any) -> str:
    """Ask; returns the requestId. Without words an earlier question is asked again; no target: who serves the room."""
    request_id = hub.new_id("r")
    asked = request(request_id, target, words or "", **more)
    reply = who.call("LLM_REQUEST", asked)
    assert reply["status"] == "ok", reply
    return request_id


def text_of(who: Socket, request_id: str, kind: str = "text") -> str:
    """What the pieces of an answer are together; each begins where the last one ended."""
    text = ""
    for piece in who.payloads("SERVER_STREAM_DATA", lambda body: body["requestId"] == request_id):
        if piece["kind"] == kind:
            assert piece["at"] == units(text)
            text += piece["data"]
    return text


def end_of(who: Socket, request_id: str, count: int = 1) -> Any:
    """How its output ended, or its ``count``-th."""
    return who.payload("SERVER_STREAM_END", lambda body: body["requestId"] == request_id, count=count)


def bind(desk: Desk, room: str) -> None:
    """The room is served in the chat that is open; the hub is not told, which has to know it for the mirror alone."""
    chat = "avatar: context.characters[context.characterId].avatar, group: '', chatId: context.getCurrentChatId()"
    desk.context(f"void (context.extensionSettings.newage.link = {{ room: given, {chat}, title: '' }})", room)


def unbind(desk: Desk) -> None:
    desk.context("void (context.extensionSettings.newage.link = null)")


LINK = """(room) => {
    const panel = document.getElementById('newage_settings');
    const field = [...panel.querySelectorAll('.newage-field')].find((one) => one.textContent.trim() === 'Room');
    field.querySelector('input').value = room;
    [...panel.querySelectorAll('button')].find((one) => one.textContent.trim() === 'Link the open chat').click();
}"""


def link_chat(hub: Hub, desk: Desk, tavern: SillyTavern) -> tuple[Socket, str]:
    """Somebody, and his own room, which is served in the chat that is open at the desk: bound to it in the panel."""
    room = hub.new_id("linked")
    who = hub.client(room, auth={"outputs": True, "sync": "incremental"})
    member = {"identity": extension_id(tavern), "roomName": room}
    assert hub.client(room, "/rooms").call("ADD_CLIENT_TO_ROOM", member)["status"] == "ok"
    desk.run(LINK, room)
    until(lambda: who.call("CHAT_SNAPSHOT", {"roomName": room, "limit": 1})["status"] == "ok", "the room is linked")
    return who, room
