"""One question to a model server: each fault of it, timers, stopping, and that nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from attrs import define, field
from OpenSSL import SSL
from twisted.internet.error import ConnectionLost, ConnectionRefusedError, DNSLookupError, TimeoutError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived

from modelkit import URL, Line, ModelServer, TlsTransport
from newage.bridge.model_call import MAX_ERROR_BYTES, ModelCall, Outcome
from newage.bridge.upstream_settings import Upstream, UpstreamSettings
from newage.domain.completions import Fault, Piece, Usage
from newage.domain.secret import Secret


@define(eq=False)
class Asked:
    clock: Clock = field(factory=Clock)
    said: list[Piece] = field(factory=list)
    ends: list[Outcome] = field(factory=list)
    server: ModelServer = field(init=False)
    call: ModelCall = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.server = ModelServer(self.clock)
        self.make()

    def make(self, key: str = "sk-secret-1", **settings: object) -> None:
        upstream = Upstream(name="x", settings=UpstreamSettings(url=URL, **settings), key=Secret(key))  # type: ignore[arg-type]
        self.call = ModelCall(self.clock, self.server.http(), upstream, b'{"a": 1}', self.said.append, self.ends.append)

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.said)

    @property
    def fault(self) -> Fault | None:
        (end,) = self.ends
        return end.fault


@pytest.fixture
def asked() -> Iterator[Asked]:
    asked = Asked()
    yield asked
    assert len(asked.ends) <= 1
    asked.call.stop()
    assert asked.clock.getDelayedCalls() == []
    assert not any(line.is_open for line in asked.server.lines)


def test_a_stream(asked: Asked) -> None:
    asked.call.start()
    line = asked.server.line
    assert line.head.startswith("POST /v1/chat/completions HTTP/1.1")
    assert "Authorization: Bearer sk-secret-1" in line.head
    assert line.body == {"a": 1}
    line.begins()
    line.frames({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
    line.frames({"choices": [{"delta": {"reasoning_content": "hm"}}]})
    line.says(b": keep-alive\n\n")
    line.tokens("Hel", "lo")
    assert asked.said == [Piece(reasoning="hm"), Piece(text="Hel"), Piece(text="lo")]
    assert not asked.ends
    line.done(7, 3)
    assert asked.ends == [Outcome(finish="stop", usage=Usage(7, 3))]


def test_no_key_no_header(asked: Asked) -> None:
    asked.make(key="")
    asked.call.start()
    assert "uthorization" not in asked.server.line.head


def test_what_comes_at_once_is_one_piece(asked: Asked) -> None:
    asked.call.start()
    asked.server.line.begins()
    asked.server.line.says(b"".join(b'data: {"choices":[{"delta":{"content":"%d"}}]}\n\n' % n for n in range(9)))
    assert asked.said == [Piece(text="012345678")]


def test_a_server_that_does_not_stream(asked: Asked) -> None:
    asked.call.start()
    choice = {"message": {"content": "All.", "reasoning_content": "hm"}, "finish_reason": "length"}
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    asked.server.line.whole("200 OK", {"choices": [choice], "usage": usage})
    assert asked.said == [Piece("All.", "hm")]
    assert asked.ends == [Outcome(finish="length", usage=Usage(1, 2))]


def whole(value: object, status: str = "200 OK", **headers: str) -> Callable[[Line], None]:
    return lambda line: line.whole(status, value, **headers)


def stream(*steps: object) -> Callable[[Line], None]:
    def play(line: Line) -> None:
        line.begins()
        line.tokens("Half")
        for step in steps:
            if isinstance(step, bytes):
                line.says(step)
            else:
                line.frames(step)
        if line.is_open:
            line.hangs_up()

    return play


def html(line: Line) -> None:
    line.begins(kind="text/html")


def huge_error(line: Line) -> None:
    line.begins("500 Oops", "text/plain")
    line.says(b"x" * (MAX_ERROR_BYTES + 1))


TOO_LONG = {"error": {"code": 400, "type": "exceed_context_size_error", "message": "too long"}}
FAULTS: dict[str, tuple[Callable[[Line], None], Fault]] = {
    "401": (whole({}, "401 No"), Fault.KEY),
    "403": (whole([], "403 No"), Fault.KEY),
    "404": (whole(None, "404 No"), Fault.MODEL),
    "429": (whole({}, "429 Slow", Retry_After="7"), Fault.BUSY),
    "503": (whole({}, "503 Later"), Fault.BUSY),
    "400": (whole({"error": "x"}, "400 No"), Fault.REFUSED),
    "400 of llama.cpp": (whole(TOO_LONG, "400 No"), Fault.TOO_LONG),
    "a redirect": (whole({}, "307 There", Location="http://evil.test/"), Fault.MOVED),
    "html": (html, Fault.STRANGE),
    "a huge error": (huge_error, Fault.BUSY),
    "JSON that says nothing": (whole({"a": 1}), Fault.STRANGE),
    "an error as success": (whole({"error": {"message": "x"}}), Fault.BROKE),
    "a cut": (stream(), Fault.CUT),
    "an end without a reason": (stream(b"\n"), Fault.CUT),
    "garbage": (stream(b"data: {not json\n\n", b"\x00\xff\n\n", b"data: 7\n\n"), Fault.CUT),
    "an error frame": (stream({"error": {"code": 500, "message": "broke"}}), Fault.BROKE),
    "an error frame about length": (stream(TOO_LONG), Fault.TOO_LONG),
    "a huge line": (stream(b"data: " + b"x" * 1_048_577), Fault.STRANGE),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults(asked: Asked, fault: str) -> None:
    play, expected = FAULTS[fault]
    asked.call.start()
    play(asked.server.line)
    assert asked.fault is expected
    assert len(asked.server.lines) == 1, "it is not asked again, and no other address is"
    assert asked.text == ("Half" if play.__qualname__.startswith("stream") else "")
    assert asked.ends[0].retry_after == (7.0 if fault == "429" else None)


def test_upstream_redirect_not_followed(asked: Asked) -> None:
    asked.call.start()
    asked.server.line.whole("308 There", {}, Location="http://evil.test/v1/chat/completions")
    assert asked.fault is Fault.MOVED
    assert len(asked.server.lines) == 1


def test_half_of_an_answer_in_one_piece(asked: Asked) -> None:
    asked.call.start()
    asked.server.line.begins(kind="application/json", Content_Length="99")
    asked.server.line.says(b'{"choices":[{"message":')
    asked.server.line.hangs_up()
    assert asked.fault is Fault.CUT


def test_a_last_event_without_its_end_counts(asked: Asked) -> None:
    asked.call.start()
    asked.server.line.begins()
    asked.server.line.tokens("All")
    asked.server.line.says(b"data: [DONE]")
    asked.server.line.hangs_up()
    assert asked.fault is None


def test_too_much(asked: Asked) -> None:
    asked.make(max_answer_bytes=5)
    asked.call.start()
    asked.server.line.begins()
    asked.server.line.tokens("12345")
    assert not asked.ends
    asked.server.line.tokens("6")
    assert (asked.text, asked.fault) == ("12345", Fault.TOO_MUCH)


def test_too_much_in_one_piece(asked: Asked) -> None:
    asked.make(max_answer_bytes=5)
    asked.call.start()
    asked.server.line.whole("200 OK", {"choices": [{"message": {"content": "123456"}}]})
    assert asked.fault is Fault.TOO_MUCH


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionRefusedError(), Fault.AWAY),
        (DNSLookupError(), Fault.AWAY),
        (TimeoutError(), Fault.AWAY),
        (ResponseNeverReceived([Failure(SSL.Error())]), Fault.TLS),
        (ValueError(), Fault.STRANGE),
    ],
)
def test_no_connection(asked: Asked, error: Exception, expected: Fault) -> None:
    asked.server.refuses = [error]
    asked.call.start()
    assert asked.fault is expected


def test_what_is_no_http(asked: Asked) -> None:
    asked.call.start()
    asked.server.line.says(b"SSH-2.0-OpenSSH\r\n\r\n")
    assert asked.fault is Fault.STRANGE


def test_asked_once_more_where_not_a_byte_came(asked: Asked) -> None:
    asked.call.start()
    asked.server.line.hangs_up(ConnectionLost())
    assert (len(asked.server.lines), asked.ends) == (2, [])
    asked.server.line.begins()
    asked.server.line.tokens("Yes")
    asked.server.line.done()
    assert (asked.text, asked.fault) == ("Yes", None)


def test_and_only_once(asked: Asked) -> None:
    asked.call.start()
    asked.server.line.hangs_up()
    asked.server.line.hangs_up()
    assert (len(asked.server.lines), asked.fault) == (2, Fault.CUT)


def test_it_says_nothing(asked: Asked) -> None:
    asked.make(first_byte_seconds=9, between_seconds=2, total_seconds=100)
    asked.call.start()
    asked.clock.advance(8.9)
    assert not asked.ends
    asked.clock.advance(0.2)
    assert asked.fault is Fault.NO_SIGN


def test_headers_are_no_sign(asked: Asked) -> None:
    asked.make(first_byte_seconds=9, between_seconds=2, total_seconds=100)
    asked.call.start()
    asked.server.line.begins()
    asked.clock.advance(9)
    assert asked.fault is Fault.NO_SIGN


def test_it_falls_silent(asked: Asked) -> None:
    asked.make(first_byte_seconds=9, between_seconds=2, total_seconds=100)
    asked.call.start()
    asked.server.line.begins()
    asked.server.line.tokens("Half")
    for _ in range(3):
        asked.clock.advance(1.9)
        asked.server.line.says(b": still here\n\n")
    assert not asked.ends
    asked.clock.advance(2)
    assert (asked.text, asked.fault) == ("Half", Fault.SILENT)


def test_silence_after_the_end_of_a_text_is_an_end(asked: Asked) -> None:
    asked.call.start()
    asked.server.line.begins()
    asked.server.line.tokens("All")
    asked.server.line.frames({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    asked.clock.advance(60)
    assert asked.fault is None


def test_it_takes_too_long(asked: Asked) -> None:
    asked.make(between_seconds=2, total_seconds=5)
    asked.call.start()
    asked.server.line.begins()
    for _ in range(5):
        asked.server.line.tokens("x")
        asked.clock.advance(1)
    assert (asked.text, asked.fault) == ("xxxxx", Fault.TOO_SLOW)


def test_stopped_before_it_is_connected(asked: Asked) -> None:
    asked.server.held = True
    asked.call.start()
    asked.call.stop()
    assert (asked.server.given_up, asked.ends) == (1, [])


def test_stopped_over_tls_though_the_server_goes_on(asked: Asked) -> None:
    asked.server.transport = TlsTransport
    asked.call.start()
    line = asked.server.line
    line.begins()
    line.tokens("a")
    asked.call.stop()
    assert not line.is_open


def test_a_name_that_tls_does_not_take(asked: Asked) -> None:
    asked.server.raises = UnicodeError("Codepoint U+005F at position 6 of 'model_1' not allowed")
    asked.call.start()
    assert asked.fault is Fault.AWAY


def test_stopped_before_the_headers(asked: Asked) -> None:
    asked.call.start()
    asked.call.stop()
    assert not asked.server.line.is_open
    assert not asked.ends


def test_stopped_in_the_middle(asked: Asked) -> None:
    asked.call.start()
    asked.server.line.begins()
    asked.server.line.tokens("Half")
    asked.call.stop()
    assert not asked.server.line.is_open
    assert (asked.text, asked.ends) == ("Half", [])


def test_stopped_by_who_hears_it(asked: Asked) -> None:
    upstream = Upstream(name="x", settings=UpstreamSettings(url=URL))
    asked.call = ModelCall(
        asked.clock, asked.server.http(), upstream, b"{}", lambda piece: asked.call.stop(), asked.ends.append
    )
    asked.call.start()
    asked.server.line.begins()
    asked.server.line.says(b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
    assert not asked.ends


def test_the_key_is_in_no_repr(asked: Asked) -> None:
    upstream = Upstream(name="x", settings=UpstreamSettings(), key=Secret("sk-secret-1"))
    assert "sk-secret-1" not in repr(upstream) + repr(asked.call) + f"{upstream.key}"
