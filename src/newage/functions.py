"""Functions of the operator's own: a package offers them under the entry point group ``newage.functions``.

A package needs nothing but this module. Each entry point names a ``Function``; its name is the ``functionName`` that
clients call. ``examples/functions`` is such a package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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


def installed_functions(
    taken: Callable[[str], bool] = lambda name: False, found: Iterable[EntryPoint] | None = None
) -> Iterator[tuple[str, Function]]:
    """(name, function) of every installed one, in order of names.

    One that cannot be loaded, or whose name is another's, is logged and left out.

    :param taken: whether the hub has a function of this name.
    :param found: instead of what is installed, for tests.
    """
    offered: set[str] = set()
    for each in sorted(entry_points(group=GROUP) if found is None else found, key=lambda e: (e.name, e.value)):
        if taken(each.name) or each.name in offered:
            _log.error("there is another function {name}, so {value} is left out", name=each.name, value=each.value)
            continue
        try:
            function = each.load()
        except (Exception, SystemExit):  # somebody else's code: whatever it raises must not keep the hub from starting
            _log.failure("function {name} of {value} cannot be loaded", name=each.name, value=each.value)
            continue
        if isinstance(function, Function):
            offered.add(each.name)
            _log.info("function {name} of {value}", name=each.name, value=each.value, tag="FUNCTION_REGISTER")
            yield each.name, function
        else:
            _log.error("{value} is no newage Function, so {name} is left out", value=each.value, name=each.name)
