"""When an extension gets its next request: the reference extension drops what overlaps (contract 5.4, H11, A32)."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from newage.domain.request import Request
from newage.domain.turns import Turns
from newage.services.requests.desks import Desks


@define(eq=False)
class Pacer:
    """Sends at once what the extension's desk admits, the rest when it does: in turns, round robin over identities.

    What waits is bounded by the number of live requests; a request that ended meanwhile is never sent. ``send`` gets
    the requestId that the extension shall know the request by.
    """

    _desks: Desks
    _waiting: dict[str, Turns[tuple[Request, Callable[[str], None]]]] = field(factory=dict, init=False)
    _sent: dict[str, dict[Request, Callable[[str], None]]] = field(factory=dict, init=False)
    _stopped: bool = field(default=False, init=False)

    def stop(self) -> None:
        """Send nothing more: what waits for its turn when the hub stops is asked after the next start (A35)."""
        self._stopped = True

    def send(self, extension: str, request: Request, send: Callable[[str], None]) -> None:
        if extension not in self._waiting:
            served = [sent.identity for sent in self._sent.get(extension, ())]
            self._waiting[extension] = Turns(served[-1] if served else None)
        self._waiting[extension].add(request.identity, (request, send))
        self.send_next(extension)

    def send_next(self, extension: str) -> None:
        """Send what may go now."""
        while (following := self._next(extension)) is not None:
            request, send = following
            self._sent.setdefault(extension, {})[request] = send
            send(self._desks.ask(extension, request))
        self._forget_ended(extension)

    def put_back(self, extension: str, dropped: list[Request]) -> None:
        """The extension dropped these, or came back without them: they are the next again."""
        sent = self._sent.get(extension, {})
        waiting = self._waiting.setdefault(extension, Turns())
        for request in reversed(dropped):
            if request in sent:
                waiting.put_back(request.identity, (request, sent.pop(request)))

    def send_all(self) -> None:
        """Time went by."""
        for extension in list(self._waiting):
            self.send_next(extension)

    def _forget_ended(self, extension: str) -> None:
        sent = {r: send for r, send in self._sent.pop(extension, {}).items() if r.live and r.awaits(extension)}
        if sent:
            self._sent[extension] = sent

    def position(self, request: Request) -> int:
        """How soon its turn comes: 1 is the next one, at whichever of its targets is soonest; 0: it waits for none."""
        places = [
            place
            for target in request.targets
            for place, (waiting, _) in enumerate(self._waiting.get(target, ()), start=1)
            if waiting is request
        ]
        return min(places, default=0)

    def _next(self, extension: str) -> tuple[Request, Callable[[str], None]] | None:
        waiting = self._waiting.get(extension)
        if waiting is None or self._stopped:
            return None
        for one in list(waiting):
            request, _ = one
            if not request.live or not request.awaits(extension) or self._desks.runs(extension, request):
                waiting.leave(request.identity, one)
            elif self._desks.admits(extension, request):
                waiting.take(request.identity, one)
                return one
        if not waiting:
            del self._waiting[extension]
        return None
