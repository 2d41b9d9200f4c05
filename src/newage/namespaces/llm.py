"""``/llm``: requests, history and activity (contract 3.3, 4.8, 4.9, 5.1); its streams are in ``llm_streams``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from newage.dialect import Body, messages, requests
from newage.domain.foreign_json import without_hostile_keys
from newage.domain.model import Caller, Role
from newage.domain.request import Ask
from newage.domain.text import well_formed
from newage.domain.times import iso
from newage.errors import BadParameter, InvalidRequest
from newage.namespaces import wire
from newage.ports import IOutbox
from newage.services.history.earlier import EarlierMessages
from newage.services.history.missed import MissedService
from newage.services.history.pages import ContextPages
from newage.services.history.selecting import Selecting
from newage.services.requests.intake import RequestService
from newage.services.rooms.activity import ActivityService
from newage.services.rooms.registry import RoomRegistry
from newage.services.streams.processing import ProcessingService
from newage.services.world import World
from newage.telemetry.audit import Recorder

MAX_TARGETS = 64
AGAIN = ("regenerateMessage", "regenerate", "swipe")  # words for one more answer to the same question (A19)
ACTIONS = {**dict.fromkeys(AGAIN, AGAIN[0]), "continue": "continue", "impersonate": "impersonate"}
MAX_OFFLINE = 500  # messages in one answer to GET_OFFLINE_MESSAGES
MAX_EARLIER = 200  # messages in one answer to GET_MESSAGES
NO_POINT = "since must be a seq or an ISO-8601 time."


# ---------------------------------------------------------------------------------------------------------------- parse


def parse_ask(payload: Any) -> Ask:
    """LLM_REQUEST; a missing id or text is the service's to refuse, after it looked at the room (contract 5.2)."""
    if not isinstance(payload, dict):
        return Ask(request_id=None, text="")
    body = without_hostile_keys(payload)
    said = [word for word in (body.get("action"), body.get("requestType")) if word is not None and word != ""]
    words = [word for word in said if isinstance(word, str) and word in ACTIONS]
    own_word = words[0] if words and words[0] != AGAIN[0] else ""
    known = (*words, "newMessage")
    return Ask(
        request_id=wire.identifier(body.get("requestId")),
        text=_request_text(body),
        targets=_targets(body.get("target")),
        room=wire.identifier(wire.first(body, "targetRoom", "roomName", "room")),
        role_hint=Role.from_wire(body.get("role")),
        request_type=ACTIONS[words[0]] if words else "newMessage",
        action=own_word,
        unknown=any(word not in known for word in said),
        message_id=wire.identifier(body.get("messageId")),
        character=_character(body.get("character")),
        failover=body.get("failover") is True,
        data=body.get("data"),
        streaming=wire.first(body, "isStreaming", "isStream"),
        extra={name: value for name, value in body.items() if name not in requests.MEMBERS},
    )


def _character(value: Any) -> str:
    """Who shall answer, by its id, or as the answers of one name it."""
    return wire.identifier(value.get("id") if isinstance(value, dict) else value) or ""


def _request_text(body: Body) -> str:
    """The first non-empty of the places where clients put their text (contract 5.1)."""
    data = body.get("data")
    inner = data if isinstance(data, dict) else {}
    places = (
        body.get("message"),
        data,
        inner.get("message"),
        inner.get("prompt"),
        inner.get("text"),
        body.get("prompt"),
    )
    return next((well_formed(text) for text in places if isinstance(text, str) and text.strip()), "")


def _targets(value: Any) -> tuple[str, ...] | None:
    """Whom it is for: None if nobody is named; repeated ones count once.

    :raises InvalidRequest: there are too many.
    """
    if isinstance(value, list):
        named = dict.fromkeys(name for name in map(wire.identifier, value) if name is not None)
        if len(named) > MAX_TARGETS:
            raise InvalidRequest("Invalid LLM request data.")
        return tuple(named) or None
    name = wire.identifier(value)
    return None if name is None else (name,)


@frozen
class Missed:
    """``since`` is a seq, a time as messages have it, or None for when the caller went."""

    room: str | None
    since: int | str | None
    limit: int


def parse_missed(payload: Any) -> Missed:
    """GET_OFFLINE_MESSAGES."""
    body = wire.members_or_room(payload)
    limit = wire.whole_number(body.get("limit", 50), "limit", 1, MAX_OFFLINE)
    return Missed(wire.room_name(body), parse_since(body.get("since")), limit)


@frozen
class EarlierOnes:
    """``before`` is a seq, None for the newest."""

    room: str | None
    before: int | None
    limit: int


def parse_earlier(payload: Any) -> EarlierOnes:
    """GET_MESSAGES."""
    body = wire.members_or_room(payload)
    before, limit = body.get("before"), wire.first(body, "limit")
    return EarlierOnes(
        wire.room_name(body),
        None if before is None else wire.whole_number(before, "before", 0),
        50 if limit is None else wire.whole_number(limit, "limit", 1, MAX_EARLIER),
    )


@frozen
class Choice:
    room: str
    message_id: str


def parse_choice(payload: Any) -> Choice:
    """SELECT_RESPONSE. :raises InvalidRequest: room or message are missing."""
    body = wire.members(payload)
    room, message_id = wire.room_name(body), wire.identifier(wire.first(body, "messageId", "responseId"))
    if room is None or message_id is None:
        raise InvalidRequest("roomName and messageId are required.")
    return Choice(room, message_id)


def parse_since(value: Any) -> int | str | None:
    """Where to begin to read: see ``Missed``.

    :raises BadParameter: it is neither a seq nor an ISO-8601 time, or no number that a seq could be.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 16 else _moment(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= wire.MAX_NUMBER:
        raise BadParameter(NO_POINT)
    return max(0, int(value))


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadParameter(NO_POINT) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return iso(max(0.0, moment.timestamp()))  # years of three digits do not compare as texts
    except (OverflowError, OSError, ValueError):
        raise BadParameter(NO_POINT) from None


@frozen
class Activity:
    room: str | None
    request_id: str | None


def parse_activity(payload: Any) -> Activity:
    body = wire.members_or_room(payload)
    return Activity(wire.room_name(body), wire.identifier(body.get("requestId")))


# -------------------------------------------------------------------------------------------------------------- events


@frozen(kw_only=True)
class RequestEvents:
    """Asking, and what was said."""

    world: World
    outbox: IOutbox
    rooms: RoomRegistry
    requests: RequestService
    pages: ContextPages
    missed: MissedService
    earlier: EarlierMessages
    selecting: Selecting

    async def submit(self, caller: Caller, ask: Ask) -> Body:
        return requests.accepted(await self.requests.submit(caller, ask), question=caller.outputs)

    async def full_context(self, caller: Caller, ref: wire.RoomRef) -> Body:
        room = self.rooms.meant(caller, ref.name)
        return messages.update_ack(await self.pages.push(caller, room))

    async def read_missed(self, caller: Caller, request: Missed) -> Body:
        """By an ack, and then by an event."""
        room = self.rooms.meant(caller, request.room)
        page = await self.missed.missed(caller, room, request.since, request.limit)
        event = messages.missed(page)
        self.world.clock.callLater(0, self.outbox.emit, caller.sid, event.name, event.body)
        return messages.missed_ack(page)

    async def read_earlier(self, caller: Caller, request: EarlierOnes) -> Body:
        room = self.rooms.meant(caller, request.room)
        return messages.earlier_ack(await self.earlier.before(caller, room, request.before, request.limit))

    async def select(self, caller: Caller, choice: Choice) -> Body:
        return messages.selection(await self.selecting.select(caller, choice.room, choice.message_id))

    def handlers(self) -> wire.Handlers:
        asked = Recorder(
            "llm.request",
            "LLM_REQUEST_RECEIVED",
            "LLM_REQUEST_FAILED",
            audited=False,
            request="request_id",
            room="room",
        )
        return {
            "LLM_REQUEST": wire.answer(parse_ask, self.submit, always_error=True, audit=asked),
            "GET_FULL_CONTEXT": wire.answer(wire.parse_room_ref, self.full_context, always_error=True),
            "GET_MESSAGES": wire.answer(parse_earlier, self.read_earlier, query=True, always_error=True),
            "SELECT_RESPONSE": wire.answer(parse_choice, self.select),
            "GET_OFFLINE_MESSAGES": wire.answer(parse_missed, self.read_missed, always_error=True),
        }


@frozen(kw_only=True)
class ActivityEvents:
    """Who is typing, and which extension is at work."""

    activity: ActivityService
    processing: ProcessingService

    def start_typing(self, caller: Caller, activity: Activity) -> None:
        self.activity.start_typing(caller, activity.room)

    def stop_typing(self, caller: Caller, activity: Activity) -> None:
        self.activity.stop_typing(caller, activity.room)

    def start_processing(self, caller: Caller, activity: Activity) -> None:
        self.processing.started(caller, activity.room, activity.request_id)

    def stop_processing(self, caller: Caller, activity: Activity) -> None:
        self.processing.stopped(caller, activity.room, activity.request_id)

    def handlers(self) -> wire.Handlers:
        return {
            "START_TYPING": wire.answer(parse_activity, self.start_typing),
            "STOP_TYPING": wire.answer(parse_activity, self.stop_typing),
            "START_PROCESSING": wire.answer(parse_activity, self.start_processing),
            "STOP_PROCESSING": wire.answer(parse_activity, self.stop_processing),
        }
