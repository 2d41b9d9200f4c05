"""One output as it grows, and those who read it (contract 5.6, 5.7).

The text is in one place. Readers are told that it grew, and take from it what they need: at once, at their own pace,
or from a position. Positions are bytes of the UTF-8 here, and UTF-16 units towards clients.
"""

from __future__ import annotations

from enum import Enum, auto

from zope.interface import Interface

from newage.domain.text import utf16_length

# mypy-zope reads interface methods without ``self``.
# ruff: noqa: N805


class TextKind(Enum):
    """An output may have thoughts beside its text (contract A28)."""

    TEXT = auto()
    REASONING = auto()


_TEXT = TextKind.TEXT  # looking a member up takes longer than comparing it


class GrowingText:
    """The text of one kind. Only its ``OutputText`` writes.

    ``buffer`` is all of it as UTF-8, ``chunks`` the number of pieces in which it came; the one that readers are just
    being told of does not count.
    """

    __slots__ = ("_counted", "_units", "buffer", "chunks", "kind")

    def __init__(self, kind: TextKind) -> None:
        self.kind = kind
        self.buffer = bytearray()
        self.chunks = 0
        self._counted = self._units = 0  # bytes whose UTF-16 units are counted, and these

    @property
    def units(self) -> int:
        """Its length in UTF-16 units; counted when somebody asks, and once: most outputs are asked for none."""
        size = len(self.buffer)
        if self._counted < size:
            self._units += utf16_length(self.buffer[self._counted :].decode())
            self._counted = size
        return self._units

    def text(self, start: int = 0, end: int | None = None) -> str:
        """What is between these bytes, which are ends of chunks or were found by ``byte_at``."""
        return self.buffer[start:end].decode()

    def read(self, position: int, limit: int) -> bytes:
        """At most so many bytes from there on, no character cut."""
        buffer = self.buffer
        end = min(position + limit, len(buffer))
        while position < end < len(buffer) and buffer[end] & 0xC0 == 0x80:
            end -= 1
        return bytes(buffer[position:end])

    def byte_at(self, units: int) -> int:
        """The byte before which there are so many UTF-16 units; the middle of a character counts as its start."""
        if self.buffer.isascii():
            return min(units, len(self.buffer))
        whole = self.buffer.decode().encode("utf-16-le")
        return len(whole[: 2 * units].decode("utf-16-le", "ignore").encode())

    def cut(self, units: int) -> str:
        """Only so much of it is left; how many chunks came does not change.

        :return: the first half of the character in whose middle that is; "" mostly.
        """
        end = self.byte_at(units)
        after = self.buffer[end : end + 4]
        del self.buffer[end:]
        self._counted = self._units = 0
        return after.decode().encode("utf-16-le")[:2].decode("utf-16-le", "surrogatepass") if self.units < units else ""


class IOutputReader(Interface):
    """Told synchronously what becomes of an output. Never raises."""

    def grew(part: GrowingText, text: str) -> None:
        """``text`` is the end of ``part`` now, and its chunk number ``part.chunks``, from 0."""

    def was_cut(part: GrowingText) -> None:
        """Its end is void; what was shown of that is wrong."""

    def ended(failure: str | None) -> None:
        """No more comes, and this reader is told nothing more. ``failure``: why the output failed, if it did."""


class OutputText:
    """One output: its text and its reasoning.

    ``rev`` counts how often something of it became void. It may go on after its end: what it was stays, and readers of
    then are not told.
    """

    __slots__ = (
        "_first",
        "_hungry",
        "_others",
        "_readers",
        "cancelled",
        "ended",
        "failure",
        "finish",
        "message_id",
        "overwritten",
        "reasoning",
        "rev",
        "stored",
        "text",
    )

    def __init__(self) -> None:
        self.text = GrowingText(TextKind.TEXT)
        self.reasoning = GrowingText(TextKind.REASONING)
        self.rev = 0
        self.ended = False
        self.failure: str | None = None
        self.cancelled = False  # somebody stopped it
        self.stored = False  # what it was at its end is kept
        self.message_id = ""  # of what is kept
        self.finish = ""  # why it ended, in its extension's word
        self.overwritten = False  # somebody changed or deleted that
        self._readers: tuple[IOutputReader, ...] = ()  # in the order in which they came
        self._feed(())

    def part(self, kind: TextKind) -> GrowingText:
        return self.text if kind is _TEXT else self.reasoning

    def push(self, text: str, kind: TextKind = TextKind.TEXT) -> None:
        """One chunk more, well-formed and not empty: the path of each token."""
        part = self.text if kind is _TEXT else self.reasoning
        part.buffer += text.encode()
        first, others = self._first, self._others
        if first is not None:
            first.grew(part, text)
            for reader in others:  # as they were; who left meanwhile is told nothing more
                if reader in self._hungry:
                    reader.grew(part, text)
        part.chunks += 1

    def reset(self, at: int, kind: TextKind = TextKind.TEXT) -> str | None:
        """What is beyond so many UTF-16 units of it is void.

        :return: None when there is not so much; nothing changes then. Else what ``cut`` returns of it.
        """
        part = self.part(kind)
        if at > part.units:
            return None
        half = part.cut(at)
        self.rev += 1
        for reader in self._readers:
            if reader in self._readers:  # nobody before it has removed it
                reader.was_cut(part)
        return half

    def end(
        self,
        failure: str | None = None,
        *,
        stored: bool = False,
        message_id: str = "",
        cancelled: bool = False,
        finish: str = "",
    ) -> None:
        """No more comes, unless it goes on. Tell the readers, and have none.

        :param failure: why it failed, if it did. :param stored: what there is of it is kept, as the message of that id.
        :param cancelled: somebody stopped it, which is no failure. :param finish: why it ended, as its extension says.
        """
        self.ended, self.failure, self.stored, self.cancelled = True, failure, stored, cancelled
        self.message_id, self.finish = message_id or self.message_id, finish
        self._feed(())
        while self._readers:
            reader, *others = self._readers
            self._readers = tuple(others)
            reader.ended(failure)

    def overwrite(self) -> None:
        """Somebody changed or deleted what is kept of it: nobody gets it from here when it is over."""
        self.overwritten = True

    def go_on(self) -> None:
        """It was over and is not."""
        self.ended, self.failure, self.stored, self.cancelled = False, None, False, False

    def add(self, reader: IOutputReader, *, hungry: bool = True) -> None:
        """Tell it from now on; when the output is over, that is all there is to tell.

        :param hungry: whether it wants to be told of each chunk.
        """
        if self.ended:
            reader.ended(self.failure)
            return
        self._readers += (reader,)
        if hungry:
            self._feed((*self._hungry, reader))

    def remove(self, reader: IOutputReader) -> None:
        """Not being one is fine."""
        self._readers = tuple(each for each in self._readers if each is not reader)
        self._feed(tuple(each for each in self._hungry if each is not reader))

    def _feed(self, hungry: tuple[IOutputReader, ...]) -> None:
        """These are told of each chunk. Mostly it is one: that costs no loop."""
        self._hungry = hungry
        self._first = hungry[0] if hungry else None
        self._others = hungry[1:]
