"""What the hub was in the middle of when it died is stored at its next start, as what there is of it (5.3, A35)."""

from __future__ import annotations

from typing import ClassVar

from attrs import define, evolve
from twisted.logger import Logger

from newage.domain.model import Message
from newage.errors import NewAgeError
from newage.services.history.log import HistoryService
from newage.services.streams.open_outputs import GROWS, OpenOutputs


@define(eq=False)
class Recovery:
    _log: ClassVar[Logger] = Logger()

    _history: HistoryService
    _open: OpenOutputs

    async def recover(self) -> None:
        """Once, before anybody is here."""
        for found in await self._open.cut_off():
            try:
                await self._keep(found)
            except NewAgeError as error:
                self._log.warn(
                    "what there was of an answer of {who} is lost: {why}", who=found.identity, why=str(error)
                )
            await self._open.forget(found)

    async def _keep(self, found: Message) -> None:
        """What was stored meanwhile, and perhaps changed by hand, stays so, unless this goes on with it."""
        stored = (await self._history.said(found.room_id, [found.message_id])).get(found.message_id)
        if stored is None:
            if found.request_type != GROWS:
                await self._history.add(found)
        elif found.request_type == GROWS:
            noted = stored.text.endswith(found.text) and stored.reasoning.endswith(found.reasoning)
            if not noted:  # else it was stored, and only that could not be written down
                text, thoughts = stored.text + found.text, stored.reasoning + found.reasoning
                await self._history.replace(
                    evolve(stored, text=text, data=text, reasoning=thoughts, partial=True), stored
                )
        elif found.text.startswith(stored.text) and (found.text, found.reasoning) != (stored.text, stored.reasoning):
            text, thoughts = found.text, found.reasoning
            changed = evolve(stored, text=text, data=text, reasoning=thoughts, failed=True, partial=True)
            await self._history.replace(changed, stored)
