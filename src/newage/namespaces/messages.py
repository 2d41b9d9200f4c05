"""EDIT_MESSAGE, DELETE_MESSAGE, CLEAR_MESSAGES: on ``/llm`` and on ``/rooms`` (contract 4.7)."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from newage.dialect import Body, messages
from newage.domain.foreign_json import without_hostile_keys
from newage.domain.history import Change
from newage.domain.model import Caller
from newage.errors import InvalidRequest, NotFound
from newage.namespaces import wire
from newage.services.history.editing import EditingService
from newage.telemetry.audit import Recorder

MAX_IDS = 500


@frozen
class Edit:
    """``other_id`` is looked for when there is no message of the first id. ``change`` is None: it changes nothing."""

    room: str
    message_id: str
    other_id: str | None
    change: Change | None


def parse_edit(payload: Any) -> Edit:
    """:raises InvalidRequest: room, id or fields are missing."""
    body = wire.members(payload)
    room = wire.room_name(body)
    named = (wire.identifier(body.get(name)) for name in ("messageId", "responseId"))
    message_id, other_id, *_ = [*(any_id for any_id in named if any_id is not None), None, None]
    fields = wire.first(body, "updatedFields", "updatedMessage")
    if isinstance(fields, str):
        fields = {"message": fields}
    if room is None or message_id is None or not isinstance(fields, dict):
        raise InvalidRequest("Missing required fields for editing message.")
    return Edit(room, message_id, other_id, messages.change(without_hostile_keys(fields)))


@frozen
class Delete:
    room: str
    ids: tuple[str, ...]


def parse_delete(payload: Any) -> Delete:
    """:raises InvalidRequest: room or ids are missing, or there are too many."""
    body = wire.members(payload)
    room = wire.room_name(body)
    named = wire.first(body, "messageIds", "messageId", "responseIds", "responseId")
    values = named if isinstance(named, list) else [named]
    ids = tuple(dict.fromkeys(i for i in map(wire.identifier, values) if i is not None))
    if room is None or not ids or len(ids) > MAX_IDS:
        raise InvalidRequest("Missing required fields for deleting messages.")
    return Delete(room, ids)


@frozen
class Clear:
    room: str
    requests: bool
    responses: bool


def parse_clear(payload: Any) -> Clear:
    """Both dialects: ``clearRequests``/``clearResponses``, or ``fromLlm`` for one kind.

    :raises InvalidRequest: no room is named, or what is to go is not said by true or false: a slip must not clear all.
    """
    room = wire.room_name(payload)
    if room is None:
        raise InvalidRequest("roomName is required to clear messages.")
    body = payload if isinstance(payload, dict) else {}
    from_llm, requests, responses = (body.get(name) for name in ("fromLlm", "clearRequests", "clearResponses"))
    if any(not isinstance(flag, bool | None) for flag in (from_llm, requests, responses)):
        raise InvalidRequest(wire.INVALID)
    if from_llm is not None:
        return Clear(room, not from_llm, from_llm)
    return Clear(room, requests is not False, responses is not False)


@frozen(kw_only=True)
class MessageEvents:
    editing: EditingService

    async def edit(self, caller: Caller, request: Edit) -> Body:
        try:
            message = await self.editing.edit(caller, request.room, request.message_id, request.change)
        except NotFound:
            if request.other_id is None:
                raise
            message = await self.editing.edit(caller, request.room, request.other_id, request.change)
        return messages.edit_ack(message)

    async def delete(self, caller: Caller, request: Delete) -> Body:
        return messages.delete_ack(await self.editing.delete(caller, request.room, request.ids))

    async def clear(self, caller: Caller, request: Clear) -> Body:
        cleared = await self.editing.clear(caller, request.room, request.requests, request.responses)
        return messages.clear_ack(cleared)

    def handlers(self) -> wire.Handlers:
        edits = Recorder("message.edit", "MESSAGE_EDITED", room="room", message="message_id")
        deletions = Recorder("message.delete", "MESSAGE_DELETED", room="room", messages="ids")
        clearings = Recorder(
            "message.clear", "MESSAGES_CLEARED", room="room", requests="requests", responses="responses"
        )
        return {
            "EDIT_MESSAGE": wire.answer(parse_edit, self.edit, always_error=True, audit=edits),
            "DELETE_MESSAGE": wire.answer(parse_delete, self.delete, audit=deletions),
            "CLEAR_MESSAGES": wire.answer(parse_clear, self.clear, audit=clearings),
        }
