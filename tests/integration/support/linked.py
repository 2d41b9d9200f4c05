"""A room that is served in the chat of a real SillyTavern: who asks there, and what is seen of it at the desk."""

from __future__ import annotations

from typing import Any

from asking import ask, end_of, extension_id, link_chat
from desk import Desk
from fake_model import FakeModel
from harness import Hub
from tavern import SillyTavern

HALF_TYPED = "/echo half typed, never sent"
BOX = "() => document.querySelectorAll('#send_textarea').length === 1 && document.getElementById('send_textarea').value"
NEW_CHAT = "(async () => { const { doNewChat } = await import('/script.js'); await doNewChat(); })()"
# For a minute nobody has touched the page.
LEFT = "() => { const now = performance.now.bind(performance); performance.now = () => now() + 60_000; }"


def new_chat(desk: Desk, character: str) -> None:
    """Of that character, and empty but for its greeting."""
    desk.open_chat(character)
    desk.run(f"() => {NEW_CHAT}")
    desk.wait_drawn("context.chat.length === 1")


def open_group(desk: Desk) -> None:
    """The chat of both that is open there."""
    desk.run("async () => { const it = await import('/scripts/group-chats.js'); await it.openGroupById('Both'); }")
    desk.wait_drawn("context.groupId === 'Both'")


class Linked:
    """Somebody whose room is served in the chat that is open."""

    def __init__(self, hub: Hub, desk: Desk, tavern: SillyTavern) -> None:
        self.hub, self.desk, self.tavern = hub, desk, tavern
        self.who, self.room = link_chat(hub, desk, tavern)

    def ask(self, words: str | None = None, **more: Any) -> str:
        return ask(self.who, self.hub, extension_id(self.tavern), words, **more)

    def answered(self, words: str | None = None, **more: Any) -> Any:
        """How the answer to it ended."""
        return end_of(self.who, self.ask(words, **more))

    def begun(self, words: str | None = None, **more: Any) -> str:
        """It is asked, and a first piece of its answer has come."""
        request_id = self.ask(words, **more)
        self.who.wait("SERVER_STREAM_DATA", lambda body: body["requestId"] == request_id)
        return request_id

    @property
    def history(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.who.call("GET_MESSAGES", {"roomName": self.room})["messages"]
        return [one for one in found if not one.get("isSystem")]

    @property
    def shown(self) -> list[tuple[str, str]]:
        return list(zip(self.desk.names, self.desk.texts, strict=True))


def saved(linked: Linked) -> list[dict[str, Any]]:
    """The chat that is open, as it is on the disk."""
    file = linked.desk.context("context.getCurrentChatId()")
    chats = linked.tavern.user / "chats"
    return linked.tavern.read_chat(next(chats.glob(f"*/{file}.jsonl")))


def busy_with(linked: Linked, words: str) -> None:
    """The question waits, for this reason."""
    linked.who.wait("REQUEST_STATUS_UPDATE", lambda body: body["status"] == "queued" and words in body["message"])


def untouched(linked: Linked, model: FakeModel, typed: str = HALF_TYPED) -> bool:
    """What was half typed stands where it did, and was in no prompt."""
    kept: bool = linked.desk.run(BOX) == typed
    return kept and not [one for one in model.requests if "half typed" in one.words]
