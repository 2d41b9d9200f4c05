"""Watching a connection: what is shown, that nothing else changes, and that it can be taken away again."""

from __future__ import annotations

from typing import Any

from gateway_doubles import FakePollingSink, FakeSink, Site
from newage.gateway.engineio.tracing import SHOWN, Tracer, shown
from newage.protocol.engine_packet import SharedPacket


def echo(site: Site) -> None:
    site.namespace().on("echo", lambda socket, args, wants_ack: args)


def test_both_directions_are_shown_and_pass(site: Site) -> None:
    echo(site)
    connection, sink = site.joined()
    lines: list[str] = []
    Tracer().start(connection, lines.append)
    assert sink.receiver is not None
    sink.receiver.text_received(b'420["echo","hi"]')
    assert sink.take() == [b'430["hi"]']
    assert lines == ['<- 420["echo","hi"]', '-> 430["hi"]']


def test_binary_and_shared_packets(site: Site) -> None:
    echo(site)
    connection, sink = site.joined()
    lines: list[str] = []
    Tracer().start(connection, lines.append)
    assert sink.receiver is not None
    sink.receiver.text_received(b'451-1["echo",{"_placeholder":true,"num":0}]')
    sink.receiver.binary_received(b"\x00\x01")
    connection.send_shared(SharedPacket(b'42["news"]'))
    assert sink.take() == [b'461-1[{"_placeholder":true,"num":0}]', b"B:\x00\x01", b'42["news"]']
    assert lines[1:2] == ["<- binary, 2 bytes"]
    assert lines[3:] == ["-> binary, 2 bytes", '-> 42["news"]']


def test_after_the_last_has_stopped_everything_is_as_before(site: Site) -> None:
    connection, sink = site.open()
    tracer = Tracer()
    first: list[str] = []
    second: list[str] = []
    stops = [tracer.start(connection, first.append), tracer.start(connection, second.append)]
    connection.send_text(b"4a")
    stops[0]()
    stops[0]()
    connection.send_text(b"4b")
    assert connection.sink is not sink
    stops[1]()
    connection.send_text(b"4c")
    assert (first, second) == (["-> 4a"], ["-> 4a", "-> 4b"])
    assert sink.take() == [b"4a", b"4b", b"4c"]
    assert connection.sink is sink
    assert sink.receiver is connection


def test_the_end_of_the_transport_reaches_the_connection(site: Site) -> None:
    connection, sink = site.open()
    lines: list[str] = []
    stop = Tracer().start(connection, lines.append)
    assert sink.receiver is not None
    sink.receiver.sink_closed(sink, "transport close")
    assert connection.closed
    assert lines == ["closed: transport close"]
    stop()
    assert site.engines.get(connection.sid) is None


def test_closing_from_our_side(site: Site) -> None:
    connection, sink = site.open()
    tracer = Tracer()
    stop = tracer.start(connection, lambda line: None)
    connection.abort("slow consumer")
    assert sink.ended == ("abort", "slow consumer")
    bound = sink.receiver
    stop()
    assert sink.receiver is bound, "a dead connection was bound again"
    other, _ = site.open()
    tracer.start(other, lambda line: None)


def test_another_transport_than_its_own_stays_another(site: Site) -> None:
    connection, sink = site.open()
    Tracer().start(connection, lambda line: None)
    assert sink.receiver is not None
    sink.receiver.sink_closed(FakeSink(), "transport close")
    assert not connection.closed


def test_of_polling_only_what_comes_in_is_shown_and_an_upgrade_ends_it(site: Site) -> None:
    echo(site)
    polling = FakePollingSink()
    connection, _ = site.open(polling)
    lines: list[str] = []
    tracer = Tracer()
    stop = tracer.start(connection, lines.append)
    assert connection.sink is polling
    assert polling.receiver is not None
    polling.receiver.text_received(b"40")
    assert lines == ["<- 40"]
    websocket = FakeSink()
    connection.start_probe(websocket)
    assert websocket.receiver is not None
    websocket.receiver.text_received(b"2probe")
    websocket.receiver.text_received(b"5")
    assert connection.sink is websocket
    stop()
    assert websocket.receiver is connection
    websocket.receiver.text_received(b'420["echo"]')
    assert lines == ["<- 40"]
    tracer.start(connection, lines.append)
    websocket.receiver.text_received(b'421["echo"]')
    assert lines == ["<- 40", '<- 421["echo"]', "-> 431[]"]


def test_a_watcher_that_breaks_harms_nobody(site: Site, failures: list[Any]) -> None:
    connection, sink = site.open()

    def broken(line: str) -> None:
        raise RuntimeError("the terminal is gone")

    lines: list[str] = []
    tracer = Tracer()
    stop = tracer.start(connection, broken)
    tracer.start(connection, lines.append)
    connection.send_text(b"4a")
    connection.send_text(b"4b")
    assert failures == [RuntimeError]
    failures.clear()
    assert lines == ["-> 4a", "-> 4b"]
    assert sink.take() == [b"4a", b"4b"]
    stop()


def test_the_only_watcher_that_breaks_is_the_last(site: Site, failures: list[Any]) -> None:
    connection, sink = site.open()

    def broken(line: str) -> None:
        raise RuntimeError("the terminal is gone")

    Tracer().start(connection, broken)
    connection.send_text(b"4a")
    assert connection.sink is sink
    failures.clear()


def test_packets_are_printed_on_one_line_and_shortened() -> None:
    assert shown(b'42["a\nb\x1b[2J"]') == '42["a\\x0ab\\x1b[2J"]'
    assert shown(b"\xff") == "\\xff"
    assert shown("né".encode()) == "né"
    assert shown(b"x" * (SHOWN + 5)) == "x" * SHOWN + " …5 bytes more"
