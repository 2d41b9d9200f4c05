"""Extensions inside the process, for the kit: the reference one as it was captured, and those that follow the docs.

A double never answers by itself: a test moves it on, one packet after the other. Every answer consists of one character
that stands for its question, whichever way it is cut; ``answer_to`` makes it from the question's text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from hubkit import Kit
from newage.domain.forwarded import ForwardedRequest
from newage.ports import IExtensionLink, Said

LENGTH = 7  # characters of an answer
SECRET = re.compile("[\ue000-\uf8ff]")


def question(secret: str) -> str:
    return f"What about {secret}?"


def secrets_in(text: str) -> set[str]:
    """The secrets that a text holds; they are of the private use area."""
    return set(SECRET.findall(text))


def answer_to(text: str) -> str:
    (secret,) = secrets_in(text)
    return secret * LENGTH


@define(eq=False)
class Job:
    """One answer on its way. ``said`` counts its tokens."""

    request: ForwardedRequest
    began_at: float
    output_id: str
    stream_id: str = ""
    said: int = 0
    anew: bool = False

    @property
    def request_id(self) -> str:
        return self.request.request_id


@implementer(IExtensionLink)
@define(eq=False)
class ReferenceDouble:
    """What the reference extension does (contract 0.2, 2.3, 5.5, 5.6; captures of it):

    its listener is registered twice, so each request comes twice; it works on one and drops what comes meanwhile; an
    answer is a stream for each token, of five pieces, under one outputId and without a requestId or with one of its
    own, or one ``message`` with fresh ids; nothing says that an answer is over; a failure is said twice, with the
    right requestId.
    """

    kit: Kit
    identity: str
    job: Job | None = None
    busy: bool = False  # somebody at its desk generates
    dropped: list[str] = field(factory=list)  # secrets of questions

    def forward(self, request: ForwardedRequest) -> None:
        for _ in range(2):
            self._heard(request)

    def stop(self, request_id: str, output_ids: Sequence[str], reason: str) -> Deferred[None]:
        return succeed(None)

    def _heard(self, request: ForwardedRequest) -> None:
        if self.busy or self.job is not None:
            self.dropped.append(next(iter(secrets_in(request.text))))
        else:
            self.job = Job(request, self.kit.clock.seconds(), self.kit.new_id())

    def token(self, *, labelled: bool = False) -> None:
        """The next token of the answer, with a requestId that nobody knows or with none."""
        assert self.job is not None
        self.job.said += 1
        request_id = self.kit.new_id() if labelled else None
        self.kit.token(
            answer_to(self.job.request.text), self.job.output_id, extension=self.identity, request_id=request_id
        )

    def begin_anew(self) -> None:
        """Right after a token the same answer once more, under another outputId; once for each that did not pause."""
        assert self.job is not None
        if not self.job.anew and self.kit.clock.seconds() - self.job.began_at < 50:
            self.token()
            self.job.output_id, self.job.anew = self.kit.new_id(), True
            self.token()

    def finish(self) -> None:
        """The answer is over; a streamed one just stops, the other is said now."""
        job, self.job = self.job, None
        if job is not None and not job.said:
            text = answer_to(job.request.text)
            self.kit.streams.answered(Said(self.identity, output=job.output_id, request=self.kit.new_id()), text)

    def fail(self) -> None:
        job, self.job = self.job, None
        if job is not None:
            for _ in range(2):
                self.kit.streams.failed(
                    Said(self.identity, request=job.request_id), "生成文本时出错", "Got response status 500"
                )

    def reload(self) -> None:
        """Another page: what the old one was at is lost."""
        self.job = None


@implementer(IExtensionLink)
@define(eq=False)
class LabellingDouble:
    """One that names the request it answers, works on several at once and is careless with its other ids.

    ``pick`` chooses a streamId or outputId: as likely as not one that is in use for something else.
    """

    kit: Kit
    identity: str
    pick: Callable[[str], str]
    jobs: list[Job] = field(factory=list)

    def forward(self, request: ForwardedRequest) -> None:
        self.jobs.append(Job(request, self.kit.clock.seconds(), self.pick("o"), self.pick("s")))

    def stop(self, request_id: str, output_ids: Sequence[str], reason: str) -> Deferred[None]:
        return succeed(None)

    def begin(self, job: Job) -> None:
        self.kit.streams.stream_started(Said(self.identity, job.stream_id, job.output_id, job.request_id))

    def token(self, job: Job, *, twice: bool = False) -> None:
        """The next chunk, perhaps sent again."""
        for _ in range(1 + twice):
            self.kit.streams.stream_data(
                Said(self.identity, job.stream_id, job.output_id, job.request_id), job.said, answer_to(job.request.text)
            )
        job.said += 1

    def end(self, job: Job, *, final: bool | None) -> None:
        self.jobs.remove(job)
        self.kit.streams.stream_ended(Said(self.identity, job.stream_id, job.output_id, job.request_id), final)

    def message(self, job: Job, *, twice: bool = False) -> None:
        """The whole answer in one piece, perhaps sent again."""
        self.jobs.remove(job)
        for _ in range(1 + twice):
            self.kit.streams.answered(
                Said(self.identity, output=job.output_id, request=job.request_id), answer_to(job.request.text)
            )

    def fail(self, job: Job) -> None:
        self.jobs.remove(job)
        self.kit.streams.failed(Said(self.identity, request=job.request_id), "no", None)

    def fail_stream(self, job: Job) -> None:
        self.jobs.remove(job)
        self.kit.streams.stream_failed(Said(self.identity, job.stream_id, job.output_id, job.request_id))

    def reload(self) -> None:
        self.jobs.clear()
