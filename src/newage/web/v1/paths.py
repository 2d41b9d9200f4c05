"""The table of ``/v1``."""

from __future__ import annotations

from attrs import frozen

from newage.web.gate import Gate
from newage.web.json_api import JsonApi, Route
from newage.web.v1.models import ModelPaths

UNKNOWN = "There is nothing at this path. /v1 has chat/completions, completions and models."


@frozen
class V1:
    """Makes what answers below ``/v1``."""

    models: ModelPaths

    def __call__(self, gate: Gate) -> JsonApi:
        return JsonApi(
            gate,
            (
                Route("GET", "/v1/models", self.models.all),
                Route("GET", "/v1/models/{model...}", self.models.one),
            ),
            UNKNOWN,
        )
