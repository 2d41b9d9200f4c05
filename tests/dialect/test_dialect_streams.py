"""Answers as they grow, and when they are whole (contract 5.5-5.7)."""

from __future__ import annotations

from newage.dialect import Event, streams
from newage.domain.model import Message
from newage.domain.shown import ShownOutput

OUTPUT = ShownOutput(stream_id="s1", output_id="o1", request_id="r1", room="den", client_id="X", identity="X-1")
HEAD = {
    "type": 2,
    "streamId": "s1",
    "outputId": "o1",
    "requestId": "r1",
    "source": "server",
    "roomName": "den",
    "identity": "X-1",
}
MESSAGE = Message(
    message_id="m1",
    response_id="p1",
    output_id="o1",
    room="den",
    seq=1,
    identity="X-1",
    client_id="X",
    request_id="r1",
    text="whole",
    streamed=True,
)
ABOUT = {
    "requestId": "r1",
    "responseId": "p1",
    "messageId": "m1",
    "outputId": "o1",
    "roomName": "den",
    "identity": "X-1",
    "clientId": "X",
}


def test_a_reader_of_the_library_is_told_what_the_stream_is() -> None:
    assert streams.meta(OUTPUT, reopened=False) == {**{k: v for k, v in HEAD.items() if k != "type"}, "clientId": "X"}
    assert streams.meta(OUTPUT, reopened=True)["reopened"] is True
    assert streams.placeholder("id") == {"$stream": "id"}


def test_plain_events_have_a_head_in_common_that_is_not_changed() -> None:
    head = streams.head(OUTPUT)
    assert streams.chunk(head, 3, "x") == {**HEAD, "chunkIndex": 3, "data": "x"}
    whole = {**HEAD, "type": 3, "chunks": 4, "data": "whole", "failed": False, "stored": True}
    assert streams.end(head, 4, "whole", failed=False, stored=True, reopened=False) == whole
    assert streams.end(head, 4, "whole", failed=True, stored=False, reopened=True) == {
        **whole,
        "failed": True,
        "stored": False,
        "partial": True,
        "reopened": True,
    }
    assert "partial" not in streams.end(head, 0, "", failed=True, stored=False, reopened=False)
    assert head == HEAD


def test_an_answer_in_one_piece_and_the_response_name_the_same() -> None:
    assert streams.answered("r1", MESSAGE, "said now") == Event(
        "message", {**ABOUT, "type": 0, "data": "said now", "source": "server"}
    )
    assert streams.response("r1", MESSAGE) == Event(
        "LLM_RESPONSE", {**ABOUT, "message": "whole", "data": "whole", "streamed": True}
    )


def test_who_reads_from_a_position_is_told_positions() -> None:
    assert streams.piece(3, "x") == {"at": 3, "data": "x"}
    assert streams.cut(3, 1) == {"at": 3, "rev": 1}
    assert streams.over(None) == {"failed": False}
    assert streams.over("no") == {"failed": True, "error": "no"}


def test_what_a_message_is_answered_by_the_hub_itself() -> None:
    answer = {"type": 0, "data": "Yes,connection is fine.", "source": "server", "outputId": "o1"}
    assert streams.healthy("o1", 7) == Event("message", {**answer, "requestId": 7})
    warning = {"type": "WARNING", "message": "Only extensions answer requests.", "warningCode": 72}
    assert streams.not_an_extension() == Event("WARNING", warning)
