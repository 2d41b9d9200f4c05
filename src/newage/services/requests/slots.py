"""When an extension gets its next request: the reference extension drops what overlaps (contract 5.4, H11, A32)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from attrs import define, field

from newage.domain.request import Request
from newage.domain.turns import Turns
from newage.services.requests.desks import Desks

Send: TypeAlias = Callable[[str, str], None]


@define(eq=False)
class Pacer:
    """Sends at once what the extension's desk admits, the rest when it does: in turns, round robin over identities.

    What waits is bounded by the number of live requests; a request that ended meanwhile is never sent. ``send`` gets
    the extension, and the requestId that it shall know the request by.
    """

    _desks: Desks
    _waiting: dict[str, Turns[tuple[Request, Send]]] = field(factory=dict, init=False)
    _sent: dict[str, dict[Request, Send]] = field(factory=dict, init=False)
    _stopped: bool = field(default=False, init=False)

    @property
    def stopped(self) -> bool:
        """Is nothing sent any more?"""
        return self._stopped

    def stop(self) -> None:
        """Send nothing more: what waits for its turn when the hub stops is asked after the next start (A35)."""
        self._stopped = True

    def send(self, extension: str, request: Request, send: Send) -> None:
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
            send(extension, self._desks.ask(extension, request))
        self._forget_ended(extension)

    def put_back(self, extension: str, dropped: list[Request]) -> None:
        """The extension dropped these, or came back without them: they are the next again."""
        sent = self._sent.get(extension, {})
        waiting = self._waiting.setdefault(extension, Turns())
        for request in reversed(dropped):
            if request in sent:
                waiting.put_back(request.identity, (request, sent.pop(request)))

    def has(self, extension: str, request: Request) -> bool:
        """Does it wait there, or was it sent there?"""
        waiting = self._waiting.get(extension, ())
        return request in self._sent.get(extension, ()) or any(each is request for each, _ in waiting)

    def take(self, extension: str, request: Request) -> Send:
        """It is not this extension's any more, which has it: whether that was sent it or not.

        :return: what sends it.
        """
        found = [one for one in self._waiting.get(extension, ()) if one[0] is request]
        for one in found:
            self._waiting[extension].leave(request.identity, one)
        sent = self._sent.get(extension, {}).pop(request, None)
        return found[0][1] if sent is None else sent

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
        lines = [self.line(target) for target in request.targets]
        return min((line.index(request) + 1 for line in lines if request in line), default=0)

    def line(self, extension: str) -> list[Request]:
        """What waits for its turn there, the next one first."""
        waiting = [request for request, _ in self._waiting.get(extension, ())]
        return [r for r in waiting if r.live and r.awaits(extension) and not self._desks.runs(extension, r)]

    @property
    def extensions(self) -> list[str]:
        """Where something waits, or may."""
        return list(self._waiting)

    def _next(self, extension: str) -> tuple[Request, Send] | None:
        waiting = self._waiting.get(extension)
        if waiting is None or self._stopped:
            return None
        for one in list(waiting):
            request, send = one
            if not request.live or not request.awaits(extension):
                waiting.leave(request.identity, one)
            elif self._desks.runs(extension, request):  # it came back and is at work on it by itself
                waiting.leave(request.identity, one)
                self._sent.setdefault(extension, {})[request] = send
            elif self._desks.admits(extension, request):
                waiting.take(request.identity, one)
                return one
        if not waiting:
            del self._waiting[extension]
        return None
