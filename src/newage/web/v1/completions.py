"""``POST /v1/chat/completions``, ``/v1/completions``, and taking one back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.dialect import openai
from newage.dialect.openai import Completion
from newage.domain.chat_question import ChatQuestion, parse_chat, parse_completion
from newage.domain.model_names import ModelName
from newage.errors import NewAgeError, NotFound
from newage.services.accounts.api_limits import ApiSettings
from newage.services.api.asking import ApiAsking
from newage.services.api.budgets import Budgets, Spending
from newage.services.api.models import Models
from newage.services.sessions.presence import Presence, Stay
from newage.services.world import World
from newage.web.json_api import Exchange
from newage.web.responses import header_text
from newage.web.v1.answering import Answering, Asked
from newage.web.v1.door import Door
from newage.web.v1.refusals import model_not_found
from newage.web.v1.streaming import Streamed

_log = Logger()

CHAT: Final = "chatcmpl-"
LEGACY: Final = "cmpl-"
_USER_NAME: Final = b"X-OpenWebUI-User-Name"
_ON_DISCONNECT: Final = b"X-Newage-On-Disconnect"


@define(eq=False)
class _Visit:
    """Somebody who is here for one answer. ``finishes``: it shall be given also when he goes meanwhile."""

    _asking: ApiAsking
    _spending: Spending
    _request_id: str
    _finishes: bool
    answering: Answering | None = None
    stay: Stay | None = None
    model: ModelName = field(factory=ModelName)

    def leave(self) -> None:
        """He has his answer, or will never have it."""
        self._spending.end(self.answering.used_tokens if self.answering is not None else 0)
        if self.stay is not None:
            self._asking.forget(self.stay.caller, self._request_id)
            self.stay.leave()

    def cancel(self) -> None:
        """Nobody waits for it here any more; where others hear it, it goes on. He is present for as long as it does."""
        if self.stay is not None and not (self._finishes or self._asking.is_watched(self.stay.caller, self.model)):
            cancelled = Deferred.fromCoroutine(self._asking.cancel(self.stay.caller, self._request_id))
            cancelled.addErrback(self._not_cancelled)

    def _not_cancelled(self, failure: Failure) -> None:
        """There is no such request (any more)."""
        self.leave()
        if not isinstance(failure.value, NewAgeError):
            _log.failure("an answer that nobody waits for could not be cancelled", failure)


@define(eq=False, kw_only=True)
class CompletionPaths:
    _door: Door
    _presence: Presence
    _models: Models
    _asking: ApiAsking
    _budgets: Budgets
    _world: World
    _settings: ApiSettings

    async def chat(self, exchange: Exchange) -> None:
        await self._complete(exchange, partial(parse_chat, most_messages=self._settings.max_messages), CHAT)

    async def legacy(self, exchange: Exchange) -> None:
        await self._complete(exchange, parse_completion, LEGACY)

    async def cancel(self, exchange: Exchange) -> None:
        """An answer that is under way; its stream ends as it should."""
        caller = await self._door.caller(exchange)
        completion_id = exchange.values["id"]
        try:
            done = await self._asking.cancel(caller, completion_id.removeprefix(CHAT).removeprefix(LEGACY))
        except NotFound as error:
            raise NotFound("There is no completion of that id that is yours.") from error
        exchange.answer(200, openai.cancelled(completion_id, done.state))

    async def _complete(
        self, exchange: Exchange, parse: Callable[[Mapping[str, Any]], ChatQuestion], prefix: str
    ) -> None:
        caller = await self._door.caller(exchange)
        question = self._named(exchange, parse(exchange.body()))
        request_id = self._world.new_id()
        completion = Completion(
            id=prefix + request_id,
            model=question.model,
            created=int(self._world.wall()),
            legacy=prefix == LEGACY,
            usage=question.usage,
        )
        asked = Asked(
            exchange=exchange, question=question, completion=completion, world=self._world, settings=self._settings
        )
        finishes = (header_text(exchange.request, _ON_DISCONNECT) or "").strip().lower() == "finish"
        visit = _Visit(self._asking, self._budgets.begin(caller), request_id, finishes)
        answering = (Streamed if question.stream else Answering)(asked, visit.leave, visit.cancel)
        visit.answering = answering
        try:
            visit.stay = stay = self._presence.enter(caller, answering.put_out)
        except NewAgeError:
            visit.leave()
            raise
        exchange.request.responseHeaders.setRawHeaders(b"X-Request-Id", [request_id.encode()])
        exchange.request.notifyFinish().addErrback(lambda _: answering.lost())
        try:
            with model_not_found():
                visit.model = model = await self._models.meant(stay.caller, question.model)
            if answering.is_over:  # he went meanwhile
                visit.leave()
                return
            await self._asking.ask(stay.caller, model, question, request_id, answering, self._settings.max_tokens)
        except BaseException:
            answering.over()
            visit.leave()
            raise
        answering.begin()

    def _named(self, exchange: Exchange, question: ChatQuestion) -> ChatQuestion:
        """For whom a program speaks that knows several people."""
        shown = header_text(exchange.request, _USER_NAME)
        return evolve(question, user=unquote(shown)) if shown else question
