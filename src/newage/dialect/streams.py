"""Answers: as they grow, and when they are whole (contract 5.5-5.7).

Text that grows is the path of each token, so its bodies are made from a head that is made once.
"""

from __future__ import annotations

from newage.dialect import Body, Event
from newage.domain.model import Message
from newage.domain.shown import ShownOutput

DATA, END = "SERVER_STREAM_DATA", "SERVER_STREAM_END"
ALIASES = {DATA: "streamed_data", END: "streamed_end"}  # contract 1.8
LIBRARY_NAMES = (DATA, ALIASES[DATA])  # types of $stream under which readers listen (contract 5.7.6)

HEALTH_QUESTION = "Connection active?"

# What the stream library says to each other (contract 5.7.1).
OPENED, WRITTEN, READ = "$stream", "$stream-write", "$stream-read"
OVER, BROKEN = "$stream-end", "$stream-error"
BYTES, TEXT = "buffer", "utf8"  # how the content of a write is meant


def meta(output: ShownOutput, *, reopened: bool) -> Body:
    """The second argument of a reader of ``$stream`` (contract 5.7.3).

    :param reopened: there was one of this output before, whose text comes again.
    """
    found: Body = {
        "streamId": output.stream_id,
        "outputId": output.output_id,
        "requestId": output.request_id,
        "source": "server",
        "roomName": output.room,
        "clientId": output.client_id,
        "identity": output.identity,
    }
    return {**found, "reopened": True} if reopened else found


def placeholder(stream_id: str) -> Body:
    """What stands for the stream in the event that opens it."""
    return {"$stream": stream_id}


def head(output: ShownOutput) -> Body:
    """What all plain events of an output have in common (contract 5.7.6)."""
    return {
        "type": 2,
        "streamId": output.stream_id,
        "outputId": output.output_id,
        "requestId": output.request_id,
        "source": "server",
        "roomName": output.room,
        "identity": output.identity,
    }


def chunk(head: Body, index: int, text: str) -> Body:
    """SERVER_STREAM_DATA."""
    return {**head, "chunkIndex": index, "data": text}


def end(head: Body, chunks: int, text: str, *, failed: bool, stored: bool, reopened: bool) -> Body:
    """SERVER_STREAM_END.

    :param chunks: how many its receivers got. :param text: the whole. :param stored: it is kept.
    :param reopened: it has ended before.
    """
    body: Body = {**head, "type": 3, "chunks": chunks, "data": text, "failed": failed, "stored": stored}
    if failed and text:
        body["partial"] = True
    if reopened:
        body["reopened"] = True
    return body


def answered(request_id: str, message: Message, text: str) -> Event:
    """``message`` of type 0: an answer in one piece.

    :param request_id: the requester's own. :param text: as the extension said it now.
    """
    return Event("message", {**_about(request_id, message), "type": 0, "data": text, "source": "server"})


def response(request_id: str, message: Message) -> Event:
    """LLM_RESPONSE: an answer is whole and stored."""
    said = {"message": message.text, "data": message.text, "streamed": message.streamed}
    return Event("LLM_RESPONSE", {**_about(request_id, message), **said})


def _about(request_id: str, message: Message) -> Body:
    return {
        "requestId": request_id,
        "responseId": message.response_id,
        "messageId": message.message_id,
        "outputId": message.output_id,
        "roomName": message.room,
        "identity": message.identity,
        "clientId": message.client_id,
    }


def position(at: int, reasoning_at: int, rev: int) -> Body:
    """How much there is of an output, in UTF-16 units, for its extension to go on from there (contract 5.8)."""
    return {"at": at, "reasoningAt": reasoning_at, "rev": rev}


def healthy(output_id: str, request_id: object) -> Event:
    """The answer to ``HEALTH_QUESTION``, which is an answer like any other (contract 5.5).

    :param request_id: as the one who asks wrote it.
    """
    body = {"type": 0, "data": "Yes,connection is fine.", "source": "server", "outputId": output_id}
    return Event("message", {**body, "requestId": request_id})


def not_an_extension() -> Event:
    """WARNING to a client that answered a request."""
    return Event("WARNING", {"type": "WARNING", "message": "Only extensions answer requests.", "warningCode": 72})


def piece(at: int, text: str) -> Body:
    """Part of an output's text for who reads it from a position; ``at`` counts UTF-16 units before it."""
    return {"at": at, "data": text}


def cut(at: int, rev: int) -> Body:
    """The text from there on is void; ``rev`` counts how often that happened."""
    return {"at": at, "rev": rev}


def over(failure: str | None) -> Body:
    """No more comes of an output."""
    return {"failed": failure is not None, **({"error": failure} if failure is not None else {})}
