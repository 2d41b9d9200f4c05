"""Clients lose their line for a while in mid-answer: no gap, nothing twice, byte by byte (contract 5.7.7, A21).

Three of them, each coming back by its own library: socket.io-client, python-socketio and clients/js.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest
import socketio
from fault_proxy import FaultProxy
from harness import PATIENCE, POLLING, WEBSOCKET, Driver, Hub, Socket, Witness
from live_outputs import Piece, Speaker, doubled, joined, take

from followkit import Follower, units

SECONDS = (1, 10, 60) if os.environ.get("NEWAGE_NIGHTLY") else (1,)
BACK = 30.0  # seconds after the line: clients/js tries every 1-5 s then
WORDS = [f"{number} 😀é客 " for number in range(100)]
TEXT = "".join(WORDS)
DECLARED = {"clientType": "web-app", "outputs": True, "sync": "incremental"}


class PythonClient:
    """python-socketio, which comes back by itself and hands each event to a thread of its own: order is by position."""

    def __init__(self, url: str, me: str, transports: Sequence[str], output_id: str) -> None:
        self._output_id = output_id
        self.said: list[Piece] = []  # SERVER_STREAM_DATA
        self._filled: list[Piece] = []  # by RESUME_OUTPUTS
        self._epoch = ""
        self._changed = threading.Condition()
        self._client = socketio.Client(reconnection_delay=0.2, reconnection_delay_max=1, randomization_factor=0)
        for event in ("SERVER_STREAM_START", "SERVER_STREAM_DATA"):
            self._client.on(event, lambda body, event=event: self._take(event, body), namespace="/llm")
        self._client.on("connect", self._connected, namespace="/llm")
        auth = {**DECLARED, "clientId": me}
        self._client.connect(url, auth=auth, namespaces=["/llm"], transports=list(transports), wait_timeout=PATIENCE)

    def _connected(self) -> None:
        if text := self.text():
            wish = {"outputId": self._output_id, "at": units(text), "rev": 0}
            question = {"epoch": self._epoch, "outputs": [wish]}
            self._client.emit("RESUME_OUTPUTS", question, namespace="/llm", callback=self._resumed)

    def _resumed(self, ack: Any) -> None:
        with self._changed:
            self._filled += [(entry["from"], entry["text"]) for entry in ack["outputs"]]
            self._changed.notify_all()

    def _take(self, event: str, body: Any) -> None:
        with self._changed:
            if event == "SERVER_STREAM_START":
                self._epoch = body["epoch"]
            elif event == "SERVER_STREAM_DATA":
                self.said.append((body["at"], body["data"]))
            self._changed.notify_all()

    def text(self) -> str:
        """From its beginning to the first gap."""
        return joined([*self.said, *self._filled])

    def wait(self, text: str) -> None:
        """Until that has come, and nothing before it is missing."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.text()) >= len(text), BACK), (self.said, self._filled)

    def close(self) -> None:
        self._client.disconnect()


def socketio_client(hub: Hub, url: str, me: str, transports: Sequence[str]) -> Socket:
    engine = hub.new_id("engine")
    options = {"transports": list(transports), "reconnection": True, "reconnectionDelay": 200}
    hub.driver.do("engine", name=engine, url=url, options={**options, "reconnectionDelayMax": 1000})
    return hub.open("/llm", {**DECLARED, "clientId": me}, engine=engine).connected()


def javascript_client(driver: Driver, url: str, me: str, transports: Sequence[str]) -> Witness:
    how = {"clientId": me, "options": {"transports": list(transports)}}
    driver.do("js_client", name=f"{me}-js", url=url, how=how)
    return Witness(driver, f"{me}-js")


@pytest.mark.parametrize("transports", [POLLING, WEBSOCKET], ids="-".join)
@pytest.mark.parametrize("seconds", SECONDS)
def test_a_line_that_was_lost_costs_no_word(hub: Hub, seconds: int, transports: tuple[str, ...]) -> None:
    me, speaker = hub.new_id("lost"), Speaker(hub)
    with (
        FaultProxy(hub.daemon.port) as line,
        closing(PythonClient(line.url, me, transports, speaker.output_id)) as python,
    ):
        plain = socketio_client(hub, line.url, me, transports)
        script = javascript_client(hub.driver, line.url, me, transports)
        wish = {"requestId": speaker.request_id, "target": speaker.id}
        hub.driver.do("js_ask", name=script.name, text="Go on", how=wish)
        speaker.starts()
        speaker.says(WORDS[:20])
        plain.wait("SERVER_STREAM_DATA", lambda body: WORDS[19] in body["data"])
        script.wait("@piece", lambda _, piece: WORDS[19] in piece)
        python.wait("".join(WORDS[:20]))
        line.cut()
        speaker.says(WORDS[20:40], gap=seconds * 50)  # as long as they are away
        line.heal()
        talking = threading.Thread(target=speaker.says, args=(WORDS[40:], 20))
        talking.start()
        plain.wait("@connect", count=2, timeout=BACK)
        follower = Follower()
        taken = take(follower, plain)
        plain.ask("RESUME_OUTPUTS", follower.wishes())
        python.wait("".join(WORDS[:41]))
        script.wait("@piece", lambda _, piece: WORDS[40] in piece, timeout=BACK)
        talking.join()
        speaker.ends()
        plain.wait("SERVER_STREAM_END")
        script.wait("@answer", timeout=BACK)
        python.wait(TEXT)
        take(follower, plain, taken)
    had = follower.outputs[speaker.output_id]
    assert (had.state, had.rev, had.text["text"]) == ("ended", 0, TEXT)
    assert (python.text(), doubled(python.said)) == (TEXT, [])
    assert "".join(record.args[1] for record in script.all("@piece")) == TEXT
    assert script.wait("@answer").args[1:] == [TEXT, None]
    assert script.all("@state", lambda state, _: state == "reconnecting")
