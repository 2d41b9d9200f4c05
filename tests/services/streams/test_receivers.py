"""Which socket gets an output in which form, beyond what ``test_downstream`` shows: outputs that are cut or go on."""

from __future__ import annotations

from typing import Any

from zope.interface.verify import verifyObject

from hubkit import Kit
from newage.domain.shown import ShownOutput
from newage.services.streams.form import Form
from newage.services.streams.library_reader import ILibraryReaders
from newage.services.streams.limits import DownstreamSettings
from newage.services.streams.output_text import IOutputReader, OutputText, TextKind
from newage.services.streams.receivers import HeldChunks, Means, Receivers
from newage.settings import Live

ABOUT = ShownOutput(stream_id="s1", output_id="o1", request_id="r1", room="web1", client_id="X", identity="X")


def shown(kit: Kit, output: OutputText) -> OutputText:
    kit.downstream.show(output, kit.room_id("web1"), ABOUT)
    return output


def read(kit: Kit, sid: str, stream: int = 0) -> None:
    kit.downstream.read(sid, kit.outbox.got(sid, "$stream")[stream].args[1]["$stream"])


def written(kit: Kit, sid: str) -> list[Any]:
    return [sent.args[1] for sent in kit.outbox.got(sid, "$stream-write")]


def test_they_are_what_an_output_and_its_streams_need(kit: Kit) -> None:
    form = Form(OutputText(), ABOUT)
    receivers = Receivers(form, "", Means(kit.world, kit.outbox, Live(DownstreamSettings())), lambda done: None)
    assert verifyObject(IOutputReader, receivers)
    assert verifyObject(ILibraryReaders, receivers)
    assert verifyObject(IOutputReader, HeldChunks(form))


def test_a_late_reader_of_what_is_over_gets_nothing_of_what_went_on(kit: Kit) -> None:
    slow, probed = kit.connect("web1", stream_mode="ss"), kit.connect("web1")
    output = shown(kit, OutputText())
    output.push("one")
    output.end()
    output.go_on()
    shown(kit, output)
    output.push(" two")
    kit.clock.advance(0.4)
    read(kit, slow)
    assert written(kit, slow) == [b"one"]
    assert [body["data"] for body in kit.outbox.bodies(probed, "SERVER_STREAM_DATA")] == ["one", " two"]
    assert [body["data"] for body in kit.outbox.bodies(probed, "SERVER_STREAM_END")] == ["one"]
    read(kit, slow, 1)
    assert written(kit, slow) == [b"one", b" two"]
    output.end()


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
