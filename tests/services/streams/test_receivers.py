"""Which socket gets an output in which form, beyond what ``test_downstream`` shows: outputs that are cut or go on."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from zope.interface.verify import verifyObject

from hubkit import Kit
from newage.domain.shown import ShownOutput
from newage.services.streams.form import Form
from newage.services.streams.kept_outputs import KeptOutputs
from newage.services.streams.library_reader import ILibraryReaders
from newage.services.streams.limits import DownstreamSettings
from newage.services.streams.output_text import IOutputReader, OutputText, TextKind
from newage.services.streams.receivers import HeldChunks, Means, Receivers
from newage.settings import Live

ABOUT = ShownOutput(stream_id="s1", output_id="o1", request_id="r1", room="web1", client_id="X", identity="X")


def shown(kit: Kit, output: OutputText) -> OutputText:
    show(kit, output)
    return output


def show(kit: Kit, output: OutputText, before: Form | None = None) -> Form:
    return kit.downstream.show(output, evolve(ABOUT, room_id=kit.room_id("web1")), before)


def read(kit: Kit, sid: str, stream: int = 0) -> None:
    kit.downstream.read(sid, kit.outbox.got(sid, "$stream")[stream].args[1]["$stream"])


def written(kit: Kit, sid: str) -> list[Any]:
    return [sent.args[1] for sent in kit.outbox.got(sid, "$stream-write")]


def test_they_are_what_an_output_and_its_streams_need(kit: Kit) -> None:
    form = Form(OutputText(), ABOUT)
    settings = Live(DownstreamSettings())
    means = Means(kit.world, kit.outbox, settings, KeptOutputs(kit.world, settings), "epoch")
    receivers = Receivers(form, means, lambda done: None)
    assert verifyObject(IOutputReader, receivers)
    assert verifyObject(ILibraryReaders, receivers)
    assert verifyObject(IOutputReader, HeldChunks(form))


def test_a_late_reader_of_what_is_over_gets_nothing_of_what_went_on(kit: Kit) -> None:
    """A ``$stream`` can end once only: what goes on is another one, with the whole text."""
    slow, probed = kit.connect("web1", stream_mode="ss"), kit.connect("web1")
    output = OutputText()
    first = show(kit, output)
    output.push("one")
    output.end()
    output.go_on()
    show(kit, output, first)
    output.push(" two")
    kit.clock.advance(0.4)
    read(kit, slow)
    assert written(kit, slow) == [b"one"]
    assert [body["data"] for body in kit.outbox.bodies(probed, "SERVER_STREAM_DATA")] == ["one", " two"]
    assert [body["data"] for body in kit.outbox.bodies(probed, "SERVER_STREAM_END")] == ["one"]
    read(kit, slow, 1)
    assert written(kit, slow) == [b"one", b"one two"]
    assert [sent.args[2].get("reopened") for sent in kit.outbox.got(slow, "$stream")] == [None, True]
    output.end()


def events(kit: Kit, sid: str) -> list[tuple[str, object, str]]:
    """The plain events of a socket: index of a chunk or number of chunks, and text."""
    found = kit.outbox.got(sid, "SERVER_STREAM_DATA", "SERVER_STREAM_END")
    return [(s.event[14:], s.body.get("chunkIndex", s.body.get("chunks")), s.body["data"]) for s in found]


def test_to_plain_listeners_an_output_that_goes_on_is_the_same(kit: Kit) -> None:
    there, polling = (kit.connect("web1", stream_mode="plain", transport=how) for how in ("websocket", "polling"))
    leaving, output = kit.connect("web1", stream_mode="plain"), OutputText()
    first = show(kit, output)
    kit.outbox.away(polling)
    for text in ("one", " two"):
        output.push(text)
    output.end(stored=True)
    kit.outbox.fetch(polling)
    kit.disconnect(leaving)
    output.go_on()
    second = show(kit, output, first)
    output.push(" three")
    later = kit.connect("web1", stream_mode="plain")
    output.push(" four")
    output.end(stored=True)
    output.go_on()
    show(kit, output, second)
    output.end("it broke", stored=True)
    whole = "one two three four"
    assert events(kit, there) == [
        ("DATA", 0, "one"),
        ("DATA", 1, " two"),
        ("END", 2, "one two"),
        ("DATA", 2, " three"),
        ("DATA", 3, " four"),
        *[("END", 4, whole)] * 2,
    ]
    assert events(kit, polling) == [
        ("DATA", 0, "one two"),
        ("END", 1, "one two"),
        ("DATA", 1, " three"),
        ("DATA", 2, " four"),
        *[("END", 3, whole)] * 2,
    ]
    assert events(kit, later) == [("DATA", 2, "one two three"), ("DATA", 3, " four"), *[("END", 4, whole)] * 2]
    flags = [(b.get("reopened"), b["failed"], b.get("partial")) for b in kit.outbox.bodies(there, "SERVER_STREAM_END")]
    assert flags == [(None, False, None), (True, False, None), (True, True, True)]


def test_who_missed_a_stretch_gets_it_in_one_piece(kit: Kit) -> None:
    sid, output = kit.connect("web1", stream_mode="plain"), OutputText()
    forms = [show(kit, output)]
    output.push("one")
    for text in (" two", " three"):
        output.end(stored=True)
        output.go_on()
        forms.append(Form(output, ABOUT, forms[-1]))  # shown to nobody
        output.push(text)
    output.end()
    output.go_on()
    show(kit, output, forms[-1])
    output.push("!")
    output.end()
    assert events(kit, sid)[2:] == [("DATA", 1, " two three"), ("DATA", 2, "!"), ("END", 3, "one two three!")]


def test_who_said_nothing_of_itself_is_gone_on_to_as_well(kit: Kit) -> None:
    sid, output = kit.connect("web1"), OutputText()
    first = show(kit, output)
    output.push("one")
    kit.clock.advance(0.4)
    output.end(stored=True)
    output.go_on()
    show(kit, output, first)
    output.push(" two")
    output.end(stored=True)
    assert events(kit, sid) == [("DATA", 0, "one"), ("END", 1, "one"), ("DATA", 1, " two"), ("END", 2, "one two")]


def test_a_reader_of_the_library_gets_nothing_after_what_became_wrong(kit: Kit) -> None:
    reading, waiting = (kit.connect("web1", stream_mode="ss") for _ in range(2))
    output = shown(kit, OutputText())
    read(kit, reading)
    output.push("one two")
    output.reset(0, TextKind.REASONING)
    output.reset(3)
    read(kit, reading)
    output.push("!")
    output.push("hm", TextKind.REASONING)
    read(kit, waiting)
    output.end()
    assert (written(kit, reading), written(kit, waiting)) == ([b"one two"], [b"one!"])
    assert len(kit.outbox.got(reading, "$stream-end")) == len(kit.outbox.got(waiting, "$stream-end")) == 1


def test_who_is_probed_gets_what_is_left_of_it_in_one_piece(kit: Kit) -> None:
    probed = kit.connect("web1")
    output = shown(kit, OutputText())
    output.reset(0)
    output.push("one")
    output.push("hm", TextKind.REASONING)
    output.push(" two")
    output.reset(4)
    output.push("!")
    kit.clock.advance(0.4)
    assert [(b["chunkIndex"], b["data"]) for b in kit.outbox.bodies(probed, "SERVER_STREAM_DATA")] == [
        (1, "one "),
        (2, "!"),
    ]
    output.end()
