"""A model server as an extension inside the process: rooms are answered with no SillyTavern there.

It stands at the same ports as a connected extension, so policies, queues, cancelling and failing over hold for it, too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import uuid4

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from zope.interface import implementer

from newage.bridge.cards import Cards
from newage.bridge.model_call import ModelCall, Outcome
from newage.dialect.messages import FINISH
from newage.domain.card import LORE_SHARE
from newage.domain.ceilings import Ceiling, Ceilings
from newage.domain.character import Character
from newage.domain.chat import Characters
from newage.domain.chat_question import CHARS_PER_TOKEN
from newage.domain.completions import Fault, Piece, Usage
from newage.domain.details import Details
from newage.domain.ids import UPSTREAM_PREFIX
from newage.domain.model import Session
from newage.domain.prompt import (
    Budget,
    Line,
    asker,
    calibrated,
    conversation,
    estimated,
    options_of,
    prompt,
    wishes,
)
from newage.ports import ICharacters, IExtensionLink, Said
from newage.telemetry.quota import LogQuota, left_out
from newage.telemetry.redaction import Redaction

if TYPE_CHECKING:
    from treq.client import HTTPClient
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from newage.bridge.upstream_settings import Upstream, UpstreamSettings
    from newage.domain.forwarded import ForwardedRequest
    from newage.ports import IExtensionHost, IUpstream

FEATURES: Final = ("cancel",)
OFFERS: Final = "characters"  # where there are some
PRIORITY: Final = 1  # after those that connect, before what is only spare
SIGN_SECONDS: Final = 20.0  # after so long without a token its answer begins empty, as a sign that it is at work
MOST_BUSY_SECONDS: Final = 600.0  # a server that wants more is asked again after it
MARGIN_TOKENS: Final = 64  # of the context, for what templates add
SHOWN_CHARS: Final = 200  # of what a model server says of its error, to the operator
FULL: Final = "The model server is answering as many requests as it can at once."
NOTHING_ASKED: Final = "There is nothing to be answered."
NOTHING_SAID: Final = "The model said nothing."


@define(eq=False)
class _Answer:
    """One answer on its way."""

    request: ForwardedRequest
    said: Said  # what its packets name
    client: str  # whose it is
    lines: list[Line] = field(factory=list)
    estimate: float = 0.0  # of the tokens of its prompt
    timer: IDelayedCall | None = None  # until it is asked, or gives a sign
    call: ModelCall | None = None
    begun: bool = False
    halved: bool = False
    waited: bool = False  # since the server said that it was busy
    chunks: int = 0
    thoughts: int = 0
    chars: int = 0

    def stop(self) -> None:
        if self.timer is not None and self.timer.active():
            self.timer.cancel()
        if self.call is not None:
            self.call.stop()


def _random_id() -> str:
    return str(uuid4())


@implementer(IExtensionLink, ICharacters)
@define(eq=False, kw_only=True)
class UpstreamExtension:
    """
    :param wall: seconds since the epoch; says when it was plugged in.
    :param hub: where the answers go.
    :param cards: the characters that it may answer as: that of the request, else that of its settings.
    :param elsewhere: may another extension be asked instead, as long as nothing was said?
    :param new_id: makes stream and output ids.
    """

    LOGGED_PER_MINUTE: ClassVar[int] = 3  # of each fault
    _log: ClassVar[Logger] = Logger()

    upstream: Upstream
    _clock: IReactorTime
    _wall: Callable[[], float]
    _http: HTTPClient
    _hub: IUpstream
    _elsewhere: Callable[[ForwardedRequest], bool]
    _cards: Cards
    _new_id: Callable[[], str] = _random_id
    faults: Counter[Fault] = field(factory=Counter, init=False)  # how often what went wrong
    prompt_tokens: int = field(default=0, init=False)  # that its model was told, as far as that said so; else estimated
    _host: IExtensionHost | None = field(default=None, init=False)
    _sid: str = field(default="", init=False)
    _answers: dict[str, _Answer] = field(factory=dict, init=False)  # by requestId
    _busy_until: float = field(default=0.0, init=False)
    _rate: float = field(default=1.0, init=False)
    ceilings: Ceilings = field(init=False)
    _quotas: dict[Fault, LogQuota] = field(init=False)

    @ceilings.default
    def _make_ceilings(self) -> Ceilings:
        settings = self._settings
        together = Ceiling(requests=settings.requests_per_day, tokens=settings.tokens_per_day)
        each = Ceiling(requests=settings.requests_per_day_each, tokens=settings.tokens_per_day_each)
        return Ceilings(self.identity, together, each)

    @_quotas.default
    def _make_quotas(self) -> dict[Fault, LogQuota]:
        return {fault: LogQuota(self.LOGGED_PER_MINUTE, self._clock.seconds, seconds=60) for fault in Fault}

    @property
    def _settings(self) -> UpstreamSettings:
        return self.upstream.settings

    @property
    def identity(self) -> str:
        return UPSTREAM_PREFIX + self.upstream.name

    @property
    def answering(self) -> int:
        """How many answers are in progress."""
        return len(self._answers)

    def attach(self, host: IExtensionHost) -> None:
        """Plug in; a second call while attached does nothing."""
        if self._host is not None:
            return
        session = Session(
            client_id=self.identity,
            identity=self.identity,
            client_type="SillyTavern",
            desc=f"Model server: {self._settings.model}",
            connected_at=self._wall(),
        )
        self._host = host
        features = (*FEATURES, OFFERS) if self._cards.offered() else FEATURES
        self._sid = host.attach_extension(session, self, self._settings.capacity, features, PRIORITY)

    def detach(self) -> None:
        """Unplug and stop every answer where it is; the hub says what becomes of their requests (contract 5.8)."""
        host, self._host = self._host, None
        answers, self._answers = self._answers, {}
        for answer in answers.values():
            self._break_off(answer)
        if host is not None:
            host.detach_extension(self._sid)

    def forward(self, request: ForwardedRequest) -> None:
        """Begin on a later turn of the clock: the hub is still busy with this request."""
        if self._host is None or request.request_id in self._answers:
            return
        said = Said(self.identity, self._new_id(), self._new_id(), request.request_id)
        if len(self._answers) >= self._settings.capacity:
            self._hub.failed(said, FULL, Fault.BUSY.name.lower())
            return
        client = request.question.client_id if request.question is not None else ""
        answer = self._answers[request.request_id] = _Answer(request, said, client)
        answer.timer = self._clock.callLater(0, self._begin, answer)

    def stop(self, request_id: str, output_ids: Sequence[str], reason: str) -> Deferred[None]:
        answer = self._answers.pop(request_id, None)
        if answer is not None:
            self._break_off(answer)
        return succeed(None)

    def characters(self) -> Characters:
        return Characters(self._cards.offered(), self._settings.character)

    # -------------------------------------------------------------------------------------------------------- asking

    def _begin(self, answer: _Answer) -> None:
        now = self._clock.seconds()
        refusal = self.ceilings.refusal(answer.client, now)
        answer.lines = conversation(answer.request)
        if refusal is not None:
            self._fail(answer, refusal, "quota")
        elif not answer.lines:
            self._fail(answer, NOTHING_ASKED, "empty")
        else:
            self.ceilings.asked(answer.client, now)
            self._ask_in(answer, max(0.0, self._busy_until - now))

    def _ask_in(self, answer: _Answer, seconds: float) -> None:
        """The server does not want to be asked before."""
        if not seconds:
            self._ask(answer)
        elif seconds <= self._settings.wait_seconds and not self._elsewhere(answer.request):
            answer.timer = self._clock.callLater(seconds, self._ask, answer)
        else:
            self._fail_by(answer, Fault.BUSY)

    def _ask(self, answer: _Answer) -> None:
        settings = self._settings
        options = options_of(wishes(answer.request), min(settings.max_tokens, settings.context_tokens // 2))
        budget = Budget(tokens=settings.context_tokens - options["max_tokens"] - MARGIN_TOKENS, rate=self._rate)
        before, after = settings.system_prompt, ""
        card = self._cards.get(answer.request.character) or self._cards.get(settings.character)
        if card is not None:
            said = [line.text for line in answer.lines]
            most = int(budget.tokens * LORE_SHARE * CHARS_PER_TOKEN)
            before, after = card.instructions(asker(answer.request), before, said, most)
        lines = prompt(answer.lines, before, after, budget, halved=answer.halved)
        answer.estimate = estimated(lines)
        body: dict[str, Any] = {
            **settings.options,
            "model": settings.model,
            "messages": [line.wire() for line in lines],
            "stream": True,
            "stream_options": {"include_usage": True},
            settings.max_tokens_member: options.pop("max_tokens"),
            **options,
        }
        answer.call = ModelCall(
            self._clock,
            self._http,
            self.upstream,
            json.dumps(body).encode(),
            lambda piece: self._said(answer, piece),
            lambda outcome: self._over(answer, outcome),
        )
        answer.timer = self._clock.callLater(SIGN_SECONDS, self._open, answer)
        answer.call.start()

    def _character(self, request: ForwardedRequest) -> Details | None:
        """As whom it answers."""
        for name in (request.character, self._settings.character):
            card = self._cards.get(name)
            if card is not None:
                return Details(character=Character(name, card.name))
        return None

    # ------------------------------------------------------------------------------------------------------ answering

    def _open(self, answer: _Answer) -> None:
        if not answer.begun:
            answer.begun = True
            if answer.timer is not None and answer.timer.active():
                answer.timer.cancel()
            self._hub.stream_started(answer.said, self._character(answer.request))

    def _said(self, answer: _Answer, piece: Piece) -> None:
        self._open(answer)
        answer.chars += len(piece.text) + len(piece.reasoning)
        if piece.reasoning and self._is_on(answer):
            self._hub.stream_reasoning(answer.said, answer.thoughts, piece.reasoning)
            answer.thoughts += 1
        if piece.text and self._is_on(answer):
            self._hub.stream_data(answer.said, answer.chunks, piece.text)
            answer.chunks += 1

    def _is_on(self, answer: _Answer) -> bool:
        """It was not stopped by what the last call to the hub led to."""
        return self._answers.get(answer.request.request_id) is answer

    def _over(self, answer: _Answer, outcome: Outcome) -> None:
        answer.call = None
        if answer.timer is not None and answer.timer.active():
            answer.timer.cancel()
        self._count(answer, outcome)
        untouched = not answer.chars
        if outcome.fault is None and untouched:
            self._fail(answer, NOTHING_SAID, "empty")
        elif outcome.fault is None:
            del self._answers[answer.request.request_id]
            self._hub.stream_ended(answer.said, final=True, details=_details(outcome))
        elif outcome.fault is Fault.TOO_LONG and untouched and not answer.halved:
            answer.halved = True
            self._ask(answer)
        else:
            self._note(outcome)
            pause = min(outcome.retry_after or 0.0, MOST_BUSY_SECONDS)
            if outcome.fault is Fault.BUSY and pause:
                self._busy_until = self._clock.seconds() + pause
            if outcome.fault is Fault.BUSY and pause and untouched and not answer.waited:
                answer.waited = True
                self._ask_in(answer, pause)
            else:
                self._fail_by(answer, outcome.fault)

    def _count(self, answer: _Answer, outcome: Outcome) -> None:
        if outcome.fault is not None:
            self.faults[outcome.fault] += 1
        if outcome.usage is not None:
            self._rate = calibrated(self._rate, answer.estimate, outcome.usage.prompt)
            self._spend(answer, outcome.usage)
        elif answer.chars or outcome.fault is None:
            self._spend(answer, self._estimated(answer))

    def _estimated(self, answer: _Answer) -> Usage:
        return Usage(round(answer.estimate * self._rate), round(answer.chars / CHARS_PER_TOKEN))

    def _spend(self, answer: _Answer, cost: Usage) -> None:
        self.prompt_tokens += cost.prompt
        self.ceilings.used(answer.client, sum(cost), self._clock.seconds())

    def _break_off(self, answer: _Answer) -> None:
        """What the server has done of it until now costs, too: else whoever stops each answer shortly before its end
        has it for nothing."""
        if answer.call is not None:
            self._spend(answer, self._estimated(answer))
        answer.stop()

    def _note(self, outcome: Outcome) -> None:
        """One line for the operator, as far as its quota goes."""
        fault, reported = outcome.fault, outcome.reported
        unsaid = None if fault is None else self._quotas[fault].take()
        if fault is None or unsaid is None:
            return
        told = ""
        if reported is not None:  # the key before the cut: half of it would not be found any more
            hide = Redaction([self.upstream.key])
            told = f" It says: {hide(reported.code)} {hide(reported.text)[:SHOWN_CHARS]}"
        self._log.warn(
            "model server {upstream}: {words}{told}{more}",
            upstream=self.upstream.name,
            words=fault.words(self._settings.origin),
            told=told,
            more=left_out(unsaid),
        )

    def _fail_by(self, answer: _Answer, fault: Fault) -> None:
        words = fault.words(self._settings.origin)
        left = self._busy_until - self._clock.seconds()
        if fault is Fault.BUSY and left > 0:
            words += f" Ask again in {max(1, round(left))} s."
        self._fail(answer, words, fault.name.lower())

    def _fail(self, answer: _Answer, words: str, code: str) -> None:
        """What there is of it is kept, as failed; the hub asks another extension where it may."""
        del self._answers[answer.request.request_id]
        self._hub.failed(answer.said, words, code)


def _details(outcome: Outcome) -> Details | None:
    """Why it ended, and what it cost, where the server said so."""
    extra: dict[str, Any] = {}
    if outcome.finish:
        extra[FINISH] = outcome.finish
    if outcome.usage is not None:
        extra["usage"] = {"prompt_tokens": outcome.usage.prompt, "completion_tokens": outcome.usage.completion}
    return Details(extra=extra)
