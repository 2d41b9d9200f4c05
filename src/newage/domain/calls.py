"""Function calls between clients, and of functions of the hub (contract 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen

SERVER = "server"  # the target of what is called here


@frozen(kw_only=True)
class FunctionCall:
    """One FUNCTION_CALL, as parsed. ``request_id`` is echoed; None stays absent."""

    name: str
    args: Sequence[Any] = ()
    target: str = SERVER
    request_id: str | int | float | None = None


def subject_of(call: FunctionCall) -> dict[str, Any]:
    """What the audit log shall know beyond the names: the file that is read or written, the URLs that are added."""
    if call.target != SERVER or not call.args:
        return {}
    if call.name in ("saveJsonToFile", "readJsonFromFile"):
        path = call.args[0]
        return {"file": path if isinstance(path, str | list) else type(path).__name__}
    if call.name == "addStaticResources":
        return {"routes": [name for routes in call.args if isinstance(routes, dict) for name in routes]}
    return {}


def went_well(result: object) -> bool:
    """The file functions report a failure as their result (contract 7.4)."""
    return not (isinstance(result, dict) and result.get("success") is False)
