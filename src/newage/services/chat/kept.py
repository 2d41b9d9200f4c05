"""Characters and pictures that were asked for lately (contract 5.9)."""

from __future__ import annotations

from collections import OrderedDict

from attrs import define, field

from newage.domain.chat import Characters, Picture
from newage.services.chat.limits import ChatSettings
from newage.services.world import World
from newage.settings import Live


@define(eq=False)
class KeptLists:
    """The newest ``kept_lists``, each for ``characters_kept_seconds``."""

    _world: World
    _settings: Live[ChatSettings]
    _lists: OrderedDict[str, tuple[float, Characters]] = field(factory=OrderedDict, init=False)  # extension -> when

    def get(self, extension: str) -> Characters | None:
        since, found = self._lists.get(extension, (0.0, None))
        fresh = self._world.clock.seconds() - since < self._settings.value.characters_kept_seconds
        return found if fresh else None

    def put(self, extension: str, found: Characters) -> None:
        self.forget(extension)
        while len(self._lists) >= self._settings.value.kept_lists:
            self._lists.popitem(last=False)
        self._lists[extension] = self._world.clock.seconds(), found

    def forget(self, extension: str) -> None:
        self._lists.pop(extension, None)


@define(eq=False)
class KeptPictures:
    """By their hash, as many as fit into ``kept_pictures_bytes``; whose picture has which hash is known for
    ``characters_kept_seconds``."""

    _world: World
    _settings: Live[ChatSettings]
    _pictures: OrderedDict[str, Picture] = field(factory=OrderedDict, init=False)
    _hashes: OrderedDict[tuple[str, str], tuple[float, str]] = field(factory=OrderedDict, init=False)
    _bytes: int = field(default=0, init=False)

    def get(self, extension: str, character_id: str) -> Picture | None:
        since, known = self._hashes.get((extension, character_id), (0.0, ""))
        fresh = self._world.clock.seconds() - since < self._settings.value.characters_kept_seconds
        return self._pictures.get(known) if fresh else None

    def put(self, extension: str, character_id: str, found: Picture) -> None:
        settings = self._settings.value
        self._hashes.pop((extension, character_id), None)
        while len(self._hashes) >= settings.kept_lists * settings.max_characters:
            self._hashes.popitem(last=False)
        self._hashes[extension, character_id] = self._world.clock.seconds(), found.hash
        old = self._pictures.pop(found.hash, None)
        self._pictures[found.hash] = found
        self._bytes += len(found.data) - (0 if old is None else len(old.data))
        while self._bytes > settings.kept_pictures_bytes:
            _, gone = self._pictures.popitem(last=False)
            self._bytes -= len(gone.data)

    def forget(self, extension: str) -> None:
        """Whose pictures are whose is asked anew."""
        for key in [key for key in self._hashes if key[0] == extension]:
            del self._hashes[key]
