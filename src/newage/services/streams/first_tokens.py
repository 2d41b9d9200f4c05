"""Looks, every second, for answers whose first token does not come (contract 5.8, A22)."""

from __future__ import annotations

from typing import ClassVar

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall

from newage.services.streams.upstream import UpstreamService
from newage.services.world import World


@define(eq=False)
class FirstTokens:
    """What is late then goes to another extension, where it may."""

    SECONDS: ClassVar[float] = 1.0  # between two looks

    _world: World
    _streams: UpstreamService
    _look: IDelayedCall | None = field(default=None, init=False)

    def start(self) -> None:
        self._look = self._world.clock.callLater(self.SECONDS, self._due)

    def close(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def _due(self) -> None:
        self.start()
        self._streams.look_for_late()
