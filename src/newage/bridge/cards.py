"""Character cards of the home, ``characters/``: each is called by its file's name without the ending."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Final

from attrs import define, field
from twisted.logger import Logger

from newage.domain.card import MAX_PNG_BYTES, Card, read_card
from newage.domain.chat import Offered
from newage.errors import ConfigError, InvalidRequest

FOLDER: Final = "characters"
MAX_CARDS: Final = 64  # that a hub reads; the rest is left, in the order of their names
ENDINGS: Final = (".png", ".json")
_NOT_PLAIN: Final = re.compile(r"[^\w-]+")


@define(eq=False)
class Cards:
    """What a folder holds. It is read once, when the hub starts."""

    _log: ClassVar[Logger] = Logger()

    _folder: Path
    _cards: dict[str, Card] = field(factory=dict, init=False)

    def load(self, needed: tuple[str, ...]) -> None:
        """Read them; what is no card is told to the operator and left out.

        :param needed: these have to be there.
        :raises ConfigError: one of them is not.
        """
        wanted = [self._folder / f"{name}{ending}" for name in needed for ending in ENDINGS]
        there = sorted(path for path in self._folder.glob("*") if path.suffix.lower() in ENDINGS)
        files = dict.fromkeys([*(path for path in wanted if path in there), *there])
        for path in list(files)[:MAX_CARDS]:
            try:
                self._cards.setdefault(path.stem, _read(path))
            except InvalidRequest as error:
                self._log.warn("{path} is left out: {why}", path=str(path), why=str(error))
        if len(files) > MAX_CARDS:
            self._log.warn("{folder}: only {most} cards were read", folder=str(self._folder), most=MAX_CARDS)
        for name in needed:
            if name not in self._cards:
                raise ConfigError(f"there is no character {name!r} in {self._folder}; see newage character add")

    def offered(self) -> tuple[Offered, ...]:
        """All of them, for people."""
        return tuple(Offered(name, card.name) for name, card in self._cards.items())

    def get(self, character: str) -> Card | None:
        return self._cards.get(character)


def add_card(folder: Path, file: Path) -> tuple[str, Card]:
    """Put a card into the folder; one of the same name gives way.

    :return: how it is called from now on.
    :raises InvalidRequest: it is no card. :raises OSError: it cannot be read, or written.
    """
    data = _content(file)
    card = read_card(data)
    name = _NOT_PLAIN.sub("-", card.name).strip("-").lower() or "character"
    folder.mkdir(exist_ok=True)
    ending = ".png" if data.startswith(b"\x89PNG") else ".json"
    arriving = folder / f".{name}.new"
    arriving.write_bytes(data)
    arriving.replace(folder / f"{name}{ending}")
    for other in ENDINGS:
        if other != ending:
            (folder / f"{name}{other}").unlink(missing_ok=True)
    return name, card


def _read(path: Path) -> Card:
    try:
        return read_card(_content(path))
    except OSError as error:
        raise InvalidRequest(f"it cannot be read: {error.strerror}") from None


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_PNG_BYTES + 1)
