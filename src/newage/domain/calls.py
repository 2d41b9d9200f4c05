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
