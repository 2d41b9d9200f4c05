"""Outputs that are over, kept for a while for who comes back to them (contract 5.7.7, A21)."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterator

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall

from newage.domain.shown import OutputState, ShownOutput
from newage.services.streams.limits import DownstreamSettings
from newage.services.streams.output_text import OutputText
from newage.services.world import World
from newage.settings import Live

OVERHEAD = 1_024  # bytes that an output counts beside its text


@frozen
class KeptOutput:
    """``state`` is how it ended; its text does not change as long as it is kept. ``until``: by the monotonic clock."""

    about: ShownOutput
    output: OutputText
    state: OutputState
    size: int
    until: float

    @property
    def message_id(self) -> str:
        """Of its message; "" where there is none."""
        return self.output.message_id


class KeptOutputs:
    """The newest ones, within limits of time and bytes. What somebody changed or deleted is none of them (B15)."""

    def __init__(self, world: World, settings: Live[DownstreamSettings]) -> None:
        self._clock = world.clock
        self._settings = settings
        self._kept: OrderedDict[tuple[str, str], KeptOutput] = OrderedDict()  # by room and id, oldest first
        self._rooms: defaultdict[str, set[str]] = defaultdict(set)  # output id -> those in which there is such a one
        self._timer: IDelayedCall | None = None
        self.size = 0  # bytes

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, about: ShownOutput, output: OutputText) -> None:
        """It has ended."""
        limits = self._settings.value
        self.goes_on(about)
        size = len(output.text.buffer) + len(output.reasoning.buffer)
        if output.overwritten or size > limits.kept_output_bytes:
            return
        state = OutputState.at_end(failed=output.failure is not None, cancelled=output.cancelled)
        until = self._clock.seconds() + limits.kept_output_seconds
        self._kept[_key(about)] = KeptOutput(about, output, state, size + OVERHEAD, until)
        self._rooms[about.output_id].add(about.room_id)
        self.size += size + OVERHEAD
        while self.size > limits.kept_outputs_bytes:
            self._drop(next(iter(self._kept)))
        self._await()

    def goes_on(self, about: ShownOutput) -> None:
        """It is not over any more. Not being kept is fine."""
        if _key(about) in self._kept:
            self._drop(_key(about))

    def forget(self, room_id: str, message_ids: Collection[str] | None) -> None:
        """These messages were changed or are no more; None: all of the room."""
        for key, kept in list(self._kept.items()):
            if key[0] == room_id and (message_ids is None or kept.message_id in message_ids):
                self._drop(key)

    def find(self, output_id: str) -> Iterator[KeptOutput]:
        """Those of that id, each in another room."""
        return (self._kept[room_id, output_id] for room_id in self._rooms.get(output_id, ()))

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drop(self, key: tuple[str, str]) -> None:
        self.size -= self._kept.pop(key).size
        rooms = self._rooms[key[1]]
        rooms.discard(key[0])
        if not rooms:
            del self._rooms[key[1]]

    def _await(self) -> None:
        """Come back when the oldest is due."""
        if self._timer is None and self._kept:
            until = next(iter(self._kept.values())).until
            self._timer = self._clock.callLater(max(0.0, until - self._clock.seconds()), self._due)

    def _due(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        while self._kept and next(iter(self._kept.values())).until <= now:
            self._drop(next(iter(self._kept)))
        self._await()


def _key(about: ShownOutput) -> tuple[str, str]:
    return about.room_id, about.output_id
