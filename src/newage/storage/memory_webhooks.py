"""The queue of what is told to receivers outside, in memory; it answers as SQLite does, at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from newage.domain.webhooks import Delivery, Due, Queue
from newage.ports import IWebhookStore
from newage.storage.memory_rooms import MemoryRoomStore


@implementer(IWebhookStore)
@define(eq=False)
class MemoryWebhookStore:
    _rooms: MemoryRoomStore

    def add_deliveries(self, deliveries: Sequence[Delivery]) -> Deferred[tuple[str, ...]]:
        return succeed(self._rooms.add_deliveries(deliveries))

    def queue_of(self, webhook: str) -> Deferred[Queue]:
        waiting = [each for each in self._rooms.waiting() if each.webhook == webhook]
        if not waiting:
            return succeed(Queue(0))
        first = waiting[0]
        stored = self._rooms.rooms.get(first.room_id)
        said = stored.messages[first.message_id] if stored is not None and first.data is None else None
        return succeed(Queue(len(waiting), Due(first, "" if stored is None else stored.room.name, said)))

    def drop_delivery(self, delivery_id: str) -> Deferred[None]:
        self._keep(lambda each: each.id != delivery_id)
        return succeed(None)

    def drop_older(self, webhook: str, since: float) -> Deferred[int]:
        return succeed(self._keep(lambda each: each.webhook != webhook or each.since >= since))

    def keep_webhooks(self, names: Sequence[str]) -> Deferred[int]:
        return succeed(self._keep(lambda each: each.webhook in names))

    def _keep(self, wanted: Callable[[Delivery], bool]) -> int:
        """:return: how many are not."""
        waiting = self._rooms.waiting()
        kept = [each for each in waiting if wanted(each)]
        gone = len(waiting) - len(kept)
        waiting[:] = kept
        return gone
