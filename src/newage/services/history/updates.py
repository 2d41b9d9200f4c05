"""MESSAGE_UPDATED: who changes a message many times in a row is seen once in a while, and how it was at last (A39)."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall

from newage.dialect import Event, messages
from newage.dialect.messages import carried_bytes
from newage.domain.model import Caller, Message
from newage.services.history.limits import HistorySettings
from newage.services.sessions.rates import EventRates
from newage.services.world import World
from newage.settings import Live

Key = tuple[str, str]  # room id, message id


@frozen
class _Change:
    """:param by: whose rate it is, if it has one."""

    message: Message
    seq: int
    by: Caller | None

    @property
    def size(self) -> int:
        return carried_bytes(self.message.text, self.message.data, self.message.extra)


class Updates:
    """The first change of a message is shown at once, what follows within ``update_coalesce_ms`` as one; and later, if
    its author would tell others too much. Bounded by the rate of edits.

    :param show: tells a room, by its id, of the change to a message.
    """

    def __init__(
        self,
        world: World,
        show: Callable[[str, Event], None],
        rates: EventRates,
        settings: Live[HistorySettings],
    ) -> None:
        self._world = world
        self._show = show
        self._rates = rates
        self._settings = settings
        self._resting: dict[Key, IDelayedCall] = {}  # until it may be shown again
        self._latest: dict[Key, _Change] = {}  # of these, what has changed since

    def close(self) -> None:
        for call in self._resting.values():
            call.cancel()
        self._resting.clear()
        self._latest.clear()

    def changed(self, message: Message, seq: int, by: Caller | None = None) -> None:
        """It is stored so now.

        :param seq: of the change. :param by: who changed it, if there is a rate at which it may.
        """
        key, change = (message.room_id, message.message_id), _Change(message, seq, by)
        if key not in self._resting:
            self._tell(key, change)
        elif key not in self._latest or self._latest[key].seq < seq:
            self._latest[key] = change

    def unshown(self, room_id: str) -> list[int]:
        """The seqs of changes that are stored and that nobody has seen yet."""
        return [change.seq for (where, _), change in self._latest.items() if where == room_id]

    def gone(self, room_id: str, which: Callable[[Message], bool]) -> None:
        """These of a room are no more: what would come too late must not show them again."""
        for key in [key for key, change in self._latest.items() if key[0] == room_id and which(change.message)]:
            del self._latest[key]

    def _tell(self, key: Key, change: _Change) -> None:
        delay = self._settings.value.update_coalesce_ms / 1000
        self._resting[key] = self._world.clock.callLater(delay, self._rested, key)
        if change.by is None or self._rates.may_show(change.by, change.size):
            self._show(change.message.room_id, messages.updated(change.message, change.seq))
        else:
            self._latest[key] = change

    def _rested(self, key: Key) -> None:
        del self._resting[key]
        latest = self._latest.pop(key, None)
        if latest is not None:
            self._tell(key, latest)
