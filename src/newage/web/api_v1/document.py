"""The OpenAPI 3.1 document of ``/api/v1``, made of the table that answers it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from newage import __version__
from newage.web.api_v1 import typed, webhooks
from newage.web.api_v1.bodies import Document, Error
from newage.web.api_v1.repeats import HEADER, MAX_CHARS
from newage.web.api_v1.table import NAMESPACE, Endpoint, Nothing
from newage.web.event_answer import MEDIA

_VALUE: Final = re.compile(r"\{(\w+)\}")
_SECURITY: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "a key of scope all, client or admin"}
}
LAST_EVENT_ID: Final = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "the id of the last event that you have: go on after it",
    "schema": {"type": "string", "pattern": r"^\d{1,9}\.\d{1,9}\.\d{1,9}$"},
}
IDEMPOTENCY_KEY: Final = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "of your own making: what comes again under it is not done again, and gets the same answer",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_CHARS, "pattern": "^[!-~]+$"},
}
_DESCRIPTION: Final = (
    "Each request shows a key of the hub as Authorization: Bearer KEY, one of scope all, client or admin. It may do "
    "what its client may by Socket.IO. Parameters and members that are not here are refused."
)


def document(endpoints: Iterable[Endpoint]) -> Document:
    defined: dict[str, typed.Schema] = {}
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.template, {})[endpoint.method.lower()] = _operation(endpoint, defined)
    told = webhooks.described(defined)
    error = {"description": "A failure.", "content": _json(typed.schema(Error, defined))}
    components = {
        "schemas": dict(sorted(defined.items())),
        "responses": {"Failure": error},
        "securitySchemes": _SECURITY,
    }
    return Document(
        openapi="3.1.0",
        info={"title": "newage", "version": __version__, "description": _DESCRIPTION},
        servers=({"url": NAMESPACE},),
        security=({"bearer": []},),
        paths=paths,
        webhooks=told,
        components=components,
    )


def _operation(endpoint: Endpoint, defined: dict[str, typed.Schema]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "responses": {**_success(endpoint, defined), "default": {"$ref": "#/components/responses/Failure"}},
    }
    values = [_path_value(name) for name in _VALUE.findall(endpoint.template)]
    parameters = values + typed.parameters(endpoint.query, defined)
    if endpoint.events is not None and endpoint.method == "GET":
        parameters.append(LAST_EVENT_ID)
    if endpoint.once:
        parameters.append(IDEMPOTENCY_KEY)
    if parameters:
        made["parameters"] = parameters
    if endpoint.body is not Nothing:
        made["requestBody"] = {"required": True, "content": _json(typed.schema(endpoint.body, defined))}
    return made


def _success(endpoint: Endpoint, defined: dict[str, typed.Schema]) -> dict[str, Any]:
    if endpoint.events is not None:
        return {"200": {"description": "As it comes.", "content": {MEDIA: {"schema": {"type": "string"}}}}}
    if endpoint.answers is None:
        return {"204": {"description": "It is done."}}
    return {
        str(endpoint.status): {"description": "It is so.", "content": _json(typed.schema(endpoint.answers, defined))}
    }


def _path_value(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": "percent-encoded",
        "schema": {"type": "string", "minLength": 1},
    }


def _json(schema: typed.Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _operation_id(endpoint: Endpoint) -> str:
    words = re.findall(r"[a-z]+", endpoint.template)
    return "_".join([endpoint.method.lower(), *words])
