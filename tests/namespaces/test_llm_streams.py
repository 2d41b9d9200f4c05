"""The streams of ``/llm``: what extensions send, and what a reader of ``$stream`` says (contract 5.5-5.8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hubkit import HandSocket, Kit, handled
from newage.domain.character import Character
from newage.domain.details import Details
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.llm_streams import UpstreamEvents
from newage.ports import Said
from newage.protocol.socket_packet import UNREAD

X = "SillyTavern-8000"


def errors(kit: Kit, socket: HandSocket) -> list[str]:
    return [body["message"] for body in kit.outbox.bodies(socket.sid, "ERROR")]


# ------------------------------------------------------------------------------------------------------------ upstream


@pytest.mark.parametrize("prefix", ["CLIENT_STREAM", "STREAM"])
def test_the_captured_token_arrives(
    kit: Kit, llm: Namespace, web: HandSocket, extension: HandSocket, prefix: str
) -> None:
    handled(llm, web, "LLM_REQUEST", {"requestId": "r1", "message": "hi"})
    base = {"streamId": "438d", "outputId": "ba71", "target": "server"}
    packets: list[tuple[str, dict[str, Any]]] = [
        ("START", {"type": 1, "numStreams": 5}),
        ("DATA_FIRST", {"type": 4, "chunkIndex": 0, "data": "H"}),
        ("DATA_MIDDLE", {"type": 5, "chunkIndex": 1, "data": "i"}),
        ("DATA_MIDDLE", {"type": 5, "chunkIndex": 2, "data": " "}),
        ("DATA_MIDDLE", {"type": 5, "chunkIndex": 3, "data": "\ud83d"}),
        ("DATA_RETRY", {"type": 7, "chunkIndex": 2, "data": " "}),
        ("DATA_LAST", {"type": 6, "chunkIndex": 4, "data": "\ude00"}),
        ("END", {"type": 3, "final": True}),
    ]
    for event, more in packets:
        assert handled(llm, extension, f"{prefix}_{event}", {**base, **more}) is None
    chunks = [body["data"] for body in kit.outbox.bodies(web.sid, "SERVER_STREAM_DATA")]
    assert chunks == ["H", "i", " ", "\U0001f600"]
    assert [m.text for m in kit.responses("web1")] == ["Hi \U0001f600"]


@pytest.mark.parametrize(("mode", "stored"), [("output", 1), ("token", 0), ("", 0)])
def test_a_declared_mode_says_what_an_end_means(
    kit: Kit, llm: Namespace, web: HandSocket, make_extension: Callable[..., HandSocket], mode: str, stored: int
) -> None:
    socket = make_extension(stream_mode=mode)
    handled(llm, web, "LLM_REQUEST", {"requestId": "r1", "message": "hi"})
    handled(llm, socket, "CLIENT_STREAM_DATA_FIRST", {"streamId": "s", "outputId": "o", "data": "x"})
    kit.clock.advance(0.1)
    handled(llm, socket, "CLIENT_STREAM_END", {"streamId": "s"})
    assert len(kit.responses("web1")) == stored


def test_token_mode_never_takes_a_long_stream_for_an_output(
    kit: Kit, llm: Namespace, web: HandSocket, make_extension: Callable[..., HandSocket]
) -> None:
    socket = make_extension(stream_mode="token")
    handled(llm, web, "LLM_REQUEST", {"requestId": "r1", "message": "hi"})
    for index in range(12):
        handled(
            llm,
            socket,
            "CLIENT_STREAM_DATA_MIDDLE",
            {"streamId": "s", "outputId": "o", "chunkIndex": index, "data": "x"},
        )
    handled(llm, socket, "CLIENT_STREAM_END", {"streamId": "s"})
    assert kit.responses("web1") == []


def test_an_error_of_the_extension_fails_its_request(
    kit: Kit, llm: Namespace, web: HandSocket, extension: HandSocket
) -> None:
    handled(llm, web, "LLM_REQUEST", {"requestId": "r1", "message": "hi"})
    for _ in range(2):
        handled(
            llm, extension, "ERROR", {"type": "ERROR", "message": "no", "error": "boom", "requestId": "r1"}, ack=False
        )
    body = kit.outbox.bodies(web.sid, "ERROR")[0]
    assert (body["message"], body["error"], body["source"]) == ("no", "boom", X)
    assert errors(kit, web) == ["no"]


def test_an_error_without_words_gets_some(kit: Kit, llm: Namespace, web: HandSocket, extension: HandSocket) -> None:
    handled(llm, web, "LLM_REQUEST", {"requestId": "r1", "message": "hi"})
    handled(llm, extension, "ERROR", {"message": {"a": 1}, "error": {"b": 2}, "requestId": "r1"})
    assert errors(kit, web) == ["The extension reported an error."]


def test_a_failed_chunk_fails_the_output(kit: Kit, llm: Namespace, web: HandSocket, extension: HandSocket) -> None:
    handled(llm, web, "LLM_REQUEST", {"requestId": "r1", "message": "hi"})
    handled(llm, extension, "CLIENT_STREAM_START", {"streamId": "s"})
    handled(llm, extension, "CLIENT_STREAM_DATA_FAILED", {"streamId": "s"})
    assert kit.statuses(web.sid)[-1] == "failed"


@pytest.mark.parametrize("asker", ["web", "extension"])
def test_the_health_question_is_answered_to_who_asked(
    kit: Kit, llm: Namespace, web: HandSocket, extension: HandSocket, asker: str
) -> None:
    socket = {"web": web, "extension": extension}[asker]
    handled(
        llm,
        socket,
        "message",
        {"type": 0, "data": "Connection active?", "requestId": "q", "source": "client"},
        ack=False,
    )
    answer = kit.outbox.bodies(socket.sid, "message")[0]
    assert len(answer.pop("outputId")) == 36
    assert answer == {"type": 0, "data": "Yes,connection is fine.", "source": "server", "requestId": "q"}
    assert sum(sent.event == "message" for sent in kit.outbox.sent) == 1


@pytest.mark.parametrize("type_", [0, "NON_STREAM"])
def test_a_non_stream_answer_reaches_the_room(
    kit: Kit, llm: Namespace, web: HandSocket, extension: HandSocket, type_: Any
) -> None:
    handled(llm, web, "LLM_REQUEST", {"requestId": "r1", "message": "hi"})
    body = {"type": type_, "data": 42, "source": "client", "requestId": "random", "outputId": "o1"}
    handled(llm, extension, "message", body, ack=False)
    assert kit.outbox.bodies(web.sid, "message")[0]["data"] == "42"
    assert kit.outbox.bodies(web.sid, "message")[0]["requestId"] == "r1"


@pytest.mark.parametrize("type_", [1, "STREAM_START", None, False, [], {}])
def test_other_types_of_message_are_ignored(
    kit: Kit, llm: Namespace, web: HandSocket, extension: HandSocket, type_: Any
) -> None:
    handled(llm, web, "LLM_REQUEST", {"requestId": "r1", "message": "hi"})
    handled(llm, extension, "message", {"type": type_, "data": "x", "requestId": "r1"}, ack=False)
    assert kit.responses("web1") == []


def test_a_client_cannot_answer(kit: Kit, llm: Namespace, web: HandSocket, extension: HandSocket) -> None:
    handled(llm, web, "LLM_REQUEST", {"requestId": "r1", "message": "hi"})
    handled(llm, web, "message", {"type": 0, "data": "forged", "requestId": "r1"}, ack=False)
    for event in ("CLIENT_STREAM_START", "CLIENT_STREAM_DATA_FIRST", "CLIENT_STREAM_END", "ERROR"):
        handled(llm, web, event, {"streamId": "s", "outputId": "o", "requestId": "r1", "data": "forged"}, ack=False)
    assert kit.responses("web1") == []
    assert kit.outbox.bodies(web.sid, "WARNING")[0]["warningCode"] == 72
    assert kit.statuses(web.sid) == ["forwarded"]


# ------------------------------------------------------------------------------------------------------------- readers


def test_a_library_reader_reads_through_the_namespace(kit: Kit, llm: Namespace, extension: HandSocket) -> None:
    socket = HandSocket(kit, kit.connect("web1", stream_mode="ss"))
    handled(llm, socket, "LLM_REQUEST", {"requestId": "r1", "message": "hi"})
    handled(llm, extension, "CLIENT_STREAM_DATA_FIRST", {"streamId": "s", "outputId": "o", "data": "hello"})
    stream_id = kit.outbox.got(socket.sid, "$stream")[0].args[1]["$stream"]
    handled(llm, socket, "$stream-read", stream_id, 16384, ack=False)
    assert kit.outbox.got(socket.sid, "$stream-write")[0].args == (stream_id, b"hello", "buffer")
    handled(llm, socket, "$stream-error", stream_id, "enough", ack=False)
    handled(llm, extension, "CLIENT_STREAM_DATA_MIDDLE", {"streamId": "s", "data": "more"})
    handled(llm, socket, "$stream-read", stream_id, 16384, ack=False)
    assert len(kit.outbox.got(socket.sid, "$stream-write")) == 1


def test_streams_from_clients_are_refused(kit: Kit, llm: Namespace, web: HandSocket) -> None:
    handled(llm, web, "$stream", "anything", {"$stream": "abc"}, {"meta": 1}, ack=False)
    assert kit.outbox.got(web.sid)[0].args == ("abc", "Streams from clients are not accepted.")
    assert handled(llm, web, "$stream-write", "abc", b"x", "buffer") == "invalid stream id: abc"


# ------------------------------------------------------------------------------------------------- what packets name


class Heard:
    """Writes down what a ``UpstreamService`` would be told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda said, *what: self.told.append((name, said._replace(socket=""), *what))


@pytest.fixture
def heard() -> Heard:
    return Heard()


def say(kit: Kit, heard: Heard, event: str, *args: Any, sid: str = "", **caller: Any) -> list[Any]:
    """From an extension."""
    streams: Any = heard
    events = UpstreamEvents(streams=streams, new_id=lambda: "new")
    sid = sid or kit.connect(X, client_type="SillyTavern", **caller)
    answer: Any = events.handlers()[event](HandSocket(kit, sid), list(args), False)
    assert answer is None
    return kit.outbox.got(sid)


IDS = {"streamId": "s", "outputId": "o", "requestId": "r"}


@pytest.mark.parametrize("prefix", ["", "CLIENT_"])
def test_each_packet_names_what_it_is_about(kit: Kit, heard: Heard, prefix: str) -> None:
    said = Said(X, "s", "o", "r")
    say(kit, heard, f"{prefix}STREAM_START", IDS)
    say(kit, heard, f"{prefix}STREAM_DATA_RETRY", {**IDS, "chunkIndex": 3, "data": "x"})
    say(kit, heard, f"{prefix}STREAM_DATA_FAILED", IDS)
    say(kit, heard, f"{prefix}STREAM_END", IDS)
    assert heard.told == [
        ("stream_started", said),
        ("stream_data", said, 3, "x"),
        ("stream_failed", said),
        ("stream_ended", said, None),
    ]


def test_what_is_said_besides_the_text(kit: Kit, heard: Heard) -> None:
    said, cora = Said(X, "s", "o", "r"), {"id": "c.png", "name": "Cora", "avatar": "5f"}
    who = Character("c.png", "Cora", "5f")
    say(kit, heard, "CLIENT_STREAM_START", {**IDS, "action": "swipe", "character": cora})
    say(kit, heard, "CLIENT_STREAM_DATA_FIRST", {**IDS, "chunkIndex": 0, "data": "hm", "kind": "reasoning"})
    say(kit, heard, "CLIENT_STREAM_DATA_MIDDLE", {**IDS, "chunkIndex": 0, "data": "a", "kind": "text"})
    extra = {"extra": {"tokens": 3, "messageId": "x"}, "finishReason": "stop", "numStreams": 5, "name": "x"}
    say(kit, heard, "CLIENT_STREAM_END", {**IDS, "final": True, "more": False, **extra})
    say(kit, heard, "CLIENT_STREAM_END", {**IDS, "more": True})
    say(kit, heard, "message", {"type": 0, "data": "a", "reasoning": "hm", "character": cora, "model": "m", **IDS})
    whole = said._replace(stream="")
    assert heard.told == [
        ("stream_started", said, Details(action="swipe", character=who)),
        ("stream_reasoning", said, 0, "hm"),
        ("stream_data", said, 0, "a"),
        ("stream_ended", said, True, Details(extra={"finishReason": "stop", "tokens": 3})),
        ("stream_ended", said, True, Details(more=True)),
        ("answered", whole, "a", Details(reasoning="hm", character=who, extra={"model": "m"})),
    ]


@pytest.mark.parametrize("nobody", [None, 5, {}, {"id": "c"}, {"id": "", "name": "Cora"}, {"id": "c", "name": 5}])
def test_a_character_that_is_none(kit: Kit, heard: Heard, nobody: object) -> None:
    say(kit, heard, "CLIENT_STREAM_START", {**IDS, "character": nobody})
    assert heard.told == [("stream_started", Said(X, "s", "o", "r"), Details())]


def test_who_goes_on_is_told_where(kit: Kit, llm: Namespace, web: HandSocket, extension: HandSocket) -> None:
    handled(llm, web, "LLM_REQUEST", {"requestId": "r", "message": "hi"})
    handled(llm, extension, "CLIENT_STREAM_DATA_FIRST", {**IDS, "data": "a\U0001f600"})
    handled(llm, extension, "CLIENT_STREAM_DATA_MIDDLE", {**IDS, "data": "hm", "kind": "reasoning"})
    again = {**IDS, "resume": True, "at": 9}
    ack = handled(llm, extension, "CLIENT_STREAM_START", again)
    assert ack == {"status": "ok", "success": True, "at": 3, "reasoningAt": 2, "rev": 0}
    for who, body in ((extension, {"outputId": "x", "resume": True}), (web, again), (extension, {"resume": True})):
        ack = handled(llm, who, "CLIENT_STREAM_START", body)
        assert (ack["status"], ack["message"], ack["errorCode"]) == ("error", "Unknown output", 7)


def test_who_asks_for_no_ack_hears_of_an_unknown_output_by_an_error(
    kit: Kit, llm: Namespace, extension: HandSocket
) -> None:
    assert handled(llm, extension, "CLIENT_STREAM_START", {**IDS, "resume": True}, ack=False) is None
    assert kit.outbox.bodies(extension.sid, "ERROR")[0]["message"] == "Unknown output"


def test_bytes_are_nothing_to_keep_and_rubbish_is_text(kit: Kit, heard: Heard) -> None:
    say(kit, heard, "CLIENT_STREAM_END", {**IDS, "extra": {"a": b"1"}, "more": 1})
    say(kit, heard, "message", {"type": 0, "data": "a", "reasoning": ["b"], "extra": 5, "__proto__": 1})
    assert [told[-1] for told in heard.told] == [Details(), Details(reasoning='["b"]')]


@pytest.mark.parametrize(
    ("features", "body", "told"),
    [
        (["reset"], {**IDS, "at": 3}, [("stream_reset", Said(X, "s", "o", "r"), 3, False)]),
        (["reset"], {"outputId": "o", "at": 0, "kind": "reasoning"}, [("stream_reset", Said(X, "o", "o"), 0, True)]),
        ([], {**IDS, "at": 3}, []),
        (["reset"], {**IDS, "at": -1}, []),
        (["reset"], {**IDS, "at": True}, []),
        (["reset"], IDS, []),
    ],
)
def test_a_reset_is_for_who_declared_it_and_says_where(
    kit: Kit, heard: Heard, features: list[str], body: dict[str, Any], told: list[Any]
) -> None:
    say(kit, heard, "CLIENT_STREAM_RESET", body, features=frozenset(features))
    assert heard.told == told


@pytest.mark.parametrize(
    ("ids", "start", "data", "end"),
    [
        ({"streamId": "s"}, Said(X, "s", "s"), Said(X, "s"), Said(X, "s")),
        ({"outputId": "o"}, None, Said(X, "o", "o"), Said(X, "o", "o")),
        ({}, None, Said(X), Said(X)),
        ({"streamId": "", "outputId": "x" * 129}, None, Said(X), Said(X)),
        ({"streamId": 1, "outputId": 2.5, "requestId": 3}, *[Said(X, "1", "2.5", "3")] * 3),
        ({"streamId": True, "outputId": [], "requestId": {}}, None, Said(X), Said(X)),
        ({"streamId": "a\ud83d", "outputId": "\U0001f600"}, *[Said(X, "a\ufffd", "\U0001f600")] * 3),
    ],
)
def test_ids_are_parsed_whatever_they_are(
    kit: Kit, heard: Heard, ids: dict[str, Any], start: Said | None, data: Said | None, end: Said
) -> None:
    say(kit, heard, "STREAM_START", ids)
    say(kit, heard, "STREAM_DATA_FIRST", {**ids, "data": ""})
    say(kit, heard, "STREAM_END", {**ids, "final": True})
    assert [told[1] for told in heard.told] == [each for each in (start, data, end) if each is not None]


def test_the_handshake_may_say_what_an_end_means(kit: Kit, heard: Heard) -> None:
    for mode in ("output", "token", "plain"):
        say(kit, heard, "STREAM_END", IDS, stream_mode=mode)
        say(kit, heard, "STREAM_END", {**IDS, "final": True}, stream_mode=mode)
    assert [told[2] for told in heard.told] == [True, True, False, True, None, True]


@pytest.mark.parametrize("args", [(), (None,), ("x",), ([],)])
def test_what_is_no_object_is_ignored(kit: Kit, heard: Heard, args: tuple[Any, ...]) -> None:
    for event in ("STREAM_START", "STREAM_DATA_LAST", "STREAM_DATA_FAILED", "STREAM_END", "ERROR"):
        say(kit, heard, event, *args)
    assert heard.told == []


def test_only_extensions_are_heard(kit: Kit, heard: Heard) -> None:
    sid = kit.connect("web1")
    for event in ("STREAM_START", "STREAM_DATA_LAST", "STREAM_DATA_FAILED", "STREAM_END", "ERROR"):
        say(kit, heard, event, {**IDS, "data": "x"}, sid=sid)
    say(kit, heard, "message", {"type": 0, "data": "x"}, sid=sid)
    assert heard.told == []
    assert kit.outbox.names(sid) == ["WARNING"]


@pytest.mark.parametrize("index", [None, "1", True, 1.5])
def test_an_index_that_is_none_is_left_out_and_data_is_a_text(kit: Kit, heard: Heard, index: object) -> None:
    say(kit, heard, "STREAM_DATA_FIRST", {**IDS, "data": "x", "chunkIndex": index})
    assert heard.told == [("stream_data", Said(X, "s", "o", "r"), None, "x")]


def test_text_that_is_too_much_to_be_read_is_told_and_of_a_stranger_is_not(kit: Kit, heard: Heard) -> None:
    say(kit, heard, "STREAM_DATA_MIDDLE", UNREAD)
    say(kit, heard, "STREAM_DATA_MIDDLE", UNREAD, sid=kit.connect("web1"))
    say(kit, heard, "STREAM_DATA_MIDDLE", "nothing")
    assert heard.told == [("unreadable", Said(X))]


@pytest.mark.parametrize(
    ("data", "text"), [(None, ""), (5, "5"), (True, "true"), ({"a": 1}, '{"a":1}'), (b"\xc3\xa4\xff", "ä\ufffd")]
)
def test_nothing_is_lost_of_data_that_are_no_text(kit: Kit, heard: Heard, data: object, text: str) -> None:
    say(kit, heard, "STREAM_DATA_FIRST", {**IDS, "data": data})
    assert heard.told == [("stream_data", Said(X, "s", "o", "r"), None, text)]


def test_an_error_has_words_and_more_if_it_says_more(kit: Kit, heard: Heard) -> None:
    say(kit, heard, "ERROR", {"requestId": "r", "message": "no \ud83d", "error": "why"})
    say(kit, heard, "ERROR", {"message": 5})
    assert heard.told == [
        ("failed", Said(X, request="r"), "no \ufffd", "why"),
        ("failed", Said(X), "The extension reported an error.", None),
    ]


def test_an_answer_in_one_piece(kit: Kit, heard: Heard) -> None:
    say(kit, heard, "message", {"type": 0, "data": "yes", "requestId": "r", "outputId": "o"})
    say(kit, heard, "message", {"type": "NON_STREAM", "data": None})
    say(kit, heard, "message", {"type": 0, "data": {"a": [1, "ä"]}})
    for kind in (1, True, None):
        say(kit, heard, "message", {"type": kind, "data": "yes"})
    assert heard.told == [
        ("answered", Said(X, output="o", request="r"), "yes"),
        ("answered", Said(X), ""),
        ("answered", Said(X), '{"a":[1,"ä"]}'),
    ]


def test_the_health_check_is_answered_to_anybody(kit: Kit, heard: Heard) -> None:
    sid = kit.connect("web1")
    (sent,) = say(kit, heard, "message", {"data": "Connection active?", "requestId": 7}, sid=sid)
    assert sent.body == {
        "type": 0,
        "data": "Yes,connection is fine.",
        "source": "server",
        "outputId": "new",
        "requestId": 7,
    }
