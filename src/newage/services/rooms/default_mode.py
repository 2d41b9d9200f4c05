"""The request mode of new rooms (contract 3.5, 5.4); it outlives a restart."""

from __future__ import annotations

from newage.domain.model import RequestMode
from newage.ports import IStateStore


class DefaultMode:
    """In memory and in the store. :param mode: of a fresh home."""

    def __init__(self, store: IStateStore, mode: RequestMode) -> None:
        self._store = store
        self._mode = mode

    @property
    def mode(self) -> RequestMode:
        return self._mode

    async def load(self) -> None:
        """Take over what was set before the last stop."""
        stored = (await self._store.load_state()).default_mode
        if stored is not None:
            self._mode = stored

    async def change(self, mode: RequestMode) -> None:
        """In force when it is stored; rooms that are there keep theirs."""
        await self._store.save_default_mode(mode)
        self._mode = mode
