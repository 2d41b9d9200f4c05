"""One text from pieces that say where they begin. The hub counts in UTF-16 units, as JavaScript does."""

from __future__ import annotations

WAITING_MOST = 1_048_576  # UTF-16 units that wait for what lies before them


def units(text: str) -> int:
    """How long JavaScript finds it."""
    return len(text) if text.isascii() else len(_wide(text)) // 2


def _wide(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def head(text: str, at: int) -> str:
    """What lies before ``at`` units."""
    return text[:at] if text.isascii() else _wide(text)[: 2 * at].decode("utf-16-le", "surrogatepass")


def tail(text: str, at: int) -> str:
    """What lies behind ``at`` units."""
    return text[at:] if text.isascii() else _wide(text)[2 * at :].decode("utf-16-le", "surrogatepass")


def same(ours: str, theirs: str) -> int:
    """In units: the beginning that two texts share."""
    if theirs.startswith(ours):
        return units(ours)
    pairs = enumerate(zip(ours, theirs, strict=False))
    return units(ours[: next((at for at, (one, other) in pairs if one != other), len(theirs))])


def _ends_in_half(text: str) -> bool:
    return "\ud800" <= text[-1:] <= "\udbff"


class Pieces:
    """A piece that came twice is taken once. Half a character at the end waits for its other half.

    :ivar units: how much there is, that half included.
    """

    def __init__(self) -> None:
        self._text = ""
        self.units = 0
        self._waiting: dict[int, str] = {}
        self._waiting_units = 0

    @property
    def text(self) -> str:
        return self._text[:-1] if _ends_in_half(self._text) else self._text

    @property
    def gap(self) -> bool:
        """Whether something lies ahead whose beginning is missing."""
        return bool(self._waiting)

    def add(self, at: int, data: str) -> str:
        """:return: what is new at the end of the text now."""
        before = len(self.text)
        if not self._append(at, data):
            size, had = units(data), units(self._waiting.get(at, ""))
            if had < size and self._waiting_units + size - had <= WAITING_MOST:
                self._waiting_units += size - had
                self._waiting[at] = data
            return ""
        for begin in sorted(self._waiting):
            if not self._append(begin, self._waiting[begin]):
                break
            self._waiting_units -= units(self._waiting.pop(begin))
        return self.text[before:]

    def cut(self, at: int) -> bool:
        """Everything from there on is no longer true.

        :return: whether the text became shorter.
        """
        for begin, piece in list(self._waiting.items()):
            if begin + units(piece) <= at:
                continue
            self._waiting_units -= units(self._waiting.pop(begin))
            if begin < at:
                self.add(begin, head(piece, at - begin))
        if at >= self.units:
            return False
        self._text = head(self._text, at)
        self.units = at
        return True

    def become(self, whole: str) -> int:
        """The whole text is known.

        :return: where it differs from what was there: the length of that if it only grew.
        """
        self.forget()
        return same(self._text, whole)

    def forget(self) -> None:
        """What waits will not be joined."""
        self._waiting.clear()
        self._waiting_units = 0

    def _append(self, at: int, data: str) -> bool:
        if at > self.units:
            return False
        size = units(data)
        if at + size > self.units:
            fresh = data if at == self.units else tail(data, self.units - at)
            if _ends_in_half(self._text):
                fresh = (_wide(self._text[-1]) + _wide(fresh)).decode("utf-16-le", "surrogatepass")
                self._text = self._text[:-1]
            self._text += fresh
            self.units = at + size
        return True
