"""The demo extension: an extension inside the process that answers without a model (``twistd newage --demo``).

It stands where a connected extension stands: the hub forwards requests to its ``IExtensionLink``, it streams answers
through ``IUpstream`` (contract 5.4, 5.6; one stream per output, ``final`` on its end). What will speak to a real model
from inside the process takes the same place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from zope.interface import implementer

from newage.bridge.demo_text import answer_to, tokens_of
from newage.domain.model import SPARE, Session
from newage.ports import IExtensionLink, Said
from newage.settings import limit

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from newage.domain.forwarded import ForwardedRequest
    from newage.ports import IExtensionHost, IUpstream

IDENTITY = "SillyTavern-demo"
FEATURES = ("cancel",)
BUSY = "The demo is answering as many requests as it can at once; ask again in a moment."


@frozen(kw_only=True)
class DemoSettings:
    """Pace and bounds of the demo extension."""

    token_interval_ms: int = limit(40, "milliseconds between two tokens of an answer")
    first_token_ms: int = limit(300, "milliseconds before an answer's first token", least=0)
    max_answers: int = limit(16, "answers in progress at once; a request beyond fails")
    quote_chars: int = limit(160, "characters of the question that an answer quotes", least=8)


@define(eq=False)
class _Answer:
    """One answer on its way."""

    said: Said  # what its packets name
    tokens: Iterator[tuple[int, str]]
    timer: IDelayedCall | None = None


def _random_id() -> str:
    return str(uuid4())


@implementer(IExtensionLink)
@define(eq=False)
class DemoExtension:
    """Answers every forwarded request with a streamed text that says where it comes from.

    :param clock: every token is one ``callLater``.
    :param wall: seconds since the epoch; says when it was plugged in.
    :param upstream: where the answers go.
    :param new_id: makes stream and output ids.
    """

    _log: ClassVar[Logger] = Logger()
    _clock: IReactorTime
    _wall: Callable[[], float]
    _upstream: IUpstream
    _settings: DemoSettings = field(factory=DemoSettings)
    _new_id: Callable[[], str] = _random_id
    _host: IExtensionHost | None = field(default=None, init=False)
    _sid: str = field(default="", init=False)
    _answers: dict[str, _Answer] = field(factory=dict, init=False)  # by requestId

    def attach(self, host: IExtensionHost) -> None:
        """Plug in; a second call while attached does nothing."""
        if self._host is not None:
            return
        session = Session(
            client_id=IDENTITY,
            identity=IDENTITY,
            client_type="SillyTavern",
            desc="Built-in demo: echoes with a little wit, no model involved",
            connected_at=self._wall(),
        )
        self._host = host
        self._sid = host.attach_extension(session, self, self._settings.max_answers, FEATURES, SPARE)

    def detach(self) -> None:
        """Unplug and stop every answer where it is; the hub says what becomes of their requests (contract 5.8)."""
        host, self._host = self._host, None
        answers, self._answers = self._answers, {}
        for answer in answers.values():
            if answer.timer is not None:
                answer.timer.cancel()
        if host is not None:
            host.detach_extension(self._sid)

    @property
    def answering(self) -> int:
        """How many answers are in progress."""
        return len(self._answers)

    def forward(self, request: ForwardedRequest) -> None:
        """Begin an answer on a later turn of the clock: the hub is still busy with this request."""
        if self._host is None:
            return
        if request.request_id in self._answers:
            return
        if len(self._answers) >= self._settings.max_answers:
            self._log.info("demo extension is full at {count} answers", count=len(self._answers))
            self._upstream.failed(Said(IDENTITY, request=request.request_id), BUSY, BUSY)
            return
        text = answer_to(
            request.text,
            again=request.request_type == "regenerateMessage",
            quote_chars=self._settings.quote_chars,
        )
        said = Said(IDENTITY, self._new_id(), self._new_id(), request.request_id)
        answer = self._answers[request.request_id] = _Answer(said, enumerate(tokens_of(text)))
        answer.timer = self._clock.callLater(self._settings.first_token_ms / 1000, self._start, answer)

    def stop(self, request_id: str, output_ids: Sequence[str], reason: str) -> Deferred[None]:
        answer = self._answers.pop(request_id, None)
        if answer is not None and answer.timer is not None:
            answer.timer.cancel()
            answer.timer = None
        return succeed(None)

    def _start(self, answer: _Answer) -> None:
        answer.timer = None
        self._upstream.stream_started(answer.said)
        self._next(answer)

    def _next(self, answer: _Answer) -> None:
        """Send one token; the end takes the interval after the last one, as a model's would."""
        request_id = answer.said.request or ""
        if self._answers.get(request_id) is not answer:
            return  # detached by what the last call to the hub led to
        token = next(answer.tokens, None)
        if token is None:
            del self._answers[request_id]
            self._upstream.stream_ended(answer.said, final=True)
            return
        answer.timer = self._clock.callLater(self._settings.token_interval_ms / 1000, self._next, answer)
        self._upstream.stream_data(answer.said, *token)
