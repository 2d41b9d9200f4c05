"""Requests that wait for an extension which has just gone and may be back soon (contract 5.8, A22)."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from newage.domain.request import Request


@define(eq=False)
class HeldRequests:
    """What an extension was sent in vain waits for that one; what was asked since, for any that may answer it. Bounded
    by the number of live requests."""

    _lost: dict[str, list[Request]] = field(factory=dict, init=False)  # by extension, in the order of their sending
    _asked: dict[Request, bool] = field(factory=dict, init=False)  # may it be any extension?

    def hold(self, request: Request, *, exempt: bool) -> int:
        """It was asked while none was there.

        :param exempt: it may be any extension. :return: its place among those of its room; the first is 1.
        """
        self._asked[request] = exempt
        return sum(1 for other in self.asked() if other.room_id == request.room_id)

    def take(self) -> dict[Request, bool]:
        """All that were asked, in order, and whether it may be any extension."""
        asked, self._asked = self._asked, {}
        return asked

    def asked(self) -> list[Request]:
        """Those that are live, in order."""
        self._asked = {request: exempt for request, exempt in self._asked.items() if request.live}
        return list(self._asked)

    def lose(self, extension: str, requests: list[Request]) -> None:
        """That one, which has just gone, was sent these in vain."""
        self._lost[extension] = requests

    def take_lost(self, extension: str) -> list[Request]:
        """What that one was sent in vain, as far as it shall still answer it."""
        return [each for each in self._lost.pop(extension, ()) if each.live and each.awaits(extension)]

    def lost(self) -> Iterator[tuple[str, list[Request]]]:
        """As ``take_lost``, of each."""
        for extension, lost in self._lost.items():
            yield extension, [each for each in lost if each.live and each.awaits(extension)]
