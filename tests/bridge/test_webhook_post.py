"""One POST to a receiver outside: each way in which it can fail, its time limit, and that nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from attrs import define, field
from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError, DNSLookupError, TimeoutError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived
from zope.interface.verify import verifyObject

from deferreds import value
from modelkit import Line, ModelServer, TlsTransport
from newage.bridge.webhook_post import MAX_ANSWER_BYTES, WebhookPoster
from newage.domain.webhooks import Said
from newage.ports import IPoster

URL = "http://bot.test:1234/hook?a=b"
SECONDS = 20.0


@define(eq=False)
class Posting:
    clock: Clock = field(factory=Clock)
    server: ModelServer = field(init=False)
    poster: WebhookPoster = field(init=False)
    said: Deferred[Said] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.server = ModelServer(self.clock)
        self.poster = WebhookPoster(self.clock, self.server.agent())

    def begin(self, url: str = URL) -> Line | None:
        self.said = self.poster.post(url, {"webhook-id": "msg_1", "Content-Type": "application/json"}, b"{}", SECONDS)
        return self.server.lines[-1] if self.server.lines else None

    def line(self) -> Line:
        line = self.begin()
        assert line is not None
        return line


@pytest.fixture
def posting() -> Iterator[Posting]:
    posting = Posting()
    yield posting
    assert posting.said.called
    assert posting.clock.getDelayedCalls() == []
    assert not any(line.is_open for line in posting.server.lines)


def test_it_is_told_and_takes_it(posting: Posting) -> None:
    assert verifyObject(IPoster, posting.poster)
    line = posting.line()
    assert line.head.startswith("POST /hook?a=b HTTP/1.1")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in line.head.split("\r\n"))}
    assert headers["webhook-id"] == "msg_1"
    assert headers["content-length"] == "2"
    assert not {"cookie", "authorization", "accept-encoding"} & set(headers)
    assert line.body == {}
    line.begins("204 No Content")
    assert value(posting.said) == Said(204)


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        ("302 Found", {"Location": "http://elsewhere.test/"}, Said(302)),
        ("307 Temporary Redirect", {"Location": "http://elsewhere.test/"}, Said(307)),
        ("410 Gone", {}, Said(410)),
        ("429 Too Many", {"Retry_After": "7"}, Said(429, 7.0)),
        ("503 Busy", {"Retry_After": "Wed, 21 Oct 2026 07:28:00 GMT"}, Said(503)),
        ("500 Broken", {}, Said(500)),
    ],
)
def test_it_says_no(posting: Posting, status: str, headers: dict[str, str], said: Said) -> None:
    line = posting.line()
    line.whole(status, "no", **headers)
    assert value(posting.said) == said
    assert len(posting.server.lines) == 1  # nothing is followed


def test_a_huge_answer_is_not_read(posting: Posting) -> None:
    line = posting.line()
    line.begins("200 OK")
    for _ in range(MAX_ANSWER_BYTES // 8192 + 1):
        assert line.is_open
        line.says(b"x" * 8192)
    assert value(posting.said) == Said(200)


def test_one_that_closes_in_the_middle_of_its_answer_has_taken_it(posting: Posting) -> None:
    line = posting.line()
    line.begins("200 OK", Content_Length="99")
    line.says(b"half")
    line.hangs_up()
    assert value(posting.said) == Said(200)


def test_one_that_says_nothing(posting: Posting) -> None:
    posting.line()
    posting.clock.advance(SECONDS - 1)
    assert not posting.said.called
    posting.clock.advance(1)
    assert value(posting.said) == Said(why="did not answer within 20 seconds")


def test_one_whose_answer_never_ends(posting: Posting) -> None:
    line = posting.line()
    line.begins("200 OK")
    for _ in range(20):
        line.says(b".")
        posting.clock.advance(1)
    assert value(posting.said) == Said(200)


def test_one_whose_answer_never_ends_over_tls(posting: Posting) -> None:
    posting.server.transport = TlsTransport
    line = posting.line()
    line.begins("200 OK")
    posting.clock.advance(SECONDS)
    assert value(posting.said) == Said(200)


def test_one_of_a_name_that_tls_does_not_take(posting: Posting) -> None:
    posting.server.raises = UnicodeError("Codepoint U+005F at position 4 of 'bot_1' not allowed")
    assert posting.begin() is None
    assert value(posting.said) == Said(why="has a name that is not known")


def test_one_that_cannot_be_reached_in_time(posting: Posting) -> None:
    posting.server.held = True
    assert posting.begin() is None
    posting.clock.advance(SECONDS)
    assert value(posting.said).why == "did not answer within 20 seconds"
    assert posting.server.given_up == 1


def cut(why: Exception) -> Callable[[], Exception]:
    return lambda: ResponseNeverReceived([Failure(why)])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(), "does not run: the connection was refused"),
        (DNSLookupError(), "has a name that is not known"),
        (TimeoutError(), "could not be reached"),
        (ResponseNeverReceived([Failure(SSL.Error())]), "has no certificate that this machine trusts"),
        (ResponseNeverReceived([Failure(ConnectionLost())]), "closed the connection without an answer"),
        (ResponseNeverReceived([Failure(ConnectionDone())]), "closed the connection without an answer"),
        (KeyError("what it wrote"), "gave no answer that can be read (KeyError)"),
    ],
)
def test_there_is_no_answer(posting: Posting, error: Exception, words: str) -> None:
    posting.server.refuses = [error]
    posting.begin()
    said = value(posting.said)
    assert (said.status, said.why.startswith(words)) == (None, True)


def test_what_it_says_is_no_http(posting: Posting) -> None:
    line = posting.line()
    line.says(b"SSH-2.0-OpenSSH\r\n\r\n")
    assert value(posting.said).status is None


def test_nobody_wants_it_any_more(posting: Posting) -> None:
    posting.line()
    posting.said.addErrback(lambda failure: failure.trap(CancelledError) and None)
    posting.said.cancel()
