"""One request that the hub gave to an extension."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from newage_client import _json
from newage_client._bell import Bell
from newage_client._failure import disconnected
from newage_client._line import Line
from newage_client._outlet import LLM, Outlet
from newage_client._types import Character


class Reasoning(str):
    """A piece of what a model thinks, not of what it says: ``yield Reasoning("...")``."""

    __slots__ = ()


class Task:
    """What is asked, and what is said to it.

    :ivar said: all of the hub's LLM_REQUEST (docs/api.md).
    :ivar text: what is asked.
    :ivar room: in which room.
    :ivar action: ``newMessage``, ``regenerate``, ``swipe``, ``continue`` or ``impersonate``.
    :ivar character: the id of who shall answer; empty where nobody is named.
    :ivar reason: why its answer is not wanted any more: ``cancelled``, ``timeout``, ``rerouted``, ``gone``; else empty.
    """

    def __init__(self, said: Mapping[str, Any], new_id: Callable[[], str]) -> None:
        self.said = said
        self.request_id: str = said["requestId"]
        self.text = _text(said.get("message"))
        self.room = _text(said.get("roomName")) or _text(said.get("targetRoom"))
        self.action = _text(said.get("action")) or _text(said.get("requestType")) or "newMessage"
        self.character = _text(said.get("character"))
        self.reason = ""
        self._new_id = new_id
        self._outlets: list[Outlet] = []
        self._bell = Bell()
        self._done = False
        self._word: tuple[str, dict[str, Any]] | None = None  # the last one, where there is one beside the last END
        self._settled = False  # the line that is there now has said all of it
        self._ended = 0.0
        self._work: asyncio.Task[None] | None = None
        self._mouth: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Task({self.request_id!r})"

    @property
    def done(self) -> bool:
        """Nothing more is said to it."""
        return self._done

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What was said, the question last, in the form of OpenAI's API: the asker's own list where there is one, else
        what was said in the room before (the newest 50) with the names of people."""
        data = self.said.get("data")
        given = data.get("messages") if isinstance(data, Mapping) else None
        if isinstance(given, list):
            return [dict(each) for each in given]
        asked = {self.request_id, *((self.said.get("currentRequest") or {}).get("originalRequestIds") or ())}
        before = [each for each in self.said.get("context") or () if each.get("requestId") not in asked]
        return [*filter(None, map(_line, before)), {"role": "user", "content": self.text}]

    @property
    def options(self) -> Mapping[str, Any]:
        """What the asker wishes of the model, as ``temperature``, ``max_tokens``, ``stop``."""
        options = self.said.get("options")
        return options if isinstance(options, Mapping) else {}

    @property
    def outlet(self) -> Outlet:
        """Where the answer goes: the newest output, the first one where there is none yet."""
        return self._outlets[-1] if self._outlets else self.output()

    def output(self, *, character: Character | None = None, action: str = "") -> Outlet:
        """Begin an output: one for each character of a group. The one before it is complete."""
        about = {"character": character, "action": action}
        outlet = Outlet(self.request_id, {name: said for name, said in about.items() if said}, self._bell, self._new_id)
        if self._done:
            outlet._drop()
            return outlet
        for before in self._outlets:
            before._end(more=True)
        self._outlets.append(outlet)
        self._bell.ring()
        return outlet

    def push(self, piece: str | None) -> None:
        """More of the answer; None is nothing, as models say it."""
        if piece is not None:
            self.outlet.push(str(piece), "reasoning" if isinstance(piece, Reasoning) else "text")

    def busy(self, seconds: float = 2.0, reason: str = "") -> None:
        """Not now: the hub asks again later. Only before anything of the answer was said."""
        said: dict[str, Any] = {"requestId": self.request_id, "retryAfterMs": round(seconds * 1000)}
        if reason:
            said["reason"] = reason
        _json.check(said)
        self._close("BUSY", said)

    # ---- for the extension

    def _finish(self) -> None:
        if not self._done and not self._outlets:
            self._fail("The extension gave no answer.")
        for outlet in self._outlets:
            outlet._end()
        self._over()

    def _fail(self, message: str) -> None:
        """It went wrong; what was said so far is kept."""
        self._close("ERROR", {"type": "ERROR", "requestId": self.request_id, "message": message, "error": message})

    def _drop(self, reason: str) -> None:
        """The hub does not want it any more."""
        self.reason = reason
        for outlet in self._outlets:
            outlet._drop()
        self._over()

    @property
    def _forgettable(self) -> bool:
        """Whether the hub has heard the end of it, as far as one knows here."""
        return self._done and self._settled and not any(outlet._unsure for outlet in self._outlets)

    async def _speak(self, line: Line) -> bool:
        """All that is to be said to it, by the line that is there now.

        :return: whether the hub wanted it.
        :raises Failure: the line was cut.
        """
        told = 0
        while True:
            while told < len(self._outlets):
                outlet = self._outlets[told]
                if not await outlet._speak(line) and outlet is self._outlets[-1]:
                    return False
                told += 1
            if self._done:
                break
            await self._bell.wait()
        if self._word is not None:
            if not await line.say(LLM, *self._word):
                raise disconnected()
            for outlet in self._outlets:
                outlet._drop()
        return True

    # ---- inside

    def _close(self, event: str, payload: dict[str, Any]) -> None:
        if self._done:
            return
        for outlet in self._outlets:
            outlet._shut()
        self._word = (event, payload)
        self._over()

    def _over(self) -> None:
        if not self._done:
            self._done = True
            self._ended = asyncio.get_running_loop().time()
            self._bell.ring()


def _line(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """A message of the history as a model is told it; what the hub says itself is nothing to a model."""
    text = message.get("message")
    if not isinstance(text, str) or message.get("isSystem"):
        return None
    if message.get("isResponse"):
        return {"role": "assistant", "content": text}
    name = message.get("name")
    return {"role": "user", "content": f"{name}: {text}" if isinstance(name, str) and name else text}


def _text(said: object) -> str:
    return said if isinstance(said, str) else ""
