"""Real clients lose their line in mid-answer and come back: no gap, nothing twice (contract 5.7.7, A21)."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import socketio
from harness import ALL_TRANSPORTS, PATIENCE, Hub, Socket, request
from live_outputs import EVENTS, Piece, Speaker, doubled, joined, take
from relay import Relay

from followkit import Follower, units

WORDS = [f"{number} 😀é客 " for number in range(60)]
TEXT = "".join(WORDS)


@contextmanager
def line_of(hub: Hub, me: str, transports: Sequence[str]) -> Iterator[Socket]:
    """A socket.io-client of a new page; its line is cut at the end, without a word."""
    with Relay(hub.daemon.port, 0) as relay:
        engine = f"engine-{hub.new_id()}"
        options = {"transports": list(transports)}
        hub.driver.do("engine", name=engine, url=relay.url, options=options)
        auth = {"clientType": "web-app", "clientId": me, "outputs": True, "sync": "incremental"}
        yield hub.open("/llm", auth, engine=engine).connected()


def resume(follower: Follower, socket: Socket) -> None:
    socket.ask("RESUME_OUTPUTS", follower.wishes())
    socket.wait("@ack")


@pytest.mark.parametrize("transports", ALL_TRANSPORTS, ids="-".join)
def test_socketio_client_misses_nothing(hub: Hub, transports: tuple[str, ...]) -> None:
    """Cut twice: what was said meanwhile, taken back and said anew is there, and so is what is being said."""
    me, follower, speaker = hub.new_id("cut"), Follower(), Speaker(hub)
    with line_of(hub, me, transports) as first:
        assert first.call("LLM_REQUEST", request(speaker.request_id, speaker.id))["status"] == "ok"
        speaker.starts()
        speaker.socket.burst([speaker.data("hm ", "reasoning"), *map(speaker.data, WORDS[:20])])
        first.wait("SERVER_STREAM_DATA", lambda body: WORDS[10] in body["data"])
    take(follower, first)
    speaker.says([*WORDS[20:25], "wrong"])
    speaker.socket.emit("CLIENT_STREAM_RESET", {**speaker.ids, "at": units("".join(WORDS[:25]))})
    speaker.socket.burst([speaker.data("ha", "reasoning"), *map(speaker.data, WORDS[25:30])])
    speaker.socket.fence()
    with line_of(hub, me, transports) as second:
        talking = threading.Thread(target=speaker.says, args=(WORDS[30:45], 2))
        talking.start()
        resume(follower, second)
        talking.join()
        second.wait("SERVER_STREAM_DATA", lambda body: WORDS[44] in body["data"])
    take(follower, second)
    had = follower.outputs[speaker.output_id]
    assert (had.rev, had.whole) == (1, True)
    assert had.text == {"text": "".join(WORDS[:45]), "reasoning": "hm ha"}
    speaker.says(WORDS[45:])
    speaker.ends()
    with line_of(hub, me, transports) as third:
        resume(follower, third)
        read = take(follower, third)
        if had.state == "live":  # its end is being stored still
            third.wait("SERVER_STREAM_END")
            take(follower, third, read)
    assert (had.state, had.text) == ("ended", {"text": TEXT, "reasoning": "hm ha"})


class Heard:
    """What came of an output on one line, in any order: python-socketio hands each event to a thread of its own."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.end: Any = None


@contextmanager
def python_line(
    hub: Hub, me: str, transports: Sequence[str]
) -> Iterator[tuple[socketio.Client, Heard, Callable[[Callable[[], object]], None]]]:
    """A client, what it gets, and a function that waits until that is so."""
    seen: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    client, heard = socketio.Client(reconnection=False), Heard()
    for event in EVENTS:
        client.on(event, lambda body, event=event: seen.put((event, body)), namespace="/llm")

    def wait(so: Callable[[], object]) -> None:
        while not so():
            event, body = seen.get(timeout=PATIENCE)
            if event == "SERVER_STREAM_DATA":
                heard.pieces.append((body["at"], body["data"]))
            elif event == "SERVER_STREAM_END":
                heard.end = body

    with Relay(hub.daemon.port, 0) as relay:
        auth = {"clientId": me, "clientType": "web-app", "outputs": True, "sync": "incremental"}
        client.connect(relay.url, auth=auth, namespaces=["/llm"], transports=list(transports), wait_timeout=PATIENCE)
        yield client, heard, wait
    client.disconnect()


@pytest.mark.parametrize("transports", ALL_TRANSPORTS, ids="-".join)
def test_python_socketio_misses_nothing(hub: Hub, transports: tuple[str, ...]) -> None:
    me, speaker = hub.new_id("python"), Speaker(hub)
    with python_line(hub, me, transports) as (client, heard, wait):
        reply = client.call("LLM_REQUEST", request(speaker.request_id, speaker.id), namespace="/llm", timeout=PATIENCE)
        assert reply["status"] == "ok", reply
        speaker.starts()
        speaker.says(WORDS[:30])
        wait(lambda: joined(heard.pieces))
    had = joined(heard.pieces)
    assert doubled(heard.pieces) == []
    assert TEXT.startswith(had)
    speaker.says(WORDS[30:40])
    with python_line(hub, me, transports) as (client, heard, wait):
        wish = {"outputId": speaker.output_id, "at": units(had), "rev": 0}
        talking = threading.Thread(target=speaker.says, args=(WORDS[40:50], 2))
        talking.start()
        reply = client.call("RESUME_OUTPUTS", {"outputs": [wish]}, namespace="/llm", timeout=PATIENCE)
        (found,) = reply["outputs"]
        assert (found["state"], found["from"], found.get("more")) == ("live", units(had), None)
        had += found["text"]
        talking.join()
        speaker.says(WORDS[50:])
        speaker.ends()
        wait(lambda: heard.end and joined(heard.pieces, had) == TEXT)
    # of what came live, the answer may have some: all of a piece, or its beginning where a poll fetched it later
    assert doubled(heard.pieces) == []
    assert heard.end["data"] == TEXT


def test_a_slow_follower_is_cut_and_the_fast_one_unaffected(hub: Hub) -> None:
    me, speaker = hub.new_id("slow"), Speaker(hub)
    auth = {"outputs": True, "sync": "incremental"}
    fast, stuck = (hub.client(me, auth=auth, shorten=True) for _ in range(2))
    assert fast.call("LLM_REQUEST", request(speaker.request_id, speaker.id))["status"] == "ok"
    stuck.fence()
    hub.driver.do("pause", engine=stuck.engine.name)
    speaker.socket.wait("LLM_REQUEST")
    for number in range(25):
        speaker.ids |= {"streamId": f"{speaker.id}-s{number}", "outputId": f"{speaker.id}-o{number}"}
        speaker.socket.emit("CLIENT_STREAM_START", {"type": 1, **speaker.ids})
        speaker.says([f"{each:04}" + "x" * 4092 for each in range(25)])
        speaker.ends()
        fast.wait("SERVER_STREAM_END", count=number + 1)
    hub.driver.do("resume", engine=stuck.engine.name)
    assert stuck.wait("@disconnect").first in ("transport close", "transport error")
    assert len(stuck.all("SERVER_STREAM_END")) < 25
    sizes = [body["at"] for body in fast.payloads("SERVER_STREAM_DATA", lambda body: body["outputId"].endswith("-o24"))]
    assert sizes == sorted(set(sizes))
    fast.fence()
    assert not fast.all("@disconnect")
    follower = Follower()
    with line_of(hub, me, ("websocket",)) as again:
        again.ask("RESUME_OUTPUTS", {"outputs": [{"outputId": f"{speaker.id}-o{number}"} for number in range(25)]})
        follower.resumed(again.wait("@ack").args[1])
    whole = {name: each for name, each in follower.outputs.items() if each.whole}
    assert len(whole) == 5, "half a MiB of them in one answer"
    assert all(len(each.text["text"]) == 25 * 4096 for each in whole.values())


def test_the_hub_is_started_anew(hub: Hub, make_daemon: Callable[..., Any]) -> None:
    """What it has stored is there under its outputId; who follows is told by another epoch."""
    daemon = make_daemon()
    own = Hub(daemon, hub.driver)
    me, speaker = own.new_id("anew"), Speaker(own)
    first = own.client(me, auth={"outputs": True})
    assert first.call("LLM_REQUEST", request(speaker.request_id, speaker.id))["status"] == "ok"
    speaker.starts()
    speaker.says(WORDS)
    speaker.ends()
    end = first.payload("SERVER_STREAM_END")
    epoch = first.payload("SERVER_STREAM_START")["epoch"]
    for each in (first, speaker.socket):
        each.close_engine()
    daemon.stop()
    own = Hub(make_daemon(home=daemon.home), hub.driver)
    second = own.client(me, auth={"outputs": True})
    wish = {"outputId": speaker.output_id, "at": 7, "rev": 0}
    reply = second.call("RESUME_OUTPUTS", {"epoch": epoch, "outputs": [wish]})
    (found,) = reply["outputs"]
    assert reply["epoch"] != epoch
    assert (found["state"], found["from"], found["text"]) == ("ended", 0, TEXT)
    assert found["messageId"] == end["messageId"]
