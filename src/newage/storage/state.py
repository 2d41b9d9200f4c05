"""The hub's own state as named JSON values, whatever keeps them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import Enum
from math import inf
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from newage.domain.model import ConnectionPolicy, RequestMode
from newage.domain.state import HubState, ManualAssignments
from newage.ports import IStateStore

_log = Logger()
_E = TypeVar("_E", bound=Enum)

POLICY = "connectionPolicy"
DEFAULT_MODE = "messageRequestMode"
ASSIGNMENTS = "roomAssignments"
ASSIGNMENTS_BY_NAME = "manualAssignments"
EXTENSIONS = "extensionsEver"
RUNNING = "runningSeconds"
KEYS_IMPORTED = "imported.keys/clients.json"


@implementer(IStateStore)
class NamedValues(ABC):
    """One JSON value for each member of ``HubState``; a subclass loads and saves them."""

    @abstractmethod
    def load_values(self) -> Deferred[dict[str, Any]]:
        """All values, those of other versions included."""

    @abstractmethod
    def save_value(self, name: str, value: object) -> Deferred[None]:
        """Set one value; it is JSON."""

    def load_state(self) -> Deferred[HubState]:
        return self.load_values().addCallback(state_of)

    def save_policy(self, policy: ConnectionPolicy) -> Deferred[None]:
        return self.save_value(POLICY, policy.value)

    def save_default_mode(self, mode: RequestMode) -> Deferred[None]:
        return self.save_value(DEFAULT_MODE, mode.value)

    def save_assignments(self, assignments: ManualAssignments) -> Deferred[None]:
        return self.save_value(ASSIGNMENTS, _lists(assignments))

    def save_assignments_by_name(self, assignments: ManualAssignments) -> Deferred[None]:
        return self.save_value(ASSIGNMENTS_BY_NAME, _lists(assignments))

    def save_extensions(self, extensions: Sequence[str]) -> Deferred[None]:
        return self.save_value(EXTENSIONS, list(extensions))

    def save_running_seconds(self, seconds: float) -> Deferred[None]:
        return self.save_value(RUNNING, seconds)

    def save_keys_imported(self, at: str) -> Deferred[None]:
        return self.save_value(KEYS_IMPORTED, at)


def state_of(values: Mapping[str, Any]) -> HubState:
    """The values as they were stored; what cannot be one is logged, and as if it had never been stored."""
    imported = values.get(KEYS_IMPORTED)
    return HubState(
        policy=_member(ConnectionPolicy, values.get(POLICY), "connection policy"),
        default_mode=_member(RequestMode, values.get(DEFAULT_MODE), "request mode"),
        assignments=_assignments(values.get(ASSIGNMENTS)),
        assignments_by_name=_assignments(values.get(ASSIGNMENTS_BY_NAME)),
        extensions=_names(values.get(EXTENSIONS)),
        running_seconds=_seconds(values.get(RUNNING)),
        keys_imported=imported if isinstance(imported, str) else "",
    )


def _member(kind: type[_E], value: object, what: str) -> _E | None:
    if value is None:
        return None
    found = next((member for member in kind if member.value == value), None)
    if found is None:
        _log.warn("the stored {what} is none: {value}", what=what, value=value)
    return found


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) and 0 <= value < inf else 0.0


def _assignments(value: object) -> dict[str, tuple[str, ...]]:
    lists = value.items() if isinstance(value, dict) else ()
    return {room: _names(names) for room, names in lists if isinstance(names, list)}


def _names(value: object) -> tuple[str, ...]:
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()


def _lists(assignments: ManualAssignments) -> dict[str, list[str]]:
    return {room: list(names) for room, names in assignments.items()}
