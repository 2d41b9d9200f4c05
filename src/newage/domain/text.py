"""UTF-16 repair: JavaScript peers cut text between the halves of a surrogate pair (contract C10)."""

from __future__ import annotations

REPLACEMENT = "\ufffd"


def is_high(char: str) -> bool:
    return "\ud800" <= char <= "\udbff"


def well_formed(text: str) -> str:
    """The text with split pairs joined and orphan halves replaced by U+FFFD; unchanged text costs one encode."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def utf16_length(text: str) -> int:
    """How long JavaScript finds it: the UTF-16 units of well-formed text."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


class Joiner:
    """Joins the chunks of one output: ``feed`` returns what is whole so far, a trailing high surrogate waits.

    While nothing is ``held``, text in ASCII is whole as it is.
    """

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = ""

    def feed(self, chunk: str) -> str:
        """The text that may be shown now: no lone surrogate in it."""
        if self.held:
            chunk, self.held = self.held + chunk, ""
        if chunk.isascii():  # the usual token; also the empty one
            return chunk
        if is_high(chunk[-1]):
            chunk, self.held = chunk[:-1], chunk[-1]
        return well_formed(chunk)

    def flush(self) -> str:
        """What is left at the end of the output: U+FFFD for an orphan, else nothing."""
        held, self.held = self.held, ""
        return REPLACEMENT if held else ""
