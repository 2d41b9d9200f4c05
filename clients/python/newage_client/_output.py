"""Our copy of one output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from newage_client._emitter import Emitter
from newage_client._pieces import Pieces, same
from newage_client._types import Character, Kind

KINDS: tuple[Kind, Kind] = ("text", "reasoning")
FROM: dict[Kind, str] = {"text": "from", "reasoning": "reasoningFrom"}
OutputState = Literal["live", "ended", "failed", "cancelled", "gone"]


class Output(Emitter):
    """What one extension, one character of a group, says to one request. Nothing is added twice, nothing is missing.

    Tells ``text`` (piece) and ``reasoning`` (piece) as they grow, ``reset`` (kind, at) when what came from that index
    on is void, ``end`` () when it is over.

    :ivar state: ``live``, ``ended``, ``failed``, ``cancelled``, or ``gone``: not ours to read any more.
    :ivar requester: the identity of who asked.
    :ivar message_id: where it is in the history, once it is.
    :ivar partial: it was stored though it is not whole.
    """

    def __init__(self, output_id: str) -> None:
        super().__init__()
        self.output_id = output_id
        self.request_id = ""
        self.question_id = ""
        self.room_name = ""
        self.identity = ""
        self.requester = ""
        self.action = ""
        self.character: Character | None = None
        self.state: OutputState = "live"
        self.message_id = ""
        self.partial = False
        self.stored = True
        self.finish_reason = ""
        self._pieces: dict[Kind, Pieces] = {"text": Pieces(), "reasoning": Pieces()}
        self._expected: dict[Kind, int] = {"text": 0, "reasoning": 0}  # so long they are at least, says the hub
        self._rev = 0
        self._stale = False  # it was revised while we were away: RESUME_OUTPUTS gives all of it anew

    @property
    def text(self) -> str:
        return self._pieces["text"].text

    @property
    def reasoning(self) -> str:
        return self._pieces["reasoning"].text

    # ---- for the client's side of it

    @property
    def _behind(self) -> bool:
        """Whether the hub has more of it than we do, and will not send it unasked."""
        missing = any(each.gap or each.units < self._expected[kind] for kind, each in self._pieces.items())
        return self.state == "live" and (self._stale or missing)

    @property
    def _size(self) -> int:
        return sum(each.units for each in self._pieces.values())

    @property
    def _position(self) -> dict[str, Any]:
        """What RESUME_OUTPUTS is told of it."""
        at, reasoning_at = (self._pieces[kind].units for kind in KINDS)
        return {"outputId": self.output_id, "at": at, "reasoningAt": reasoning_at, "rev": self._rev}

    def _settle_for(self) -> None:
        """The hub gave what it had, and still something seems to be missing: its end will bring the whole text."""
        for each in self._pieces.values():
            each.forget()
        self._caught_up()

    def _describe(self, said: Mapping[str, Any]) -> None:
        """Whose it is, and what it answers."""
        for member, name in MEMBERS.items():
            if isinstance(said.get(member), str) and said[member]:
                setattr(self, name, said[member])
        if isinstance(said.get("character"), dict):
            self.character = said["character"]

    def _started(self, said: Mapping[str, Any]) -> None:
        """SERVER_STREAM_START"""
        self._describe(said)
        if self.state == "ended":
            self.state = "live"
        rev = _number(said.get("rev"))
        if rev != self._rev and self._size:
            self._stale = True
        else:
            self._rev = rev
        self._expected["text"] = max(self._expected["text"], _number(said.get("at")))
        self._expected["reasoning"] = max(self._expected["reasoning"], _number(said.get("reasoningAt")))

    def _grown(self, said: Mapping[str, Any]) -> None:
        """SERVER_STREAM_DATA"""
        self._describe(said)
        if self._stale:
            return
        self.state = "live"  # it may go on after its end (contract 5.6)
        kind, data = _kind(said), said.get("data")
        if isinstance(data, str):
            self._add(kind, _number(said.get("at"), self._pieces[kind].units), data)

    def _voided(self, said: Mapping[str, Any]) -> None:
        """SERVER_STREAM_RESET"""
        self._cut(_kind(said), _number(said.get("at")))
        self._rev = _number(said.get("rev"), self._rev + 1)

    def _resumed(self, said: Mapping[str, Any]) -> bool:
        """What RESUME_OUTPUTS says of it.

        :return: whether there is more to ask for.
        """
        self._describe(said)
        if said.get("state") == "gone":
            self._over("gone", {})
            return False
        self._stale = False
        rev = _number(said.get("rev"), self._rev)
        for kind in KINDS:
            data, at = said.get(kind), _number(said.get(FROM[kind]))
            whole = isinstance(data, str) and at == 0
            if rev != self._rev:  # what we have counts as far as it is what the hub sends
                self._cut(kind, same(self._pieces[kind].text, str(data)) if whole else 0)
            if isinstance(data, str):
                self._add(kind, at, data)
        self._rev = rev
        if said.get("more"):
            return True
        if said.get("state") in ("ended", "failed", "cancelled"):
            self._over(said["state"], said)
        else:
            self._expected = dict.fromkeys(KINDS, 0)
        return False

    def _ended(self, said: Mapping[str, Any]) -> None:
        """SERVER_STREAM_END, a message of the history."""
        self._describe(said)
        whole = said.get("data", said.get("message"))
        if isinstance(whole, str) and (whole or not said.get("failed")):
            self._settle("text", whole)
        if isinstance(said.get("reasoning"), str):
            self._settle("reasoning", said["reasoning"])
        self._over("cancelled" if said.get("cancelled") else "failed" if said.get("failed") else "ended", said)

    def _whole(self, said: Mapping[str, Any]) -> None:
        """All at once: LLM_RESPONSE, ``message``."""
        if self.state == "live":
            self._ended(said)
        elif isinstance(said.get("messageId"), str):
            self.message_id = said["messageId"]

    # ---- inside

    def _add(self, kind: Kind, at: int, data: str) -> None:
        if fresh := self._pieces[kind].add(at, data):
            self._emit(kind, fresh)

    def _cut(self, kind: Kind, at: int) -> None:
        if self._pieces[kind].cut(at):
            self._emit("reset", kind, len(self._pieces[kind].text))

    def _settle(self, kind: Kind, whole: str) -> None:
        at = self._pieces[kind].become(whole)
        self._cut(kind, at)
        self._add(kind, 0, whole)

    def _over(self, state: OutputState, said: Mapping[str, Any]) -> None:
        self.partial = self.partial or bool(said.get("partial"))
        self.stored = self.stored and said.get("stored") is not False
        self._caught_up()
        if self.state != state:
            self.state = state
            self._emit("end")

    def _caught_up(self) -> None:
        self._expected = dict.fromkeys(KINDS, 0)
        self._stale = False


MEMBERS = {
    "requestId": "request_id",
    "questionId": "question_id",
    "roomName": "room_name",
    "identity": "identity",
    "requester": "requester",
    "action": "action",
    "messageId": "message_id",
    "finishReason": "finish_reason",
}


def _kind(said: Mapping[str, Any]) -> Kind:
    return "reasoning" if said.get("kind") == "reasoning" else "text"


def _number(value: Any, otherwise: int = 0) -> int:
    return value if isinstance(value, int) else otherwise
