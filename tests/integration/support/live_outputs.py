"""Both ends of a live output: an extension that says what a test tells it, and what a client makes of what comes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from harness import Hub, Socket

from followkit import Follower, cut, units

Piece = tuple[int, str]  # position and text
EVENTS = ("SERVER_STREAM_START", "SERVER_STREAM_DATA", "SERVER_STREAM_RESET", "SERVER_STREAM_END")


class Speaker:
    """An extension that answers as it is told, with reasoning and second thoughts."""

    def __init__(self, hub: Hub) -> None:
        declared = {"clientType": "SillyTavern", "features": ["reasoning", "reset"], "capacity": 4}
        self.id = f"SillyTavern-{hub.new_id('resume').removeprefix('resume-')}"
        self.socket = hub.client(self.id, auth=declared)
        self.request_id = hub.new_id("r")
        self.ids = {"streamId": f"{self.id}-s", "outputId": f"{self.id}-o", "requestId": self.request_id}

    @property
    def output_id(self) -> str:
        return self.ids["outputId"]

    def starts(self) -> None:
        self.socket.wait("LLM_REQUEST")
        self.socket.emit("CLIENT_STREAM_START", {"type": 1, **self.ids})

    def data(self, text: str, kind: str = "text") -> list[Any]:
        return ["CLIENT_STREAM_DATA_MIDDLE", {"type": 5, **self.ids, "data": text, "kind": kind}]

    def says(self, words: Sequence[str], gap: int = 0) -> None:
        self.socket.burst([self.data(word) for word in words], gap=gap)

    def ends(self) -> None:
        self.socket.emit("CLIENT_STREAM_END", {"type": 3, **self.ids, "final": True})
        self.socket.fence()


def take(follower: Follower, socket: Socket, since: int = 0) -> int:
    """All that has come from record number ``since`` on, in its order; returns the number of the next one."""
    records = socket.records
    for record in records[since:]:
        if record.event in EVENTS:
            follower.take(record.event, record.first)
        elif record.event == "@ack":
            follower.resumed(record.args[1])
    return len(records)


def joined(pieces: Iterable[Piece], text: str = "") -> str:
    """The text with what goes on from it, to the first gap; what comes in any order and overlaps is taken once."""
    for at, piece in sorted(pieces):
        if at > units(text):
            break
        if at + units(piece) > units(text):
            text = cut(text, at) + piece
    return text


def doubled(pieces: Iterable[Piece]) -> list[Piece]:
    """What begins before the piece before it ended."""
    return [later for (at, piece), later in pairwise(sorted(pieces)) if later[0] < at + units(piece)]
