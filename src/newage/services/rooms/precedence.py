"""In which order extensions are asked, above all under the policy Failover (contract 6.2; A22)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from attrs import define, field
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.domain.model import SPARE, Caller, Kind
from newage.ports import IStateStore
from newage.telemetry.trouble import Trouble, trouble


@define(eq=False)
class Precedence:
    """The order of first connection ever, which outlives a restart; extensions inside the process come last.

    At most ``limit`` are remembered: beyond that who came first of those that are away is forgotten.
    """

    _log: ClassVar[Logger] = Logger()

    _store: IStateStore
    _limit: int
    _known: dict[str, None] = field(factory=dict, init=False)  # in order of first connection ever
    _priorities: dict[str, int] = field(factory=dict, init=False)  # of those that are here, where it is not 0
    _trouble: Trouble = trouble()

    def load(self, known: Iterable[str]) -> None:
        """As it was at the last stop."""
        self._known = dict.fromkeys(known)

    def attached(self, caller: Caller) -> None:
        """A socket came; an extension inside the process says how late it wants its turn."""
        if caller.kind is Kind.EXTENSION and caller.priority:
            self._priorities[caller.identity] = caller.priority

    def came(self, extension: str, here: Iterable[str]) -> None:
        """It is available.

        :param here: who else is.
        """
        if extension in self._known or extension in self._priorities:
            return
        self._known[extension] = None
        present = {extension, *here}
        spare = [each for each in self._known if each not in present]
        for each in spare[: max(0, len(self._known) - self._limit)]:
            del self._known[each]
        self._store.save_extensions(tuple(self._known)).addErrback(self._not_stored)

    def left(self, extension: str) -> None:
        """Not having been here is fine."""
        self._priorities.pop(extension, None)

    def ordered(self, extensions: Sequence[str]) -> tuple[str, ...]:
        """These, the first to be asked first; the spare ones only where there is nobody else."""
        places = {extension: place for place, extension in enumerate(self._known)}
        late = self._priorities
        found = sorted(extensions, key=lambda each: (late.get(each, 0), places.get(each, len(places))))
        return tuple(each for each in found if late.get(each, 0) < SPARE) or tuple(found)

    def inside_last(self, extensions: Sequence[str]) -> tuple[str, ...]:
        """These in their order, those inside the process after all others, the spare ones at the end."""
        return tuple(sorted(extensions, key=lambda each: self._priorities.get(each, 0)))

    def _not_stored(self, failure: Failure) -> None:
        self._trouble.say("the order of the extensions could not be stored", failure)
