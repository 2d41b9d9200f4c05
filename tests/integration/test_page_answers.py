"""Answers on the page in a real browser: nothing of them is lost or doubled, and they can be stopped (A21, A20)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import FaultProxy
from harness import Daemon, Driver, Hub, free_port, until
from homes import written
from nginx import Nginx
from page_scene import Scene

from followkit import units

pytestmark = pytest.mark.integration

WORDS = [f"{number} 😀é客\r\n<b>&amp;\u202e " for number in range(45)]
TEXT = "".join(WORDS)
HALF = "".join(WORDS[:15])
STOPPED = {"CANCEL_REQUEST": [{"state": "stopped"}]}


class Voice:
    """An extension that answers as a test tells it, one question after the other."""

    def __init__(self, hub: Hub, **declared: Any) -> None:
        self.id = f"SillyTavern-{hub.new_id('page').removeprefix('page-')}"
        declared = declared or {"features": ["reasoning", "cancel"], "capacity": 4}
        self.socket = hub.client(self.id, auth={"clientType": "SillyTavern", **declared}, replies=STOPPED)
        self.asked = 0
        self.ids: dict[str, Any] = {}

    def is_asked(self) -> None:
        self.asked += 1
        request = self.socket.wait("LLM_REQUEST", count=self.asked).first
        name = f"{self.id}-{self.asked}"
        self.ids = {"streamId": f"{name}-s", "outputId": f"{name}-o", "requestId": request["requestId"]}

    def begins(self, words: list[str], thought: str = "") -> None:
        self.is_asked()
        self.socket.emit("CLIENT_STREAM_START", {"type": 1, **self.ids})
        if thought:
            self.socket.emit(*self._data(thought, "reasoning"))
        self.says(words)

    def says(self, words: list[str]) -> None:
        self.socket.burst([self._data(word) for word in words])
        self.socket.fence()

    def ends(self) -> None:
        self.socket.emit("CLIENT_STREAM_END", {"type": 3, **self.ids, "final": True})
        self.socket.fence()

    def is_told_to_stop(self) -> None:
        told = self.socket.wait("CANCEL_REQUEST", lambda body: body["requestId"] == self.ids["requestId"]).first
        assert told["reason"] == "cancelled"

    def _data(self, text: str, kind: str = "text") -> list[Any]:
        return ["CLIENT_STREAM_DATA_MIDDLE", {"type": 5, **self.ids, "data": text, "kind": kind}]


def play(url: str, name: str, *cues: Callable[[], object], **given: Any) -> Scene:
    return Scene(url, name, *cues, scenes="page_answers.js", **given)


def shown(entries: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(entry["kind"], entry["text"], entry["note"]) for entry in entries]


def kept(stored: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Kind and text of what the hub has stored, as the page names them."""
    return [("answer" if message["isResponse"] else "mine", message["message"]) for message in stored]


def test_line_that_is_cut_in_mid_answer_costs_nothing(hub: Hub) -> None:
    voice = Voice(hub)

    def heals() -> None:
        voice.says(WORDS[15:25])
        proxy.heal()
        voice.says(WORDS[25:35])

    def finishes() -> None:
        voice.says(WORDS[35:])
        voice.ends()

    with FaultProxy(hub.daemon.port) as proxy:
        scene = play(
            proxy.url,
            "cut",
            lambda: voice.begins(WORDS[:15], "hm 😀"),
            proxy.cut,
            heals,
            finishes,
            question="Tell me",
            lengths=[units(HALF), units("".join(WORDS[:35]))],
        )
    seen = scene.seen
    assert shown(seen["away"]["entries"])[1] == ("answer", HALF, "The line is cut; this goes on when it is back")
    assert seen["away"]["line"] == "Reconnecting…"
    assert [text for text in seen["texts"] if not TEXT.startswith(text)] == []
    lengths = [units(text) for text in seen["texts"]]
    assert lengths == sorted(lengths), "it never became shorter"
    assert shown(seen["entries"]) == [("mine", "Tell me", ""), ("answer", TEXT, "")]
    assert kept(seen["stored"]) == [("mine", "Tell me"), ("answer", TEXT)]
    assert seen["thoughts"] == seen["stored"][1]["reasoning"] == "hm 😀"
    assert all(entry["elements"] == 0 for entry in seen["entries"])
    assert seen["violations"] == []


def test_tabs_of_one_person_show_the_same_also_when_one_is_loaded_again(hub: Hub) -> None:
    voice = Voice(hub)

    def finishes() -> None:
        voice.says(WORDS[15:])
        voice.ends()

    def goes_on() -> None:
        voice.is_told_to_stop()
        voice.says(WORDS[15:])

    scene = play(
        hub.daemon.url,
        "tabs",
        lambda: voice.begins(WORDS[:15]),
        finishes,
        lambda: voice.begins(WORDS[:15]),
        goes_on,
        questions=["Tell me", "Once more"],
        lengths=[units(HALF), units(HALF)],
    )
    seen = scene.seen
    assert seen["reloaded"] == {"text": [HALF], "streaming": True, "stop": True}
    whole = [("mine", "Tell me", ""), ("answer", TEXT, "")]
    assert shown(seen["whole"]["first"]) == shown(seen["whole"]["second"]) == whole
    stopped = [*whole, ("mine", "Once more", ""), ("answer", HALF, "Stopped")]
    assert shown(seen["first"]) == shown(seen["second"]) == stopped
    assert kept(seen["stored"]) == [(kind, text) for kind, text, _ in stopped]
    assert [message["partial"] for message in seen["stored"]] == [False, False, False, True]
    assert scene.problems == []


def test_page_that_is_loaded_again_amid_an_answer_shows_it_below_its_question(hub: Hub) -> None:
    voice, questions = Voice(hub), ["Hello there", "Tell me a story, please"]

    def answers() -> None:
        voice.begins(WORDS[:15])
        voice.ends()

    def finishes() -> None:
        voice.says(WORDS[15:])
        voice.ends()

    scene = play(
        hub.daemon.url,
        "reloadAmid",
        answers,
        lambda: voice.begins(WORDS[:15]),
        finishes,
        questions=questions,
        length=units(HALF),
    )
    seen = scene.seen
    for entries in seen.values():
        assert [entry["kind"] for entry in entries] == ["mine", "answer"] * 2
        assert [entry["text"] for entry in entries[::2]] == questions
    assert [entry["text"] for entry in seen["after"][1::2]] == [HALF, TEXT]
    assert seen["again"] == seen["after"]
    assert scene.problems == []


def test_answers_are_stopped_by_button_and_key_and_kept_as_far_as_they_came(hub: Hub) -> None:
    voice = Voice(hub)

    def is_asked_again() -> None:
        voice.is_told_to_stop()
        voice.begins(WORDS[:15])

    scene = play(
        hub.daemon.url,
        "stop",
        lambda: voice.begins(WORDS[:15]),
        voice.is_asked,
        is_asked_again,
        questions=["Tell me", "And now?"],
        length=units(HALF),
    )
    voice.is_told_to_stop()
    seen = scene.seen
    first = [("mine", "Tell me", ""), ("answer", HALF, "Stopped")]
    assert seen["quiet"] is False
    assert shown(seen["button"]["entries"]) == first
    assert (seen["button"]["focus"], seen["button"]["draft"]) == ({"name": "input", "visible": True}, "half typed")
    assert shown(seen["key"]) == [*first, ("mine", "And now?", "Stopped")]
    both = [*first, ("mine", "And now?", ""), ("answer", HALF, "Stopped")]
    assert shown(seen["after"]) == shown(seen["again"]) == both
    assert kept(seen["stored"]) == [(kind, text) for kind, text, _ in both]
    assert [message["failed"] for message in seen["stored"]] == [False] * 4
    assert scene.problems == []


def test_question_that_waits_says_for_what_and_is_taken_back(hub: Hub) -> None:
    voice = Voice(hub, desc="one at a time")

    def finishes() -> None:
        voice.says(WORDS[15:])
        voice.ends()
        voice.socket.emit("STOP_PROCESSING", {"requestId": voice.ids["requestId"]})

    scene = play(
        hub.daemon.url,
        "waiting",
        lambda: voice.begins(WORDS[:15]),
        finishes,
        questions=["Tell me", "And me?"],
        length=units(HALF),
    )
    seen = scene.seen
    assert shown(seen["taken"]) == [("mine", "Tell me", ""), ("answer", HALF, ""), ("mine", "And me?", "Stopped")]
    assert shown(seen["entries"])[1] == ("answer", TEXT, "")
    assert kept(seen["stored"]) == [("mine", "Tell me"), ("mine", "And me?"), ("answer", TEXT)]
    assert len(voice.socket.all("LLM_REQUEST")) == 1
    assert scene.problems == []


def test_hub_that_is_killed_in_mid_answer_leaves_what_it_has_stored(tmp_path: Path, driver: Driver) -> None:
    daemon = Daemon(tmp_path / "home", port=free_port()).start()
    voice = Voice(Hub(daemon, driver))

    def kills() -> None:
        until(lambda: written(daemon.home) == HALF, "half of it is in the store")
        daemon.kill()

    try:
        scene = play(
            daemon.url,
            "killed",
            lambda: voice.begins(WORDS[:15]),
            kills,
            daemon.start,
            question="Tell me",
            length=units(HALF),
        )
    finally:
        daemon.end()
        driver.reset()
    (question, answer), stored = scene.seen["entries"], scene.seen["stored"]
    assert (question["text"], question["note"]) == ("Tell me", "The server was restarted.")
    assert (answer["text"], answer["note"]) == (HALF, "Broken off")
    assert kept(stored) == [("mine", "Tell me"), ("answer", HALF)]
    assert stored[1]["failed"] is True


def test_page_works_below_a_prefix(hub: Hub, tmp_path: Path) -> None:
    """The proxy's guests are no local ones: the hub's refusal is what the page gets through."""
    prefix = r"rewrite ^/talk/(.*)$ /$1 break"
    nginx = Nginx(tmp_path, hub.daemon.port, prefix, "proxy_set_header Host $http_host")
    try:
        seen = play(f"{nginx.url}/talk/", "prefix").seen
    finally:
        nginx.stop()
    assert seen["state"] == "refused"
    assert [path for path in seen["asked"] if not path.startswith("/talk/")] == []
    assert "/talk/socket.io/" in {path.rsplit("?")[0] for path in seen["asked"]}
