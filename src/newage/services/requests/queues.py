"""What waits for the hosts of the rooms in Default mode: kept until somebody submits it, or its time is over (5.4)."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from newage.domain.request import Request
from newage.domain.room_queue import RoomQueue
from newage.services.requests.limits import RequestSettings
from newage.settings import Live


@define(eq=False)
class HostQueues:
    """A queue for each room where something waits; what cannot wait any longer is given back, to end."""

    _settings: Live[RequestSettings]
    _queues: dict[str, RoomQueue] = field(factory=dict, init=False)  # by room id

    def push(self, request: Request) -> list[Request]:
        """:return: what had to go for it."""
        settings = self._settings.value
        if request.room_id not in self._queues:
            self._queues[request.room_id] = RoomQueue(settings.queue_size, settings.queue_size_per_identity)
        return self._queues[request.room_id].push(request)

    def count(self, room_id: str) -> int:
        """How many wait there: the place of the last one."""
        return len(self._queues.get(room_id, ()))

    def last_in_merge(self, room_id: str) -> Request | None:
        """Whose words would come last if it were submitted now; None where nothing waits."""
        queue = self._queues.get(room_id)
        return queue.in_merge[-1] if queue else None

    def all(self) -> Iterator[list[Request]]:
        """What waits in each room, in the order of arrival."""
        return (list(queue) for queue in self._queues.values())

    def remove(self, request: Request) -> None:
        """Not waiting is fine."""
        if request.room_id in self._queues:
            self._queues[request.room_id].remove(request)

    def take_all(self, room_id: str) -> list[Request]:
        """Everything in the order of arrival."""
        queue = self._queues.pop(room_id, None)
        return queue.take_all() if queue is not None else []

    def take_for_merge(self, room_id: str) -> list[Request]:
        """As ``RoomQueue.take_for_merge``."""
        queue = self._queues.pop(room_id, None)
        return queue.take_for_merge() if queue is not None else []

    def take_old(self, now: float) -> list[Request]:
        """What waited too long. To be called every few seconds."""
        old: list[Request] = []
        for room_id, queue in list(self._queues.items()):
            old += queue.expire(now - self._settings.value.queue_ttl_seconds)
            if not queue:
                del self._queues[room_id]
        return old
