"""The door of who extends the hub from inside: functions that clients call, and plug-ins that live in rooms.

A package needs nothing but this module; docs/functions.md is its guide. It offers

- functions under the entry point group ``newage.functions``: each names a function decorated by ``@function``, and its
  name is the ``functionName`` that clients call (``examples/functions``);
- plug-ins under ``newage.plugins``: each names a ``setup(hub)`` (``examples/game-master``).

Its module says ``API = 1``: the number of this door for which it was written.
"""

from __future__ import annotations

from typing import Any
from warnings import warn

from newage.domain import model
from newage.errors import BadArguments, CallFailed, NewAgeError, NotAuthorised, Unavailable
from newage.functions.door import function
from newage.functions.hub import Hub
from newage.functions.installed import API
from newage.functions.values import Message, Room, Who
from newage.services.calls import calls

__all__ = [
    "API",
    "BadArguments",
    "CallFailed",
    "Hub",
    "Message",
    "NewAgeError",
    "NotAuthorised",
    "Room",
    "Unavailable",
    "Who",
    "function",
]

_OLD = {  # the door of before
    "Function": calls.Function,
    "Caller": model.Caller,
    "Kind": model.Kind,
    "Peer": model.Peer,
    "Session": model.Session,
}


def __getattr__(name: str) -> Any:
    if name in _OLD:
        warn(f"newage.functions.{name} will go: use @function and Who (docs/functions.md)", DeprecationWarning, 2)
        return _OLD[name]
    raise AttributeError(f"module 'newage.functions' has no attribute {name!r}")
