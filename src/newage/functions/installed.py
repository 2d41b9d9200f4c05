"""What packages offer to the hub: functions and plug-ins, by entry points."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from attrs import frozen
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.domain.ids import is_new_id
from newage.functions.door import Offered
from newage.services.calls.calls import Function

API = 1
FUNCTIONS = "newage.functions"
PLUGINS = "newage.plugins"
MAX_NAME_CHARS = 64

_log = Logger()


@frozen(kw_only=True)
class Installed:
    """One entry point. ``offered`` is an ``Offered``, a ``Function`` of the old door, or the ``setup`` of a plug-in;
    None where there is a ``problem``, in words that name it and its cure."""

    group: str
    name: str
    value: str  # module:attribute
    package: str = ""  # name and version
    offered: Any = None
    problem: str = ""
    failure: Failure | None = None  # what it raised

    @property
    def is_plugin(self) -> bool:
        return self.group == PLUGINS

    @property
    def kind(self) -> str:
        return "plug-in" if self.is_plugin else "function"


def installed(
    taken: Callable[[str], bool] = lambda name: False, found: Iterable[EntryPoint] | None = None
) -> Iterator[Installed]:
    """Everything that is installed, functions first, in order of names; loads it, and nothing that it does is raised.

    :param taken: whether the hub has a function of this name.
    :param found: instead of what is installed, for tests.
    """
    everything = [*entry_points(group=FUNCTIONS), *entry_points(group=PLUGINS)] if found is None else found
    offered: set[tuple[str, str]] = set()
    for each in sorted(everything, key=lambda e: (e.group, e.name, e.value)):
        is_taken = (each.group, each.name) in offered or (each.group == FUNCTIONS and taken(each.name))
        loaded = _problem(each, _another(each)) if is_taken else _load(each)
        if not loaded.problem:
            offered.add((each.group, each.name))
        yield loaded


def report(each: Installed) -> None:
    """One line for the operator."""
    if each.failure is not None:
        _log.failure("{problem}", each.failure, problem=each.problem)
    elif each.problem:
        _log.error("{problem}", problem=each.problem)
    else:
        if isinstance(each.offered, Function):
            _log.warn(
                "function {name} of {value} comes by the old door (Function, Caller), which will be closed: "
                "docs/functions.md tells how it is written with @function",
                name=each.name,
                value=each.value,
            )
        _log.info("{kind} {name} of {value}", kind=each.kind, name=each.name, value=each.value, tag="FUNCTION_REGISTER")


def _another(each: EntryPoint) -> str:
    what = "function" if each.group == FUNCTIONS else "plug-in"
    return f"there is another {what} {each.name}, so {each.value} is left out"


def _load(each: EntryPoint) -> Installed:
    what = "function" if each.group == FUNCTIONS else "plug-in"
    if not is_new_id(each.name) or len(each.name) > MAX_NAME_CHARS:
        return _problem(each, f"{each.value} is left out: {each.name!r} cannot be the name of a {what}")
    try:
        offered = each.load()
        wrong = _wrong_api(each)
    except ImportError as error:
        if error.name == "newage.functions":
            return _problem(each, f"{_cannot(each)}: {error.msg}; {_cure(each)}")
        return _problem(each, _cannot(each), Failure())  # type: ignore[no-untyped-call]
    except (Exception, SystemExit):  # somebody else's code: whatever it raises must not keep the hub from starting
        return _problem(each, _cannot(each), Failure())  # type: ignore[no-untyped-call]
    if wrong:
        return _problem(each, wrong)
    if each.group == FUNCTIONS and not isinstance(offered, Offered | Function):
        return _problem(
            each, f"{each.value} is no newage Function, so {each.name} is left out: decorate it by @function"
        )
    if each.group == PLUGINS and not callable(offered):
        return _problem(each, f"{each.value} is no function setup(hub), so {each.name} is left out")
    return Installed(group=each.group, name=each.name, value=each.value, package=_package(each), offered=offered)


def _wrong_api(each: EntryPoint) -> str:
    """Why the API number that its module, or the package around it, declares is no good; empty if it is."""
    modules = (sys.modules.get(each.module), sys.modules.get(each.module.partition(".")[0]))
    wanted = next((vars(module)["API"] for module in modules if module is not None and "API" in vars(module)), API)
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
        return f"{_cannot(each)}: its API is to be a number from 1 to {API}"
    if wanted > API:
        return f"{_cannot(each)}: it is written for API {wanted} of newage.functions, and there is {API}; {_cure(each)}"
    return ""


def _cannot(each: EntryPoint) -> str:
    return f"{'function' if each.group == FUNCTIONS else 'plug-in'} {each.name} of {each.value} cannot be loaded"


def _cure(each: EntryPoint) -> str:
    return f"install a newer newage, or an older {_package(each).partition(' ')[0] or each.module.partition('.')[0]}"


def _problem(each: EntryPoint, words: str, failure: Failure | None = None) -> Installed:
    return Installed(
        group=each.group, name=each.name, value=each.value, package=_package(each), problem=words, failure=failure
    )


def _package(each: EntryPoint) -> str:
    return f"{each.dist.name} {each.dist.version}" if each.dist is not None else ""
