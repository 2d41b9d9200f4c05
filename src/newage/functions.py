"""Functions of the operator's own: a package offers them under the entry point group ``newage.functions``.

A package needs nothing but this module. Each entry point names a ``Function``; its name is the ``functionName`` that
clients call. ``examples/functions`` is such a package.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points

from twisted.logger import Logger

from newage.domain.model import Caller, Kind, Peer, Session
from newage.errors import BadArguments, CallFailed, NotAuthorised
from newage.services.calls import Function

__all__ = [
    "BadArguments",
    "CallFailed",
    "Caller",
    "Function",
    "Kind",
    "NotAuthorised",
    "Peer",
    "Session",
    "installed_functions",
]

GROUP = "newage.functions"

_log = Logger()


def installed_functions(found: Iterable[EntryPoint] | None = None) -> Iterator[tuple[str, Function]]:
    """(name, function) of every installed one, in order of names. One that cannot be loaded is logged and left out.

    :param found: instead of what is installed, for tests.
    """
    for each in sorted(entry_points(group=GROUP) if found is None else found, key=lambda e: e.name):
        try:
            function = each.load()
        except Exception:  # somebody else's code: whatever it raises at import must not keep the hub from starting
            _log.failure("function {name} of {value} cannot be loaded", name=each.name, value=each.value)
            continue
        if isinstance(function, Function):
            yield each.name, function
        else:
            _log.error("{value} is no newage Function, so {name} is left out", value=each.value, name=each.name)
