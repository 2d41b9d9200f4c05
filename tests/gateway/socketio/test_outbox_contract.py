"""One contract for whatever delivers: the hub behind its cluster adapter, and the double of the services' tests."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from gateway_doubles import FakePollingSink, FakeSink, Site
from hubkit import RecordingOutbox
from newage.domain.delivery import EVERYBODY, Audience, Emission
from newage.errors import PeerGone, TimedOut
from newage.ports import IOutbox

ROOM, OTHER = Audience.room("lounge"), Audience.room("cellar")


class Real:
    """``gateway.hub.Hub`` with ``LocalAdapter``; what a socket got is what its transport was given."""

    def __init__(self) -> None:
        self._site = Site()
        self.clock = self._site.clock
        self._site.namespace("/llm")
        self._site.namespace("/rooms")
        self.outbox = self._site.hub
        self._sinks: dict[str, FakeSink] = {}
        self._connections: dict[str, Any] = {}

    def open(self, namespace: str = "/llm", transport: str = "websocket") -> str:
        sink = FakePollingSink() if transport == "polling" else FakeSink()
        connection, sink = self._site.joined(namespace, sink)
        sid = self._site.sockets[-1].sid
        self._sinks[sid], self._connections[sid] = sink, connection
        return sid

    def got(self, sid: str) -> list[list[Any]]:
        """[event, argument, ...] of each packet since the last look."""
        self.clock.advance(0)
        packets = self._sinks[sid].take()
        return [orjson.loads(packet[packet.index(b"[") :]) for packet in packets if packet.startswith(b"42")]

    def away(self, sid: str) -> None:
        sink = self._sinks[sid]
        assert isinstance(sink, FakePollingSink)
        sink.behind = True

    def back(self, sid: str) -> None:
        """What it was sent is there at the next look."""

    def acknowledge(self, sid: str, answer: str) -> None:
        packet = next(p for p in self._sinks[sid].take() if p.startswith(b"42"))
        number = packet[packet.index(b",") + 1 : packet.index(b"[")]
        self._connections[sid].text_received(b'43/llm,%b["%b"]' % (number, answer.encode()))

    def close(self, sid: str) -> None:
        self._connections[sid].sink_closed(self._sinks[sid], "transport close")


class Double:
    """``hubkit.RecordingOutbox``."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.outbox = RecordingOutbox(self.clock)
        self._seen: dict[str, int] = {}

    def open(self, namespace: str = "/llm", transport: str = "websocket") -> str:
        sid = f"socket{len(self._seen)}"
        self.outbox.open(sid, namespace, transport)
        self._seen[sid] = 0
        return sid

    def got(self, sid: str) -> list[list[Any]]:
        sent = self.outbox.got(sid)
        new, self._seen[sid] = sent[self._seen[sid] :], len(sent)
        return [[each.event, *each.args] for each in new]

    def away(self, sid: str) -> None:
        self.outbox.away(sid)

    def back(self, sid: str) -> None:
        self.outbox.fetch(sid)

    def acknowledge(self, sid: str, answer: str) -> None:
        self.outbox.acknowledge(answer, sid=sid)

    def close(self, sid: str) -> None:
        self.outbox.close(sid)


@pytest.fixture(params=[Real, Double], ids=["hub", "double"])
def post(request: pytest.FixtureRequest) -> Any:
    return request.param()


def test_it_is_an_outbox(post: Any) -> None:
    assert verifyObject(IOutbox, post.outbox)


def test_a_socket_in_several_audiences_gets_an_emission_once(post: Any) -> None:
    sid = post.open()
    post.outbox.subscribe(sid, ROOM)
    post.outbox.subscribe(sid, ROOM)
    post.outbox.subscribe(sid, OTHER)
    post.outbox.publish(Emission("/llm", "NEWS", ({"n": 1},), (ROOM, OTHER, Audience.socket(sid))))
    assert post.got(sid) == [["NEWS", {"n": 1}]]


def test_only_its_namespace_hears_it(post: Any) -> None:
    here, there = post.open("/llm"), post.open("/rooms")
    for sid in (here, there):
        post.outbox.subscribe(sid, ROOM)
    post.outbox.publish(Emission("/llm", "NEWS", (), (ROOM,)))
    post.outbox.publish(Emission("/rooms", "OTHER", (), (EVERYBODY,)))
    assert (post.got(here), post.got(there)) == ([["NEWS"]], [["OTHER"]])


def test_who_left_hears_no_more(post: Any) -> None:
    stays, leaves = post.open(), post.open()
    for sid in (stays, leaves):
        post.outbox.subscribe(sid, ROOM)
    post.outbox.unsubscribe(leaves, ROOM)
    post.outbox.unsubscribe(leaves, OTHER)
    post.outbox.publish(Emission("/llm", "NEWS", (), (ROOM,)))
    assert (post.got(stays), post.got(leaves)) == ([["NEWS"]], [])


def test_unknown_sockets_are_ignored(post: Any) -> None:
    post.outbox.subscribe("nobody", ROOM)
    post.outbox.unsubscribe("nobody", ROOM)
    post.outbox.emit("nobody", "NEWS")
    post.outbox.channel(["nobody"]).emit("NEWS")
    assert post.outbox.transport("nobody") == ""


def test_a_channel_keeps_its_receivers_and_skips_who_went(post: Any) -> None:
    first, second, outside = post.open(), post.open(), post.open()
    channel = post.outbox.channel([first, second, first])
    channel.emit("TOKEN", "a")
    post.close(second)
    channel.emit("TOKEN", "b")
    assert post.got(first) == [["TOKEN", "a"], ["TOKEN", "b"]]
    assert post.got(outside) == []


def test_order_is_kept_across_all_ways_of_sending(post: Any) -> None:
    sid = post.open()
    post.outbox.subscribe(sid, ROOM)
    channel = post.outbox.channel([sid])
    post.outbox.emit(sid, "N", 1)
    channel.emit("N", 2)
    post.outbox.publish(Emission("/llm", "N", (3,), (ROOM,)))
    post.outbox.emit(sid, "N", 4)
    assert [args for _, args in post.got(sid)] == [1, 2, 3, 4]


def test_what_is_offered_is_drawn_in_its_place(post: Any) -> None:
    sid = post.open()
    post.outbox.emit(sid, "N", 1)
    post.outbox.offer(sid, lambda: [("N", 2), ("N", 3)])
    post.outbox.emit(sid, "N", 4)
    assert [args for _, args in post.got(sid)] == [1, 2, 3, 4]
    post.outbox.offer("nobody", lambda: [("N", 5)])


def test_what_is_offered_to_a_client_that_is_behind_is_drawn_when_it_comes(post: Any) -> None:
    sid = post.open(transport="polling")
    text = ["a"]
    post.away(sid)
    post.outbox.emit(sid, "N", 1)
    post.outbox.offer(sid, lambda: [("TEXT", "".join(text))])
    post.outbox.emit(sid, "N", 2)
    text.append("b")
    post.back(sid)
    assert post.got(sid) == [["N", 1], ["TEXT", "ab"], ["N", 2]]


def outcome(d: Deferred[Any]) -> list[Any]:
    found: list[Any] = []
    d.addBoth(found.append)
    return found


def test_a_call_fires_with_the_acks_arguments(post: Any) -> None:
    sid = post.open()
    answer = outcome(post.outbox.call(sid, "QUESTION", ["?"], 5))
    assert answer == []
    post.acknowledge(sid, "yes")
    assert answer == [["yes"]]


def test_a_call_fails_when_the_socket_goes(post: Any) -> None:
    sid = post.open()
    answer = outcome(post.outbox.call(sid, "QUESTION", [], 5))
    post.close(sid)
    assert answer[0].check(PeerGone)
    assert outcome(post.outbox.call("nobody", "QUESTION", [], 5))[0].check(PeerGone)


def test_a_call_fails_when_its_time_is_over(post: Any) -> None:
    sid = post.open()
    answer = outcome(post.outbox.call(sid, "QUESTION", [], 5))
    post.clock.advance(4.9)
    assert answer == []
    post.clock.advance(0.2)
    assert answer[0].check(TimedOut)
