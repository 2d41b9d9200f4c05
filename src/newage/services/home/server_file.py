"""``settings/server_settings.json``: its defaults, its validation, its present values (contract 8.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import Any, ClassVar

from attrs import define, field
from twisted.logger import Logger

from newage.errors import BadParameter, FileMissing, NewAgeError
from newage.services.home.files import HomeFiles, Json

PARTS = ("settings", "server_settings.json")
MAX_MERGE_DEPTH = 32

# The reference server's members and values, with its spelling.
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "serverPort": 4000,
        "serverAddress": "http://localhost",
        "staticResouce": {},
        "timeout": 5000,
        "socketIOPath": "/socket.io",
        "queryParameters": {},
        "transport": "websocket",
        "Rooms": [],
        "clientKeys": {},
        "sillyTavernPassword": {},
        "networkSafe": True,
        "debugMode": False,
        "contextPageSize": 50,
        "contextSendDelay": 100,
        "restrictedFiles": [],
    }
)

# These decide who is trusted and from where: an extension's settings page has no business with them.
ADMIN_ONLY = frozenset(
    {
        "bindAddress",
        "behindProxy",
        "corsOrigins",
        "allowedHosts",
        "trustedNetworks",
        "trustedProxies",
        "adminAddresses",
        "adminOrigins",
        "localAdmin",
        "bootstrapAddresses",
    }
)


def merged(defaults: Mapping[str, Any], values: Mapping[str, Any], depth: int = 0) -> Json:
    """``values`` over ``defaults``, objects member by member."""
    result = dict(defaults)
    for name, value in values.items():
        present = result.get(name)
        if isinstance(present, Mapping) and isinstance(value, Mapping) and depth < MAX_MERGE_DEPTH:
            result[name] = merged(present, value, depth + 1)
        else:
            result[name] = deepcopy(value)
    return result


# --------------------------------------------------------------------------------------------------------- validation


def _whole(low: int, high: int) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) <= 20:
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise BadParameter(f"must be a whole number from {low} to {high}")
        return value

    return check


def _of(kind: type, name: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, kind):
            raise BadParameter(f"must be {name}")
        return value

    return check


def _mount(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith("/") or len(value) > 256 or not value.isprintable():
        raise BadParameter("must be a path that begins with /")
    return value


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "serverPort": _whole(0, 65535),
    "serverAddress": _of(str, "a string"),
    "staticResouce": _of(dict, "an object"),
    "timeout": _whole(0, 3_600_000),
    "socketIOPath": _mount,
    "queryParameters": _of(dict, "an object"),
    "transport": _of(str, "a string"),
    "Rooms": _of(list, "a list"),
    "networkSafe": _of(bool, "true or false"),
    "debugMode": _of(bool, "true or false"),
    "contextPageSize": _whole(1, 10_000),
    "contextSendDelay": _whole(0, 60_000),
    "defaultRoomMessageRequestMode": _of(str, "a string"),
    "reconnectAttempts": _whole(0, 1_000_000),
    "reconnectDelay": _whole(0, 3_600_000),
    "autoConnect": _of(bool, "true or false"),
    "extensionRooms": _of(dict, "an object"),
    "restrictedFiles": _of(list, "a list"),
}


def validated(values: Mapping[str, Any]) -> Json:
    """Values that may be written: known members of their type, unknown ones untouched.

    :raises BadParameter: one member is wrong; the text names it.
    """
    result: Json = {}
    for name, value in values.items():
        check = _CHECKS.get(name)
        try:
            result[name] = value if check is None else check(value)
        except BadParameter as error:
            raise BadParameter(f"{name} {error}") from error
    return result


# ----------------------------------------------------------------------------------------------------------- the file


@define(eq=False)
class ServerFile:
    """The file and what it says now.

    Reading happens once, at the start, and blocks; ``change`` is for a thread and ``adopt`` for the reactor after it.

    :param overrides: members that a stronger source than the file decides (options, environment, TOML).
    """

    _log: ClassVar[Logger] = Logger()

    _files: HomeFiles
    _overrides: Mapping[str, Any] = field(factory=dict)
    values: Json = field(factory=lambda: merged(DEFAULTS, {}), init=False)
    _listeners: list[Callable[[Mapping[str, Any]], None]] = field(factory=list, init=False)

    def load(self, *, write_missing: bool) -> None:
        """Read the file; written with the defaults if there is none, left alone if it cannot be read (error 104)."""
        try:
            content = self._files.read(PARTS)
        except FileMissing:
            content = {}
            if write_missing:
                try:
                    self._files.update(PARTS, lambda now: merged(DEFAULTS, now or {}), create_folders=True)
                except NewAgeError as error:
                    self._log.error("server_settings.json was not written: {reason}", reason=str(error))
        except NewAgeError as error:
            self._log.error(
                "server_settings.json cannot be read, so defaults apply: {reason}", reason=str(error), error_code=104
            )
            content = {}
        self.adopt(content)

    def override(self, name: str, value: Any) -> None:
        """A stronger source decides this member, whatever the file says."""
        self._overrides = {**self._overrides, name: value}
        self.values = merged(self.values, self._overrides)

    def pin(self, members: Mapping[str, Any]) -> None:
        """These and no other members are decided by a stronger source; the others are the file's again at ``load``."""
        self._overrides = dict(members)
        self.values = merged(self.values, self._overrides)

    @property
    def network_safe(self) -> bool:
        """Contract 2.6; anything that is not a boolean counts as the default."""
        value = self.values.get("networkSafe")
        return value if isinstance(value, bool) else True

    def add_listener(self, listener: Callable[[Mapping[str, Any]], None]) -> None:
        """Told the values after each ``adopt``."""
        self._listeners.append(listener)

    def adopt(self, content: Mapping[str, Any]) -> None:
        """Take over what the file now holds."""
        self.values = merged(merged(DEFAULTS, content), self._overrides)
        for listener in self._listeners:
            listener(self.values)

    def change(self, wanted: Mapping[str, Any], *, admin: bool) -> Json:
        """Merge members into the file; blocks.

        :return: what the file now holds, for ``adopt``.
        :raises BadParameter, FileWriteFailed: nothing was written.
        """
        if not admin and ADMIN_ONLY & wanted.keys():
            raise BadParameter(f"{min(ADMIN_ONLY & wanted.keys())} may only be set by an administrator")
        checked = validated(wanted)

        def apply(present: Json | None) -> Json:
            # Keys have never any business in this file (contract 8.1), whoever wrote them there.
            return {**(merged(DEFAULTS, {}) if present is None else present), **checked, "clientKeys": {}}

        return self._files.update(PARTS, apply, create_folders=True)
