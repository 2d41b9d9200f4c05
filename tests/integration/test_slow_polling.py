"""Clients on long polling that ask much, come late or are far away: nothing is lost, nobody is cut (contract A30)."""

from __future__ import annotations

import http.client
import json
import queue
import time
from typing import Any

import pytest
import socketio
from harness import ALL_TRANSPORTS, PATIENCE, POLLING, WEBSOCKET, Hub, request
from relay import Relay

CANONICAL = "SERVER_STREAM_DATA"


class RawPoller:
    """A polling session by hand: nothing is fetched unless told."""

    def __init__(self, port: int, auth: dict[str, Any]) -> None:
        self._port = port
        self.fetched = 0  # bytes
        self._url = "/socket.io/?EIO=4&transport=polling"
        self._url += "&sid=" + json.loads(self._request("GET")[1:])["sid"]
        self.post(f"40/llm,{json.dumps(auth)}")
        assert self.fetch()[0].startswith("40/llm,")

    def post(self, body: str) -> None:
        assert self._request("POST", body.encode()) == b"ok"

    def _request(self, method: str, body: bytes | None = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request(method, self._url, body, {} if body is None else {"Content-Type": "text/plain"})
            answer = connection.getresponse()
            found = answer.read()
        finally:
            connection.close()
        assert answer.status == 200, found
        return found

    def fetch(self) -> list[str]:
        """The packets of one answer; a PING among them is answered."""
        answer = self._request("GET")
        self.fetched += len(answer)
        packets = answer.decode().split("\x1e")
        if "2" in packets:
            self.post("3")
        return packets

    def fetch_until(self, event: str) -> dict[str, list[dict[str, Any]]]:
        """The bodies of all events, by name, up to the answer that holds this one."""
        seen: dict[str, list[dict[str, Any]]] = {}
        while event not in seen:
            for packet in self.fetch():
                if packet.startswith("42/llm,["):
                    name, *args = json.loads(packet.removeprefix("42/llm,"))
                    seen.setdefault(name, []).extend(args)
        return seen


@pytest.mark.parametrize("transports", ALL_TRANSPORTS, ids="-".join)
def test_three_thousand_acks_in_flight(hub: Hub, transports: tuple[str, ...]) -> None:
    """Over polling the session ended, and one was answered."""
    client = hub.client(hub.new_id(), "/auth", transports=transports)
    answered = hub.driver.do(
        "ask_often", PATIENCE * 2, socket=client.name, args=["GET_SILLYTAVERN_EXTENSION", {}], times=3_000
    )
    assert answered == 3_000
    assert not client.all("@disconnect")


def test_who_does_not_poll_for_a_while_finds_everything(hub: Hub) -> None:
    """An answer of many chunks grows meanwhile; the session ended at 1,000 packets."""
    texts = [f"{n} " for n in range(1_500)]
    extension = hub.extension(kind="docs", chunks=texts).start_quickly()
    me = hub.new_id("stalled")
    poller = RawPoller(hub.daemon.port, {"clientId": me, "clientType": "web-app"})
    poller.post("42/llm," + json.dumps(["LLM_REQUEST", request(me, extension.client_id)]))
    poller.fetch()
    extension.wait("@answered", timeout=PATIENCE)
    extension.llm.fence()
    seen = poller.fetch_until("SERVER_STREAM_END")
    chunks = seen[CANONICAL]
    (end,) = seen["SERVER_STREAM_END"]
    assert "".join(chunk["data"] for chunk in chunks) == "".join(texts) == end["data"]
    assert [chunk["chunkIndex"] for chunk in chunks] == list(range(end["chunks"]))
    assert seen["streamed_data"] == chunks
    assert 2 * len(chunks) < 1_100, "what came when it was behind is one event"
    poller.post("42/llm," + json.dumps(["message", {"type": 0, "data": "still there", "requestId": f"{me}-2"}]))


def test_python_socketio_far_away_keeps_up(hub: Hub) -> None:
    """200 ms away it fetches 16 packets at a time, 80 in a second; 400 and more arrive."""
    texts = [f"{n} " for n in range(900)]
    extension = hub.extension(kind="docs", chunks=texts, gap=2).start_quickly()
    client = socketio.Client(reconnection=False)
    seen: queue.SimpleQueue[tuple[str, dict[str, Any]]] = queue.SimpleQueue()
    for event in (CANONICAL, "SERVER_STREAM_END", "disconnect"):
        client.on(event, lambda payload, event=event: seen.put((event, payload)), namespace="/llm")
    me = hub.new_id("far")
    chunks: list[dict[str, Any]] = []
    end: dict[str, Any] | None = None
    begun = time.monotonic()
    with Relay(hub.daemon.port, 0.1) as relay:
        auth = {"clientId": me, "clientType": "web-app"}
        client.connect(relay.url, auth=auth, namespaces=["/llm"], transports=["polling"], wait_timeout=PATIENCE)
        try:
            client.emit("LLM_REQUEST", request(me, extension.client_id), namespace="/llm")
            while end is None or len(chunks) < end["chunks"]:
                event, payload = seen.get(timeout=PATIENCE)
                assert event != "disconnect", payload
                if event == CANONICAL:
                    chunks.append(payload)
                else:
                    end = payload
        finally:
            client.disconnect()
    chunks.sort(key=lambda chunk: int(chunk["chunkIndex"]))  # the library hands each event to a thread of its own
    assert [chunk["chunkIndex"] for chunk in chunks] == list(range(end["chunks"]))
    assert "".join(chunk["data"] for chunk in chunks) == "".join(texts) == end["data"]
    could = 40 * (time.monotonic() - begun)  # each is two packets; a machine that is slow to say them gives it time
    assert len(chunks) < max(450, could), "what waits is merged: it cannot fetch that many"


@pytest.mark.parametrize("transports", [POLLING, WEBSOCKET], ids="-".join)
def test_a_client_that_forces_base64(hub: Hub, transports: tuple[str, ...]) -> None:
    """Attachments as text in both directions; a WebSocket was reset at the first one."""
    extension = hub.extension(kind="docs", chunks=["one ", "two ", "three"]).start_quickly()
    me = hub.new_id()
    client = hub.client(me, transports=transports, streams=[CANONICAL], forceBase64=True, auth={"streamMode": "ss"})
    client.emit("anything", {"bytes": b"\x00\x01\xff"})
    client.fence()
    client.emit("LLM_REQUEST", request(me, extension.client_id))
    assert client.wait("@end").args[1] == "one two three"
    assert client.transport() == transports[0]


def test_an_answer_does_not_wait_behind_history(hub: Hub) -> None:
    """8 KB/s, a room of 60 turns of 2 KB: what comes until the answer is there takes less than two seconds (A34)."""
    long = hub.extension(kind="message", text="x" * 2_000).start_quickly()
    short = hub.extension(kind="message", text="yes").start_quickly()
    room = hub.new_id("history")
    talkers, readers = [hub.new_id("talker") for _ in range(3)], [hub.new_id("slow") for _ in range(2)]
    admin = hub.monitor("/rooms")
    admin.call("CREATE_ROOM", {"roomName": room})
    admin.call("SET_ROOM_MESSAGE_REQUEST_MODE", {"roomName": room, "mode": "Immediate"})
    for name in (*talkers, *readers):
        assert hub.client(name, "/rooms").call("JOIN_ROOM", {"roomName": room})["status"] == "ok"
    sockets = [hub.client(name, auth={"sync": "incremental", "streamMode": "plain"}) for name in talkers]
    for turn in range(60):
        talker, asked = sockets[turn % 3], f"{room}-{turn}"
        talker.emit("LLM_REQUEST", request(asked, long.client_id, targetRoom=room))
        talker.wait("LLM_RESPONSE", lambda body, asked=asked: body["requestId"] == asked)
    for name, declared in zip(readers, ({}, {"sync": "incremental"}), strict=True):
        with Relay(hub.daemon.port, 0, bytes_per_second=8_192) as relay:
            poller = RawPoller(relay.port, {"clientId": name, "clientType": "web-app", **declared})
            poller.post('42/llm,["GET_FULL_CONTEXT",' + json.dumps({"roomName": room}) + "]")
            poller.fetch_until("UPDATE_CONTEXT_PAGE")
            poller.post("42/llm," + json.dumps(["LLM_REQUEST", request(name, short.client_id, targetRoom=room)]))
            before = poller.fetched
            seen = poller.fetch_until("LLM_RESPONSE")
            assert [body["message"] for body in seen["LLM_RESPONSE"]] == ["yes"]
            assert poller.fetched - before < 2 * 8_192
            if not declared:
                context = poller.fetch_until("UPDATE_CONTEXT")["UPDATE_CONTEXT"][-1]["context"]
                assert context[-1]["message"] == "yes"
