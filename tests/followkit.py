"""A client that follows outputs, as docs/api.md tells people to write one (contract 5.7.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, field

KINDS = ("text", "reasoning")


def units(text: str) -> int:
    """How long JavaScript finds it."""
    return len(text.encode("utf-16-le")) // 2


def cut(text: str, at: int) -> str:
    """Its first ``at`` UTF-16 units."""
    return text.encode("utf-16-le")[: 2 * at].decode("utf-16-le")


@define
class Followed:
    """One output. ``whole``: what comes goes on where this ends."""

    rev: int = 0
    text: dict[str, str] = field(factory=lambda: dict.fromkeys(KINDS, ""))
    whole: bool = True
    state: str = "live"
    end: Any = None
    pieces: int = 0

    def started(self, rev: int, at: int, reasoning_at: int) -> None:
        if rev != self.rev:
            self.text = dict.fromkeys(KINDS, "")
            self.rev = rev
        self.state = "live"
        self.whole = (at, reasoning_at) == (units(self.text["text"]), units(self.text["reasoning"]))

    def data(self, body: Mapping[str, Any]) -> None:
        kind, at, have = body["kind"], body["at"], units(self.text[body["kind"]])
        if at > have:
            assert not self.whole, f"a gap: {have} and then {at}"
            return
        known = have - at
        if known:
            assert not self.whole, f"doubled: {body}"
            assert self.text[kind].endswith(cut(body["data"], known)) or known > units(body["data"])
        if known < units(body["data"]):
            self.text[kind] += body["data"].encode("utf-16-le")[2 * known :].decode("utf-16-le")
        self.pieces += 1

    def reset(self, body: Mapping[str, Any]) -> None:
        assert body["rev"] > self.rev
        self.text[body["kind"]] = cut(self.text[body["kind"]], body["at"])
        self.rev = body["rev"]

    def resumed(self, entry: Mapping[str, Any]) -> None:
        self.state = entry["state"]
        if self.state == "gone":
            return
        for kind, start in (("text", "from"), ("reasoning", "reasoningFrom")):
            had, at = self.text[kind], entry.get(start, 0)
            assert at <= units(had), "a gap"
            said = cut(had, at) + entry.get(kind, "")
            if entry["rev"] != self.rev or units(said) > units(had):  # else what came meanwhile is more than that
                self.text[kind] = said
        self.rev = entry["rev"]
        self.whole = not entry.get("more", False)

    def ended(self, body: Mapping[str, Any]) -> None:
        if self.whole:
            assert self.text["text"] == body["data"]
            assert self.text["reasoning"] == body.get("reasoning", "")
        self.text = {"text": body["data"], "reasoning": body.get("reasoning", "")}
        self.whole, self.end = True, body
        self.state = "cancelled" if body.get("cancelled") else "failed" if body["failed"] else "ended"

    def wish(self, output_id: str) -> dict[str, Any]:
        """What it asks for when it comes back."""
        return {
            "outputId": output_id,
            "at": units(self.text["text"]),
            "reasoningAt": units(self.text["reasoning"]),
            "rev": self.rev,
        }


@define
class Follower:
    """All that one client has; it outlives its sockets."""

    epoch: str = ""
    outputs: dict[str, Followed] = field(factory=dict)

    def take(self, event: str, body: Any) -> None:
        """One event, in the order of its socket."""
        if event == "SERVER_STREAM_START":
            if body["epoch"] != self.epoch:
                self.epoch = body["epoch"]
                self.outputs.clear()
            self.outputs.setdefault(body["outputId"], Followed()).started(
                body["rev"], body["at"], body.get("reasoningAt", 0)
            )
        elif event == "SERVER_STREAM_DATA":
            self.outputs[body["outputId"]].data(body)
        elif event == "SERVER_STREAM_RESET":
            self.outputs[body["outputId"]].reset(body)
        elif event == "SERVER_STREAM_END":
            self.outputs[body["outputId"]].ended(body)

    def resumed(self, ack: Mapping[str, Any]) -> bool:
        """:return: whether there is more to be asked for."""
        assert ack["status"] == "ok", ack
        if ack["epoch"] != self.epoch:
            self.epoch = ack["epoch"]
            self.outputs.clear()
        for entry in ack["outputs"]:
            self.outputs.setdefault(entry["outputId"], Followed()).resumed(entry)
        return any(entry.get("more") for entry in ack["outputs"])

    def wishes(self) -> dict[str, Any]:
        """The payload of RESUME_OUTPUTS."""
        return {"epoch": self.epoch, "outputs": [each.wish(name) for name, each in self.outputs.items()]}
