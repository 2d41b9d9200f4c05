"""What outsiders send to a real SillyTavern, and what is seen there of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asking import ask, bind, end_of, extension_id, newcomer, unbind
from desk import Desk
from harness import Hub, Socket
from tavern import SillyTavern

# What SillyTavern would run, or read as a command.
RUNS = re.compile(r"\{\{|<(?:user|bot|char|group)>|^\s*/", re.IGNORECASE)
VARIABLES = "JSON.stringify([context.chatMetadata.variables ?? {}, context.extensionSettings.variables.global ?? {}])"


@contextmanager
def linked(desk: Desk, room: str) -> Iterator[None]:
    """The room is served in the chat that is open."""
    bind(desk, room)
    try:
        yield
    finally:
        unbind(desk)


def over(who: Socket, request_id: str) -> Any:
    """It was answered, or failed in words: these."""
    ends = ("completed", "failed")
    return who.payload("REQUEST_STATUS_UPDATE", lambda body: body["requestId"] == request_id and body["status"] in ends)


def answered_in_chat(hub: Hub, desk: Desk, tavern: SillyTavern, words: str, **more: Any) -> list[dict[str, Any]]:
    """Question and answer as they are in the linked chat, when it is over."""
    desk.open_chat("Ann")
    room, who = newcomer(hub)
    before = len(desk.texts)
    with linked(desk, room):
        assert end_of(who, ask(who, hub, extension_id(tavern), words, **more))["failed"] is False
        desk.wait_context("context.chat.length === given", before + 2)
    found: list[dict[str, Any]] = desk.context(
        "context.chat.slice(-2).map(({ mes, name, extra }) => ({ mes, name, extra }))"
    )
    return found


def script(find: str, replace: str, **more: Any) -> dict[str, Any]:
    usual = {"trimStrings": [], "placement": [1, 2], "disabled": False, "promptOnly": False, "markdownOnly": False}
    return {
        "id": find,
        "scriptName": find,
        "findRegex": find,
        "replaceString": replace,
        "substituteRegex": 0,
        **usual,
        **more,
    }
