"""``GET /v1/models`` and ``/v1/models/{model}``."""

from __future__ import annotations

from attrs import define

from newage.dialect import openai
from newage.services.api.models import Models
from newage.services.world import World
from newage.web.json_api import Exchange
from newage.web.v1.door import Door
from newage.web.v1.refusals import model_not_found


@define(eq=False)
class ModelPaths:
    _door: Door
    _models: Models
    _world: World

    async def all(self, exchange: Exchange) -> None:
        async with self._door.inside(exchange) as caller:
            names = await self._models.offered(caller)
        exchange.answer(200, openai.models(names, self._now()))

    async def one(self, exchange: Exchange) -> None:
        name = exchange.values["model"]
        async with self._door.inside(exchange) as caller:
            with model_not_found():
                await self._models.meant(caller, name)
        exchange.answer(200, openai.model(name, self._now()))

    def _now(self) -> int:
        return int(self._world.wall())
