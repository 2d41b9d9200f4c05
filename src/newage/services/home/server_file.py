"""``settings/server_settings.json``: its defaults, its validation, its present values (contract 8.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from attrs import define, field
from twisted.logger import Logger

from newage.dialect import files
from newage.dialect.files import DEFAULTS, merged
from newage.errors import FileMissing, NewAgeError
from newage.services.home.files import HomeFiles, Json

PARTS = ("settings", "server_settings.json")


@define(eq=False)
class ServerFile:
    """The file and what it says now.

    Reading happens once, at the start, and blocks; ``change`` is for a thread and ``adopt`` for the reactor after it.

    :param judge: what the next start will think of members: see ``dialect.files.writable``.
    :param overrides: members that a stronger source than the file decides (options, environment, TOML).
    """

    _log: ClassVar[Logger] = Logger()

    _files: HomeFiles
    _judge: Callable[[Mapping[str, Any]], Mapping[str, str]]
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
        return files.network_safe(self.values)

    @property
    def restricted(self) -> list[object]:
        """Paths that nobody reads or writes by a call (contract 7.5.4), as the file has them."""
        return files.restricted(self.values)

    @property
    def mounts(self) -> object:
        """URLs and paths that are mapped at the start (contract 7.6), as the file has them."""
        return files.mounts(self.values)

    def add_listener(self, listener: Callable[[Mapping[str, Any]], None]) -> None:
        """Told the values after each ``adopt``."""
        self._listeners.append(listener)

    def adopt(self, content: Mapping[str, Any]) -> None:
        """Take over what the file now holds."""
        self.values = merged(merged(DEFAULTS, content), self._overrides)
        for listener in self._listeners:
            listener(self.values)

    def change(self, wanted: Mapping[str, Any]) -> tuple[Json, list[str]]:
        """Merge members that came by a call into the file; blocks.

        :return: what the file now holds, for ``adopt``; the names of members that are the operator's and stay.
        :raises BadParameter, FileWriteFailed: nothing was written.
        """
        checked, withheld = files.writable(wanted, self.values, self._judge)

        def apply(present: Json | None) -> Json:
            return files.without_keys({**(merged(DEFAULTS, {}) if present is None else present), **checked})

        return self._files.update(PARTS, apply, create_folders=True), withheld
