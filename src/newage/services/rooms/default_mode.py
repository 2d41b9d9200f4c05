"""The request mode of new rooms (contract 3.5, 5.4); it outlives a restart."""

from __future__ import annotations

from twisted.logger import Logger

from newage.domain.model import RequestMode
from newage.domain.state import DEFAULT_MODE
from newage.ports import IStateStore


class DefaultMode:
    """
    :param mode: of a fresh home.
    """

    _log = Logger()

    def __init__(self, store: IStateStore, mode: RequestMode) -> None:
        self._store = store
        self._mode = mode

    @property
    def mode(self) -> RequestMode:
        return self._mode

    async def load(self) -> None:
        """Take over what was set before the last stop."""
        stored = (await self._store.load_state()).get(DEFAULT_MODE)
        if stored in {known.value for known in RequestMode}:
            self._mode = RequestMode(stored)
        elif stored is not None:
            self._log.warn("the stored request mode is none: {mode}", mode=stored)

    async def change(self, mode: RequestMode) -> None:
        """In force when it is stored; rooms that are there keep theirs."""
        await self._store.save_state(DEFAULT_MODE, mode.value)
        self._mode = mode
