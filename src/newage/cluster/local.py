"""The cluster of one process: an emission is delivered here, at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from zope.interface import implementer

from newage.ports import IClusterAdapter

if TYPE_CHECKING:
    from newage.domain.delivery import Emission


@implementer(IClusterAdapter)
class LocalAdapter:
    """:param deliver: the hub's way to its own sockets."""

    def __init__(self, deliver: Callable[[Emission], None]) -> None:
        self._deliver = deliver

    def broadcast(self, emission: Emission) -> None:
        self._deliver(emission)
