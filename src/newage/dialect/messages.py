"""What was said, and what became of it: messages, pages, snapshots (contract 4.6-4.8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from newage.dialect import Body, Event
from newage.domain.character import Character
from newage.domain.history import UNNAMED, Behind, Change, Earlier, Missed, Selection, Update
from newage.domain.model import Message, Room
from newage.protocol.json_text import dumps

# What the hub writes into a message object; no member that a client adds to its request may have such a name.
MEMBERS = frozenset(
    {
        "messageId",
        "requestId",
        "responseId",
        "outputId",
        "roomName",
        "targetRoom",
        "identity",
        "clientId",
        "role",
        "fromClient",
        "fromLlm",
        "isSystem",
        "isResponse",
        "message",
        "data",
        "target",
        "requestType",
        "timestamp",
        "seq",
        "streamed",
        "failed",
        "lastEdited",
        "selected",
        "questionId",
        "origin",
    }
)
ANSWERED = frozenset({"reasoning", "partial", "character"})  # of answers only: a request may have such members
TEXT = ("message", "data", "text")  # where an edit may have the new text; the first string counts
FINISH = "finishReason"  # further member of an answer whose extension says why it ended
EDITED_APART = frozenset({*TEXT, "target", "requestType"})  # an edit may name them, but they are no further members


def body(message: Message) -> Body:
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
    found: Body = {
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
        found.update(
            responseId=message.response_id,
            outputId=message.output_id,
            isResponse=True,
            streamed=message.streamed,
        )
        if message.failed:
            found["failed"] = True
        if message.selected is not None:
            found.update(selected=message.selected, questionId=message.question_id)
        found.update(_of_answer(message))
    else:
        found.update(target=message.target, targetRoom=message.room, requestType=message.request_type)
    if message.last_edited is not None:
        found["lastEdited"] = message.last_edited
    if message.name is not None:  # whatever the request may have called itself besides
        found["name"] = message.name
    if message.origin:
        found["origin"] = message.origin
    return found


def finish_reason(extra: Mapping[str, Any]) -> str:
    """Why an answer with these further members ended, in its extension's word; "" where that says none."""
    said = extra.get(FINISH)
    return said if isinstance(said, str) else ""


def _of_answer(message: Message) -> Body:
    """What only some answers have."""
    found: Body = {}
    if message.reasoning:
        found["reasoning"] = message.reasoning
    if message.partial:
        found["partial"] = True
    if message.character is not None:
        found["character"] = character(message.character)
    return found


def character(who: Character) -> Body:
    """As whom an answer is given; ``avatar`` only where there is a picture."""
    found: Body = {"id": who.id, "name": who.name}
    if who.avatar:
        found["avatar"] = who.avatar
    return found


def bodies(messages: Sequence[Message]) -> list[Body]:
    return [body(message) for message in messages]


# --------------------------------------------------------------------------------------------------------------- sizes


def carried_bytes(text: str, data: Any, extra: Mapping[str, Any]) -> int:
    """Bytes of what a message carries into its room, the history and every context (contract 4.1, 5.1).

    Text is counted as it is, the rest as JSON.
    """
    size = len(text.encode("utf-8", "replace"))
    if data is not None and data != text:
        size += len(dumps(data))
    return size + (len(dumps(dict(extra))) if extra else 0)


def newest_within(messages: Sequence[Message], max_bytes: int) -> Sequence[Message]:
    """The last ones whose message objects take at most so many bytes as JSON; one always fits."""
    left = max_bytes
    for count, message in enumerate(reversed(messages)):
        left -= len(dumps(body(message)))
        if count and left < 0:
            return messages[-count:]
    return messages


# --------------------------------------------------------------------------------------------------- what was changed


def added(message: Message) -> Event:
    """NEW_MESSAGE: the object, and flattened beside it what readers look for who follow the documentation."""
    found: Body = {
        "roomName": message.room,
        "seq": message.seq,
        "message": body(message),
        "messageId": message.message_id,
        "identity": message.identity,
        "clientId": message.client_id,
        "role": message.role,
        "text": message.text,
        "timestamp": message.timestamp,
        "fromClient": not (message.is_response or message.is_system),
        "fromLlm": message.is_response,
    }
    if message.name is not None:
        found["name"] = message.name
    if message.request_id is not None:
        found["requestId"] = message.request_id
    if message.response_id is not None:
        found["responseId"] = message.response_id
    return Event("NEW_MESSAGE", found)


def updated(message: Message, seq: int) -> Event:
    """MESSAGE_UPDATED. :param seq: of the change; the message keeps its own."""
    found = {"roomName": message.room, "seq": seq, "message": body(message), "messageId": message.message_id}
    return Event("MESSAGE_UPDATED", found)


def deleted(room: Room, message_ids: Sequence[str], seq: int, origin: str = "") -> Event:
    """MESSAGES_DELETED. :param origin: "" for the hub."""
    found: Body = {"roomName": room.name, "seq": seq, "messageIds": list(message_ids)}
    return Event("MESSAGES_DELETED", {**found, "origin": origin} if origin else found)


def cleared(room: Room, seq: int, *, requests: bool, responses: bool) -> Event:
    """MESSAGES_CLEARED."""
    found = {"roomName": room.name, "seq": seq, "clearedRequests": requests, "clearedResponses": responses}
    return Event("MESSAGES_CLEARED", found)


def selection(chosen: Selection) -> Body:
    """Which answer counts (A19)."""
    return {
        "questionId": chosen.question_id,
        "messageId": chosen.message_id,
        "index": chosen.index,
        "count": chosen.count,
    }


def selected(room: Room, chosen: Selection, seq: int) -> Event:
    """RESPONSE_SELECTED."""
    return Event("RESPONSE_SELECTED", {"roomName": room.name, **selection(chosen), "seq": seq})


def change(fields: Mapping[str, Any]) -> Change | None:
    """An edit as clients write it; None where it names nothing. What identifies a message is passed over."""
    if not fields:
        return None
    kept = MEMBERS | ANSWERED
    named = {name: fields[name] for name in fields if name not in kept or name in EDITED_APART}
    text = next((named[name] for name in TEXT if isinstance(named.get(name), str)), None)
    extra = {name: value for name, value in named.items() if name not in EDITED_APART}
    return Change(text=text, data=named.get("data", UNNAMED), extra=extra)


def edit_ack(message: Message) -> Body:
    return {"messageId": message.message_id}


def delete_ack(message_ids: Sequence[str]) -> Body:
    if message_ids:
        return {"deleted": list(message_ids)}
    return {"deleted": [], "message": "No matching messages found to delete or operation failed."}


def clear_ack(count: int) -> Body:
    return {} if count else {"message": "Messages already cleared or operation failed."}


# --------------------------------------------------------------------------------------------------- pages, snapshots


def update_ack(update: Update) -> Body:
    """What GET_FULL_CONTEXT begins to send (contract 4.8)."""
    return {
        "updateId": update.update_id,
        "roomName": update.room,
        "totalPages": len(update.pages),
        "totalMessages": update.messages,
    }


def page(update: Update, number: int, messages: Sequence[Message], seq: int) -> Event:
    """UPDATE_CONTEXT_PAGE. :param number: 1 is the first. :param seq: of the room, now."""
    found = {
        **update_ack(update),
        "pageNumber": number,
        "isLastPage": number == len(update.pages),
        "contextPage": bodies(messages),
        "seq": seq,
    }
    return Event("UPDATE_CONTEXT_PAGE", found)


def snapshot(room: Room, newest: Sequence[Message], max_bytes: int, *, truncated: bool) -> Event | None:
    """UPDATE_CONTEXT with as many of the newest messages as take so many bytes of JSON.

    :param truncated: there are older ones.
    :return: None where not even the newest fits: a view without it would be wrong.
    """
    context: list[Body] = []
    left = max_bytes
    for message in reversed(newest):
        each = body(message)
        left -= len(dumps(each)) + 1
        if left < 0:
            break
        context.append(each)
    if newest and not context:
        return None
    found: Body = {
        "roomName": room.name,
        "context": context[::-1],
        "truncated": truncated or len(context) < len(newest),
        "seq": room.seq,
    }
    return Event("UPDATE_CONTEXT", found)


# ------------------------------------------------------------------------------------------------------------- missed


def missed_hint(room: Room, since: int, behind: Behind) -> Event:
    """OFFLINE_MESSAGES on return: how many there are, to be asked for, and whether older ones are not as they were."""
    found: Body = {
        "roomName": room.name,
        "count": behind.count,
        "messages": [],
        "hasMore": behind.count > 0,
        "since": since,
    }
    if behind.changed:
        found["changed"] = True
    return Event("OFFLINE_MESSAGES", found)


def missed(page: Missed) -> Event:
    """OFFLINE_MESSAGES after GET_OFFLINE_MESSAGES, for clients that wait for the event instead of the ack."""
    found = {
        "roomName": page.room,
        "messages": bodies(page.messages),
        "count": len(page.messages),
        "since": page.since,
        "hasMore": page.more,
        "nextSince": page.next_since,
        **_what_else(page),
    }
    return Event("OFFLINE_MESSAGES", found)


def missed_ack(page: Missed) -> Body:
    return {
        "roomName": page.room,
        "messages": bodies(page.messages),
        "count": len(page.messages),
        "hasMore": page.more,
        "nextSince": page.next_since,
        "seq": page.seq,
        **_what_else(page),
    }


def _what_else(page: Missed) -> Body:
    """``changed``: what was seen is not as it was; ``truncated``: older ones that were missed are gone (A26)."""
    return {name: True for name, is_so in (("changed", page.changed), ("truncated", page.truncated)) if is_so}


def earlier_ack(page: Earlier) -> Body:
    """GET_MESSAGES."""
    return {"messages": bodies(page.messages), "hasMore": page.more, "seq": page.seq}
