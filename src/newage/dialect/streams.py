"""Answers: as they grow, and when they are whole (contract 5.5-5.7).

Text that grows is the path of each token, so its bodies are made from a head that is made once.
"""

from __future__ import annotations

from collections.abc import Iterable

from newage.dialect import Body, Event, messages
from newage.domain.model import Message
from newage.domain.shown import ResumedOutput, ShownOutput

START, RESET = "SERVER_STREAM_START", "SERVER_STREAM_RESET"
DATA, END = "SERVER_STREAM_DATA", "SERVER_STREAM_END"
ALIASES = {DATA: "streamed_data", END: "streamed_end"}  # contract 1.8
LIBRARY_NAMES = (DATA, ALIASES[DATA])  # types of $stream under which readers listen (contract 5.7.6)

KIND_TEXT, KIND_REASONING = "text", "reasoning"

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


def end(
    head: Body, chunks: int, text: str, *, failed: bool, stored: bool, reopened: bool, cancelled: bool = False
) -> Body:
    """SERVER_STREAM_END.

    :param chunks: how many its receivers got. :param text: the whole. :param stored: it is kept.
    :param reopened: it has ended before. :param cancelled: somebody stopped it.
    """
    body: Body = {**head, "type": 3, "chunks": chunks, "data": text, "failed": failed, "stored": stored}
    if cancelled:
        body["cancelled"] = True
    if (failed or cancelled) and text:
        body["partial"] = True
    if reopened:
        body["reopened"] = True
    return body


# ----------------------------------------------------------------- to sockets that follow outputs (contract 5.7.7, A21)


def started(output: ShownOutput, *, at: int, reasoning_at: int, rev: int, epoch: str) -> Event:
    """SERVER_STREAM_START: an output begins, goes on, or is under way for who has just come.

    :param at: how much text there is; what comes is after that. :param reasoning_at: the same of its reasoning.
    :param epoch: the hub's, since it started.
    """
    body: Body = {
        "type": 1,
        "outputId": output.output_id,
        "requestId": output.request_id,
        "questionId": output.question_id,
        "requester": output.requester,
        "roomName": output.room,
        "roomId": output.room_id,
        "identity": output.identity,
        "clientId": output.client_id,
        "source": "server",
        "action": output.action,
        **_character(output),
    }
    body |= {"at": at, "rev": rev, "epoch": epoch}
    return Event(START, {**body, "reasoningAt": reasoning_at} if reasoning_at else body)


def text_head(head: Body) -> Body:
    """What all chunks of text have in common, to who follows the output."""
    return {**head, "kind": KIND_TEXT}


def reasoning_head(head: Body) -> Body:
    """The same of its reasoning."""
    return {**head, "kind": KIND_REASONING}


def text_at(head: Body, at: int, index: int, text: str) -> Body:
    """SERVER_STREAM_DATA: so many UTF-16 units of text are before it."""
    return {**head, "at": at, "chunkIndex": index, "data": text}


def reasoning_at(head: Body, at: int, text: str) -> Body:
    """SERVER_STREAM_DATA: so many UTF-16 units of reasoning are before it. ``chunkIndex`` counts text (A28)."""
    return {**head, "at": at, "data": text}


def reset(output: ShownOutput, kind: str, *, at: int, rev: int) -> Event:
    """SERVER_STREAM_RESET: what there is beyond ``at`` is void."""
    body = {"outputId": output.output_id, "requestId": output.request_id, "roomName": output.room}
    return Event(RESET, {**body, "kind": kind, "at": at, "rev": rev})


def followed_end(body: Body, output: ShownOutput, *, reasoning: str, message_id: str, finish: str = "") -> Body:
    """SERVER_STREAM_END with what only those get who follow outputs.

    :param body: what ``end`` made. :param finish: why it ended, where its extension said so.
    """
    return {
        **body,
        **({"reasoning": reasoning} if reasoning else {}),
        **_character(output),
        **({"messageId": message_id} if message_id else {}),
        **({messages.FINISH: finish} if finish else {}),
    }


def resumed(epoch: str, outputs: Iterable[ResumedOutput]) -> Body:
    """The ack of RESUME_OUTPUTS."""
    return {"epoch": epoch, "outputs": [_resumed(each) for each in outputs]}


def _resumed(found: ResumedOutput) -> Body:
    about, missed = found.about, found.missed
    if about is None or missed is None:
        return {"outputId": found.output_id, "state": found.state.value}
    body: Body = {
        "outputId": found.output_id,
        "requestId": about.request_id,
        "questionId": about.question_id,
        "roomName": about.room,
        "state": found.state.value,
        "rev": missed.rev,
        "from": missed.at,
        "text": missed.text,
        **_character(about),
    }
    if missed.reasoning or missed.reasoning_at:
        body |= {"reasoningFrom": missed.reasoning_at, "reasoning": missed.reasoning}
    if missed.more:
        body["more"] = True
    if found.message_id:
        body["messageId"] = found.message_id
    if found.finish:
        body[messages.FINISH] = found.finish
    return body


def _character(output: ShownOutput) -> Body:
    return {} if output.character is None else {"character": messages.character(output.character)}


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
        "messageId": message.message_id or None,
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
