"""What waits for the hosts of the rooms in Default mode: kept until somebody submits it, or its time is over (5.4)."""

from __future__ import annotations

from attrs import define, field

from newage.domain.request import Request, RoomQueue
from newage.services.requests.ledger import RequestLedger
from newage.services.requests.limits import RequestSettings
from newage.settings import Live


@define(eq=False)
class HostQueues:
    """A queue for each room where something waits; what cannot wait any longer expires.

    ``sweep`` is to be called every few seconds.
    """

    _ledger: RequestLedger
    _settings: Live[RequestSettings]
    _queues: dict[str, RoomQueue] = field(factory=dict, init=False)  # by room id

    def push(self, request: Request) -> int:
        """:return: its place; the first is 1."""
        settings = self._settings.value
        if request.room_id not in self._queues:
            self._queues[request.room_id] = RoomQueue(settings.queue_size, settings.queue_size_per_identity)
        queue = self._queues[request.room_id]
        for dropped in queue.push(request):
            self._ledger.end(dropped, "expired")
        return len(queue)

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

    def expire_all(self, room_id: str) -> None:
        """Nobody will submit it."""
        for request in self.take_all(room_id):
            self._ledger.end(request, "expired")

    def sweep(self, now: float) -> None:
        """Expire what waited too long."""
        for room_id, queue in list(self._queues.items()):
            for request in queue.expire(now - self._settings.value.queue_ttl_seconds):
                self._ledger.end(request, "expired")
            if not queue:
                del self._queues[room_id]
