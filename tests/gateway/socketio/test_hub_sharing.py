"""What goes to the same receivers several times in a turn is queued once in each; nobody may notice."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway_doubles import FakeSink, Site
from newage.domain.delivery import Audience, Emission
from newage.gateway.engineio.tracing import Tracer
from newage.protocol.engine_packet import SharedPacket

ROOMS = [Audience.room(name) for name in ("a", "b")]


class HoldingSink(FakeSink):
    """Queues as a WebSocket does: counts itself in, seals what something else is queued behind, writes in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: list[bytes | SharedPacket] = []
        self.writes = 0

    def _put(self, item: bytes | SharedPacket) -> None:
        if self.queue and isinstance(self.queue[-1], SharedPacket):
            self.queue[-1].held = 0
        self.queue.append(item)

    def send_text(self, packet: bytes) -> None:
        self._put(packet)

    def send_shared(self, packet: SharedPacket) -> None:
        packet.held += 1
        self._put(packet)

    def flush(self) -> None:
        for item in self.queue:
            if isinstance(item, SharedPacket):
                item.held = 0
                for packet in [item.packet, *(item.more or ())]:
                    super().send_text(packet)
            else:
                super().send_text(item)
        self.queue.clear()


def make(count: int, kinds: list[bool] | None = None) -> tuple[Site, list[Any]]:
    """A site with so many sockets, and their sinks; a False among ``kinds`` is a transport that does not count."""
    site = Site()
    site.namespace()
    sinks: list[Any] = []
    for holding in kinds or [True] * count:
        sink = HoldingSink() if holding else FakeSink()
        connection, _ = site.open(sink)
        connection.text_received(b"40")
        if isinstance(sink, HoldingSink):
            sink.flush()
        sink.take()
        sinks.append(sink)
    return site, sinks


def say(site: Site, number: int, *to: Audience) -> None:
    site.hub.publish(Emission("/", "e", (number,), to))


def text(number: int) -> bytes:
    return b'42["e",%d]' % number


def queued(sink: Any) -> int:
    return len(sink.queue)


def taken(sinks: list[Any]) -> list[list[bytes]]:
    for sink in sinks:
        if isinstance(sink, HoldingSink):
            sink.flush()
    return [sink.take() for sink in sinks]


def test_the_events_of_a_turn_are_queued_once() -> None:
    site, sinks = make(3)
    channel = site.hub.channel([socket.sid for socket in site.sockets])
    for number in range(5):
        channel.emit("e", number)
    assert [queued(sink) for sink in sinks] == [1, 1, 1]
    assert taken(sinks) == [[text(number) for number in range(5)]] * 3
    channel.emit("e", 5)
    assert taken(sinks) == [[text(5)]] * 3


def test_what_else_a_receiver_gets_keeps_its_place() -> None:
    site, sinks = make(2)
    channel = site.hub.channel([socket.sid for socket in site.sockets])
    channel.emit("e", 0)
    site.hub.emit(site.sockets[0].sid, "own", 1)
    channel.emit("e", 2)
    channel.emit("e", 3)
    assert taken(sinks) == [[text(0), b'42["own",1]', text(2), text(3)], [text(0), text(2), text(3)]]


def test_a_receiver_that_wrote_gets_the_next_one_anew() -> None:
    site, sinks = make(2)
    channel = site.hub.channel([socket.sid for socket in site.sockets])
    channel.emit("e", 0)
    sinks[0].flush()
    channel.emit("e", 1)
    assert taken(sinks) == [[text(0), text(1)]] * 2


def test_who_leaves_gets_no_more_and_who_joins_gets_no_less() -> None:
    site, sinks = make(3)
    for socket in site.sockets[:2]:
        site.hub.subscribe(socket.sid, ROOMS[0])
    say(site, 0, ROOMS[0])
    site.hub.unsubscribe(site.sockets[0].sid, ROOMS[0])
    say(site, 1, ROOMS[0])
    site.hub.subscribe(site.sockets[2].sid, ROOMS[0])
    say(site, 2, ROOMS[0])
    assert taken(sinks) == [[text(0)], [text(0), text(1), text(2)], [text(2)]]


def test_a_socket_that_ended_gets_no_more() -> None:
    site, sinks = make(2)
    channel = site.hub.channel([socket.sid for socket in site.sockets])
    channel.emit("e", 0)
    site.sockets[0].connection.text_received(b"41")  # the client leaves: nothing is sent to it in answer
    channel.emit("e", 1)
    assert taken(sinks) == [[text(0)], [text(0), text(1)]]


def test_a_socket_that_is_joining_gets_all_of_it_after_its_answer() -> None:
    site = Site()

    def connect(socket: Any, auth: Any) -> None:
        channel = site.hub.channel([socket.sid])
        channel.emit("e", 0)
        channel.emit("e", 1)
        site.admit(socket, auth)

    site.namespace(connect=connect)
    sink = HoldingSink()
    connection, _ = site.open(sink)
    sink.flush()
    sink.take()
    connection.text_received(b"40")
    assert taken([sink]) == [[b'40{"sid":"s2"}', text(0), text(1)]]


def test_a_transport_that_does_not_count_gets_each_at_once() -> None:
    site, sinks = make(2, [True, False])
    channel = site.hub.channel([socket.sid for socket in site.sockets])
    for number in range(3):
        channel.emit("e", number)
        assert sinks[1].take() == [text(number)]
    assert taken(sinks)[0] == [text(0), text(1), text(2)]


def test_a_watched_connection_shows_each_of_them() -> None:
    site, sinks = make(2)
    shown: list[str] = []
    Tracer().start(site.sockets[1].connection, shown.append)
    channel = site.hub.channel([socket.sid for socket in site.sockets])
    for number in range(3):
        channel.emit("e", number)
    assert shown == [f"-> {text(number).decode()}" for number in range(3)]
    assert taken(sinks) == [[text(0), text(1), text(2)]] * 2


def test_attachments_keep_their_place() -> None:
    site, sinks = make(1)
    channel = site.hub.channel([site.sockets[0].sid])
    channel.emit("e", 0)
    channel.emit("e", b"\x00")
    channel.emit("e", 1)
    assert taken(sinks) == [[text(0), b'451-["e",{"_placeholder":true,"num":0}]', b"B:\x00", text(1)]]


def test_what_is_added_is_bounded_and_charged() -> None:
    site, sinks = make(2)
    channel = site.hub.channel([socket.sid for socket in site.sockets])
    before = [socket.connection.credit for socket in site.sockets]
    for _ in range(20):
        channel.emit("e", "x" * 1_000)
    size = len(b'42["e",""]') + 1_000
    assert [len(item) for item in sinks[0].queue] == [9 * size, 9 * size, 2 * size]
    spent = [credit - socket.connection.credit for credit, socket in zip(before, site.sockets, strict=True)]
    assert spent == [18 * size] * 2
    assert [len(packets) for packets in taken(sinks)] == [20, 20]


def test_several_audiences_at_once_are_charged_at_once() -> None:
    site, sinks = make(2)
    for socket, room in zip(site.sockets, ROOMS, strict=True):
        site.hub.subscribe(socket.sid, room)
    before = [socket.connection.credit for socket in site.sockets]
    say(site, 1, *ROOMS)
    spent = [credit - socket.connection.credit for credit, socket in zip(before, site.sockets, strict=True)]
    assert spent == [len(text(1))] * 2
    assert taken(sinks) == [[text(1)]] * 2


Step = tuple[Any, ...]


def steps(sockets: int) -> st.SearchStrategy[list[Step]]:
    number = st.integers(0, sockets - 1)
    return st.lists(
        st.one_of(
            st.tuples(st.just("room"), st.integers(0, 1)),
            st.tuples(st.just("room"), st.integers(0, 1)),
            st.tuples(st.just("channel"), st.integers(0, 1)),
            st.tuples(st.just("channel"), st.integers(0, 1)),
            st.tuples(st.just("both")),
            st.tuples(st.just("one"), number),
            st.tuples(st.just("flush"), number),
            st.tuples(st.just("join"), number, st.integers(0, 1)),
            st.tuples(st.just("leave"), number, st.integers(0, 1)),
            st.tuples(st.just("end"), number),
        ),
        max_size=40,
    )


@given(st.lists(st.booleans(), min_size=4, max_size=4), steps(4))
def test_everybody_gets_what_is_theirs_in_order(kinds: list[bool], program: list[Step]) -> None:
    site, sinks = make(4, kinds)
    sids = [socket.sid for socket in site.sockets]
    fixed = [{0, 1, 2}, {1, 3}]
    channels = [site.hub.channel([sids[member] for member in sorted(members)]) for members in fixed]
    rooms: list[set[int]] = [set(), set()]
    alive = {0, 1, 2, 3}
    expected: list[list[bytes]] = [[], [], [], []]
    for number, (what, *where) in enumerate(program):
        receivers: set[int] = set()
        if what == "room":
            receivers = rooms[where[0]]
            say(site, number, ROOMS[where[0]])
        elif what == "both":
            receivers = rooms[0] | rooms[1]
            say(site, number, *ROOMS)
        elif what == "channel":
            receivers = fixed[where[0]]
            channels[where[0]].emit("e", number)
        elif what == "one":
            receivers = {where[0]}
            site.hub.emit(sids[where[0]], "e", number)
        elif what == "flush" and isinstance(sinks[where[0]], HoldingSink):
            sinks[where[0]].flush()
        elif what == "join" and where[0] in alive:
            rooms[where[1]].add(where[0])
            site.hub.subscribe(sids[where[0]], ROOMS[where[1]])
        elif what == "leave":
            rooms[where[1]].discard(where[0])
            site.hub.unsubscribe(sids[where[0]], ROOMS[where[1]])
        elif what == "end" and where[0] in alive:
            alive.discard(where[0])
            for members in rooms:
                members.discard(where[0])
            site.sockets[where[0]].connection.text_received(b"41")
        for receiver in receivers & alive:
            expected[receiver].append(text(number))
    assert taken(sinks) == expected
