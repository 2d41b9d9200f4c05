"""A reader that comes back to an output (contract 5.7.7)."""

from __future__ import annotations

from zope.interface import implementer
from zope.interface.verify import verifyObject

from newage.services.streams.cursor import Piece, Position
from newage.services.streams.output_text import IOutputReader, OutputText, TextKind
from newage.services.streams.resuming_reader import IPieces, Missed, ResumingReader

TEXT, REASONING = TextKind.TEXT, TextKind.REASONING


@implementer(IPieces)
class Socket:
    def __init__(self) -> None:
        self.got: list[object] = []

    def piece(self, piece: Piece) -> None:
        self.got.append(piece)

    def cut(self, kind: TextKind, at: int, rev: int) -> None:
        self.got.append(("cut", kind, at, rev))

    def over(self, failure: str | None) -> None:
        self.got.append(("over", failure))


def begun(text: str = "one \U0001f600") -> tuple[OutputText, Socket]:
    output = OutputText()
    output.push(text)
    return output, Socket()


def test_what_was_missed_comes_first_and_then_what_comes() -> None:
    output, socket = begun()
    reader = ResumingReader(output, Position(0, 4), socket)
    assert verifyObject(IOutputReader, reader)
    assert verifyObject(IPieces, socket)
    assert reader.resume(100) == Missed(0, (Piece(TEXT, 4, "\U0001f600"),), more=False)
    output.push("two")
    output.push("hm", REASONING)
    output.end("no")
    assert socket.got == [Piece(TEXT, 6, "two"), Piece(REASONING, 0, "hm"), ("over", "no")]


def test_more_than_fits_is_asked_for_again_before_anything_comes() -> None:
    output, socket = begun("x" * 10)
    reader = ResumingReader(output, Position(), socket)
    assert reader.resume(6) == Missed(0, (Piece(TEXT, 0, "x" * 6),), more=True)
    output.push("y")
    assert reader.resume(3) == Missed(0, (), more=True)
    assert socket.got == []
    assert reader.resume(6) == Missed(0, (Piece(TEXT, 6, "xxxxy"),), more=False)
    output.push("z")
    assert socket.got == [Piece(TEXT, 11, "z")]


def test_what_became_void_is_said_with_the_new_rev() -> None:
    output, socket = begun("one two")
    ResumingReader(output, Position(), socket).resume(100)
    output.reset(3)
    output.push("!")
    assert socket.got == [("cut", TEXT, 3, 1), Piece(TEXT, 3, "!")]
    output.reset(4)
    assert len(socket.got) == 2, "it had nothing of what was cut"


def test_who_comes_back_after_the_end_gets_the_rest_and_the_end() -> None:
    output, socket = begun()
    output.end()
    assert not ResumingReader(output, Position(), socket).resume(100).more
    assert socket.got == [("over", None)]


def test_who_leaves_gets_nothing_more() -> None:
    output, socket = begun()
    reader = ResumingReader(output, Position(), socket)
    reader.resume(100)
    reader.leave()
    output.push("more")
    output.end()
    assert socket.got == []
