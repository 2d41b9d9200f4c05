"""What is asked in a room over ``/api/v1``: as by Socket.IO, within the budget of who asks (B19)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from attrs import define, field
from zope.interface import implementer

from newage.domain.chat_question import estimated_tokens
from newage.domain.model import Caller
from newage.domain.request import Accepted, Ask, Request
from newage.errors import InvalidRequest, OverLimit, Unavailable
from newage.services.api.budgets import Budgets, Spending
from newage.services.api.usage import used
from newage.services.requests.intake import STOPPING, RequestService
from newage.services.streams.answers import Answer
from newage.services.streams.own_outputs import IAsker, OwnOutputs


@contextmanager
def too_much() -> Iterator[None]:
    """What is not taken on in here was too much of it.

    :raises OverLimit: it was, for a limit of Socket.IO's.
    """
    try:
        yield
    except OverLimit:
        raise
    except Unavailable as error:
        if str(error) == STOPPING:
            raise
        raise OverLimit(str(error), **error.members) from error


@implementer(IAsker)
@define(eq=False)
class _Asked:
    """One question until its end.

    :param tokens: of it. :param asker: who else wants to know.
    """

    _spending: Spending
    _tokens: int
    _asker: IAsker | None
    _answers: list[Answer] = field(factory=list, init=False)

    def output_opened(self, answer: Answer) -> None:
        if answer not in self._answers:
            self._answers.append(answer)
        if self._asker is not None:
            self._asker.output_opened(answer)

    def request_ended(self, request: Request, words: str | None) -> None:
        self._spending.end(sum(used(self._answers, self._tokens)) if self._answers else 0)
        if self._asker is not None:
            self._asker.request_ended(request, words)

    def hub_stops(self) -> None:
        self._spending.end(0)
        if self._asker is not None:
            self._asker.hub_stops()


@define(eq=False, kw_only=True)
class RoomQuestions:
    """A question spends from when it is asked until it is over, whether its asker waits for that or not. What nobody
    has let through when the hub stops spends nothing."""

    _requests: RequestService
    _own: OwnOutputs
    _budgets: Budgets

    async def submit(self, actor: Caller, ask: Ask, asker: IAsker | None = None) -> Accepted:
        """As ``RequestService.submit``.

        :param ask: with a ``request_id``. :param asker: is told what becomes of it, maybe before this is done.
        :raises OverLimit: it is too much, by the budget or by a limit of Socket.IO's.
        """
        tokens = estimated_tokens(len(ask.text))
        return await self._spend(actor, ask.request_id or "", tokens, lambda: self._requests.submit(actor, ask), asker)

    async def submit_queue(self, actor: Caller, room: str, request_id: str) -> Accepted:
        """As ``RequestService.submit_queue``; else as ``submit``."""
        return await self._spend(
            actor, request_id, 0, lambda: self._requests.submit_queue(actor, room, request_id), None
        )

    async def _spend(
        self,
        actor: Caller,
        request_id: str,
        tokens: int,
        begin: Callable[[], Awaitable[Accepted]],
        asker: IAsker | None,
    ) -> Accepted:
        if self._own.watches(actor.identity, request_id):
            raise InvalidRequest("Duplicate requestId.")
        spending = self._budgets.begin(actor)
        self._own.watch(actor.identity, request_id, _Asked(spending, tokens, asker))
        try:
            with too_much():
                return await begin()
        except BaseException:
            self._own.forget(actor.identity, request_id)
            spending.end(0)
            raise
