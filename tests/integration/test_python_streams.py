"""python-socketio on both sides of an answer: it follows, stops and comes back; it answers, and stops when it is told
(contract 5.7.7, 5.8, A20, A21)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import pytest
import socketio
from harness import ALL_TRANSPORTS, PATIENCE, Daemon, Driver, Hub, request

from followkit import units

LLM = "/llm"
WORDS = [f"{number} \U0001f600客 " for number in range(20)]
TOLD = ("SERVER_STREAM_START", "SERVER_STREAM_DATA", "SERVER_STREAM_END", "REQUEST_STATUS_UPDATE", "ERROR")


class Follower:
    """A person. The library hands each event to a thread of its own, so they come in any order."""

    def __init__(self) -> None:
        self.client = socketio.Client(reconnection=False)
        self._come: SimpleQueue[tuple[str, dict[str, Any]]] = SimpleQueue()
        self.seen: list[tuple[str, dict[str, Any]]] = []
        for event in TOLD:
            self.client.on(event, lambda body, event=event: self._come.put((event, body)), namespace=LLM)

    def call(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        reply: dict[str, Any] = self.client.call(event, payload, namespace=LLM, timeout=PATIENCE)
        return reply

    def wait(self, event: str, where: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """The first one, whether it has come already or not."""
        looked = 0
        while True:
            for name, body in self.seen[looked:]:
                if name == event and where(body):
                    return body
            looked = len(self.seen)
            self.seen.append(self._come.get(timeout=PATIENCE))

    def reads(self, text: str) -> None:
        """Until that has come of the one output."""
        while self._text() != text:
            self.seen.append(self._come.get(timeout=PATIENCE))

    def _text(self) -> str:
        """What has come, joined by its places."""
        pieces = {body["at"]: body["data"] for name, body in self.seen if name == "SERVER_STREAM_DATA"}
        whole = ""
        while (at := units(whole)) in pieces:
            whole += pieces[at]
        return whole


@contextmanager
def person(daemon: Daemon, me: str, transports: tuple[str, ...] = ("websocket",)) -> Iterator[Follower]:
    follower = Follower()
    auth = {"clientId": me, "clientType": "web-app", "outputs": True, "sync": "incremental"}
    follower.client.connect(daemon.url, auth=auth, namespaces=[LLM], transports=list(transports), wait_timeout=PATIENCE)
    try:
        yield follower
    finally:
        follower.client.disconnect()


class Speaker:
    """An extension that says ``WORDS``, as many as it is let, and no more once it was told to stop."""

    def __init__(self) -> None:
        self.client = socketio.Client(reconnection=False)
        self.asked: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self.stops: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self.stopped = threading.Event()
        self.client.on("LLM_REQUEST", self.asked.put, namespace=LLM)
        self.client.on("CANCEL_REQUEST", self._stop, namespace=LLM)

    def _stop(self, told: dict[str, Any]) -> dict[str, Any]:
        self.stopped.set()
        self.stops.put(told)
        return {"status": "ok"}

    def begins(self) -> dict[str, Any]:
        """:return: by what its packets are known."""
        told = self.asked.get(timeout=PATIENCE)
        ids = {
            "requestId": told["requestId"],
            "outputId": f"o-{told['requestId']}",
            "streamId": f"s-{told['requestId']}",
        }
        self.client.emit("ACCEPT_REQUEST", {"requestId": told["requestId"], "where": "headless"}, namespace=LLM)
        self.client.emit("CLIENT_STREAM_START", ids, namespace=LLM)
        return ids

    def says(self, ids: dict[str, Any], words: list[str]) -> None:
        for word in words:
            if not self.stopped.is_set():
                self.client.emit("CLIENT_STREAM_DATA_MIDDLE", {**ids, "data": word}, namespace=LLM)

    def ends(self, ids: dict[str, Any]) -> None:
        self.client.emit("CLIENT_STREAM_END", {**ids, "final": True}, namespace=LLM)


@contextmanager
def speaker(daemon: Daemon, name: str) -> Iterator[Speaker]:
    it = Speaker()
    features = ["accept", "cancel", "reset"]
    auth = {
        "clientId": name,
        "clientType": "SillyTavern",
        "features": features,
        "streamMode": "output",
        "outputs": True,
    }
    it.client.connect(daemon.url, auth=auth, namespaces=[LLM], wait_timeout=PATIENCE)
    try:
        yield it
    finally:
        it.client.disconnect()


@pytest.mark.parametrize("transports", ALL_TRANSPORTS, ids="-".join)
def test_who_stops_his_question_keeps_what_came_and_the_next_is_answered(hub: Hub, transports: tuple[str, ...]) -> None:
    name, me = f"SillyTavern-{hub.new_id('py')}", hub.new_id("python")
    with speaker(hub.daemon, name) as extension, person(hub.daemon, me, transports) as asker:
        reply = asker.call("LLM_REQUEST", request("r1", name, "a long one"))
        assert (reply["state"], reply["questionId"]) == ("forwarded", reply["messageId"])
        ids = extension.begins()
        asker.wait("REQUEST_STATUS_UPDATE", lambda body: body["status"] == "accepted")
        begun = asker.wait("SERVER_STREAM_START")
        assert (begun["requestId"], begun["requester"], begun["at"]) == ("r1", me, 0)
        extension.says(ids, WORDS[:10])
        asker.wait("SERVER_STREAM_DATA", lambda body: WORDS[9] in body["data"])
        stopped = asker.call("CANCEL_REQUEST", {"requestId": "r1"})
        assert (stopped["state"], stopped["outputs"]) == ("cancelled", [begun["outputId"]])
        told = extension.stops.get(timeout=PATIENCE)
        assert told == {"requestId": ids["requestId"], "outputIds": [ids["outputId"]], "reason": "cancelled"}
        extension.says(ids, WORDS[10:])
        end = asker.wait("SERVER_STREAM_END")
        half = "".join(WORDS[:10])
        assert (end["data"], end["cancelled"], end["failed"], end["partial"]) == (half, True, False, True)
        assert asker.wait("REQUEST_STATUS_UPDATE", lambda body: body["status"] == "cancelled")["by"] == me
        asker.reads(half)
        again = asker.call("CANCEL_REQUEST", {"requestId": "r1"})
        assert (again["status"], again["state"], again["outputs"]) == ("warning", "cancelled", [])

        extension.stopped.clear()
        asker.call("LLM_REQUEST", request("r2", name, "a short one"))
        ids = extension.begins()
        extension.says(ids, WORDS)
        extension.ends(ids)
        asker.wait("REQUEST_STATUS_UPDATE", lambda body: (body["requestId"], body["status"]) == ("r2", "completed"))
        stored = asker.call("GET_MESSAGES", {})["messages"]
        assert [(each["message"], bool(each.get("partial"))) for each in stored] == [
            ("a long one", False),
            (half, True),
            ("a short one", False),
            ("".join(WORDS), False),
        ]


def test_what_was_said_is_found_again_after_the_line_and_after_the_hub(
    make_daemon: Callable[..., Daemon], driver: Driver
) -> None:
    """One answer is over, one is in its middle when the hub is killed."""
    daemon, name = make_daemon(), "SillyTavern-8000"
    whole, half = "".join(WORDS), "".join(WORDS[:10])
    with speaker(daemon, name) as extension:
        with person(daemon, "ann") as asker:
            asker.call("LLM_REQUEST", request("r1", name, "one"))
            ids = extension.begins()
            extension.says(ids, WORDS[:10])
            asker.wait("SERVER_STREAM_DATA", lambda body: WORDS[9] in body["data"])
            epoch, output_id = asker.wait("SERVER_STREAM_START")["epoch"], ids["outputId"]
            asker.reads(half)
        extension.says(ids, WORDS[10:])
        extension.ends(ids)
        wish = {"epoch": epoch, "outputs": [{"outputId": output_id, "at": units(half)}], "requests": ["r1", "r9"]}
        with person(daemon, "ann") as asker:
            while (found := asker.call("RESUME_OUTPUTS", wish))["requests"][0]["live"]:  # it is being stored still
                asker.wait("REQUEST_STATUS_UPDATE", lambda body: body["status"] == "completed")
            (output,), (own, unknown) = found["outputs"], found["requests"]
            assert (output["state"], output["from"], half + output["text"]) == ("ended", units(half), whole)
            assert (own["status"], own["targets"]) == ("completed", [name])
            assert unknown == {"requestId": "r9", "status": "gone", "live": False}

            asker.call("LLM_REQUEST", request("r2", name, "two"))
            second = extension.begins()
            extension.says(second, WORDS[:10])
            asker.wait("SERVER_STREAM_DATA", lambda body: body["requestId"] == "r2" and WORDS[9] in body["data"])
            written = asker.call("LLM_REQUEST", request("r3", name, "three"))
            assert written["state"] == "queued"
            extension.client.call("GET_MESSAGES", {"limit": 1}, namespace=LLM, timeout=PATIENCE)
            daemon.kill()
    hub = Hub(daemon.start(), driver)
    outputs = [{"outputId": each, "at": units(half)} for each in (output_id, second["outputId"])]
    with person(hub.daemon, "ann") as asker:
        found = asker.call("RESUME_OUTPUTS", {"epoch": epoch, "outputs": outputs, "requests": ["r1", "r2", "r3"]})
        assert found["epoch"] != epoch
        one, two = found["outputs"]
        assert (one["state"], one["from"], one["text"]) == ("ended", 0, whole)
        assert two["state"] in ("failed", "gone")  # its text was written at most a second before
        assert half.startswith(two.get("text", ""))
        assert [(each["status"], each["live"]) for each in found["requests"]] == [
            ("gone", False),
            ("gone", False),
            ("queued", True),
        ]
        assert asker.wait("ERROR")["requestId"] == "r2"
        assert asker.wait("REQUEST_STATUS_UPDATE", lambda body: body["requestId"] == "r2")["status"] == "failed"
