"""What the tests of history say and read."""

from __future__ import annotations

from typing import Any

from hubkit import Kit, result_of
from newage.domain.model import Message


def say(kit: Kit, text: str, room: str = "web1", **members: Any) -> Message:
    draft = {"message_id": kit.new_id(), "room": room, "seq": 0, "identity": "web1", "text": text, **members}
    message: Message = result_of(kit.history.add(Message(**draft)))
    return message


def texts(bodies: list[Any]) -> list[str]:
    return [body["message"] for body in bodies]


def fill(kit: Kit, count: int) -> None:
    for number in range(count):
        say(kit, str(number))
    kit.outbox.clear()
