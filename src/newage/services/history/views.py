"""How stored values look on the wire (contract 4.6); the shapes that several services and namespaces send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from newage.domain.model import Message
from newage.protocol.json_text import dumps

Body = dict[str, Any]


def message_body(message: Message) -> Body:
    """The message object of contract 4.6, in the form its kind has."""
    if message.is_system:
        return {
            "messageId": message.message_id,
            "roomName": message.room,
            "identity": message.identity,
            "role": "system",
            "message": message.text,
            "data": message.text,
            "isSystem": True,
            "fromClient": False,
            "fromLlm": False,
            "timestamp": message.timestamp,
            "seq": message.seq,
        }
    body: Body = {
        **message.extra,
        "messageId": message.message_id,
        "requestId": message.request_id,
        "roomName": message.room,
        "identity": message.identity,
        "clientId": message.client_id,
        "role": message.role,
        "fromClient": not message.is_response,
        "fromLlm": message.is_response,
        "message": message.text,
        "data": message.text if message.data is None else message.data,
        "timestamp": message.timestamp,
        "seq": message.seq,
    }
    if message.is_response:
        body.update(
            responseId=message.response_id,
            outputId=message.output_id,
            isResponse=True,
            streamed=message.streamed,
        )
        if message.failed:
            body["failed"] = True
    else:
        body.update(target=message.target, targetRoom=message.room, requestType=message.request_type)
    if message.last_edited is not None:
        body["lastEdited"] = message.last_edited
    return body


def carried_bytes(text: str, data: Any, extra: Mapping[str, Any]) -> int:
    """Bytes of what a message carries into its room, the history and every context (contract 4.1, 5.1).

    Text is counted as it is, the rest as JSON.
    """
    size = len(text.encode("utf-8", "replace"))
    if data is not None and data != text:
        size += len(dumps(data))
    return size + (len(dumps(dict(extra))) if extra else 0)


def new_message_body(message: Message) -> Body:
    """NEW_MESSAGE: the object, and flattened beside it what documentation-style readers look for."""
    body: Body = {
        "roomName": message.room,
        "seq": message.seq,
        "message": message_body(message),
        "messageId": message.message_id,
        "identity": message.identity,
        "clientId": message.client_id,
        "role": message.role,
        "text": message.text,
        "timestamp": message.timestamp,
        "fromClient": not (message.is_response or message.is_system),
        "fromLlm": message.is_response,
    }
    if message.request_id is not None:
        body["requestId"] = message.request_id
    if message.response_id is not None:
        body["responseId"] = message.response_id
    return body
