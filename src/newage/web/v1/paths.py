"""The table of ``/v1``."""

from __future__ import annotations

from attrs import frozen

from newage.web.gate import Gate
from newage.web.json_api import JsonApi, Route
from newage.web.v1.completions import CompletionPaths
from newage.web.v1.models import ModelPaths

UNKNOWN = "There is nothing at this path. /v1 has chat/completions, completions and models."


@frozen
class V1:
    """Makes what answers below ``/v1``."""

    models: ModelPaths
    completions: CompletionPaths

    def __call__(self, gate: Gate) -> JsonApi:
        return JsonApi(
            gate,
            (
                Route("POST", "/v1/chat/completions", self.completions.chat),
                Route("POST", "/v1/chat/completions/{id}/cancel", self.completions.cancel),
                Route("POST", "/v1/completions", self.completions.legacy),
                Route("GET", "/v1/models", self.models.all),
                Route("GET", "/v1/models/{model...}", self.models.one),
            ),
            UNKNOWN,
        )
