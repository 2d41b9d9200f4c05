"""Requests that go on after an answer, because its extension has said that others follow (contract 5.6, groups)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from newage.domain.request import Request
from newage.services.streams.answers import Answer


@define(eq=False)
class Unfinished:
    """Those of one extension, each with its last answer so far.

    :param fail: told of one whose page went, when nothing was heard of it since for as long as the page is waited for.
    """

    _identity: str
    _clock: IReactorTime
    _fail: Callable[[Request], None]
    answers: dict[Request, Answer] = field(factory=dict, init=False)  # to be read where each token is looked at
    _losses: dict[Request, IDelayedCall] = field(factory=dict, init=False)  # of those whose page went

    def __iter__(self) -> Iterator[Request]:
        return iter(list(self.answers))

    @property
    def live(self) -> bool:
        """Is one of them waited for?"""
        return any(request.live for request in self.answers)

    def put(self, answer: Answer) -> None:
        """Others follow this one. What ended otherwise meanwhile is not kept for it."""
        for request in self:
            if not request.live:
                self.take(request)
        self.answers[answer.request] = answer

    def take(self, request: Request) -> Answer | None:
        """It is not one of them any more; not having been one is fine. :return: its last answer."""
        loss = self._losses.pop(request, None)
        if loss is not None:
            loss.cancel()
        return self.answers.pop(request, None)

    def is_last(self, answer: Answer) -> bool:
        """Were others to follow this one, and none has ended since?"""
        return self.answers.get(answer.request) is answer

    def page_lost(self, sid: str, grace: float) -> None:
        """That socket went. What was asked there fails, unless something is heard of it within so many seconds."""
        now = self._clock.seconds()
        for request in self:
            if request.places.get(self._identity) == sid and request not in self._losses:
                self._losses[request] = self._clock.callLater(grace, self._unheard_of, request, now)

    def close(self) -> None:
        """Nothing is waited for any more."""
        for loss in self._losses.values():
            loss.cancel()
        self._losses.clear()

    def _unheard_of(self, request: Request, since: float) -> None:
        del self._losses[request]
        if request.active_at <= since:
            del self.answers[request]
            self._fail(request)
