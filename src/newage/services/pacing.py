"""How many requests an extension works on at once: the reference extension mixes up two (contract 5.4, H11)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import define, field

from newage.domain.request import Request


@define(eq=False)
class Pacer:
    """Sends at once while an extension has room, else when it is done with an earlier request.

    What waits is bounded by the number of live requests; a request that ended meanwhile is never sent.

    :param limit: requests of one extension at once; 0 = any number.
    """

    limit: int = 0
    _running: dict[str, set[str]] = field(factory=dict, init=False)  # extension -> ids of requests
    _waiting: dict[str, deque[tuple[Request, Callable[[], None]]]] = field(factory=dict, init=False)

    def send(self, extension: str, request: Request, send: Callable[[], None]) -> None:
        running = self._running.setdefault(extension, set())
        if self.limit and len(running) >= self.limit:
            self._waiting.setdefault(extension, deque()).append((request, send))
            return
        running.add(request.request_id)
        send()

    def done(self, extension: str, request: Request) -> None:
        """The extension answered, failed or lost this request; one it never had is fine."""
        running = self._running.get(extension)
        if running is None or request.request_id not in running:
            return
        running.discard(request.request_id)
        waiting = self._waiting.get(extension, deque())
        while waiting and (not self.limit or len(running) < self.limit):
            following, send = waiting.popleft()
            if following.live and following.awaits(extension):
                running.add(following.request_id)
                send()
        if not waiting:
            self._waiting.pop(extension, None)
        if not running:
            self._running.pop(extension, None)
