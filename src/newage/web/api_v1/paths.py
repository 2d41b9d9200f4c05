"""The table of ``/api/v1``."""

from __future__ import annotations

from attrs import frozen

from newage.domain.model import Caller, Scope
from newage.services.sessions.rates import Pace
from newage.telemetry.audit import Recorder
from newage.web.api_v1 import bodies
from newage.web.api_v1.asked_events import AskedEvents
from newage.web.api_v1.document import document
from newage.web.api_v1.events import OutputEvents
from newage.web.api_v1.handlers import HubHandlers, RoomHandlers, TalkHandlers
from newage.web.api_v1.table import HUB, ROOMS, SCOPES, TALK, ApiDoor, Call, Endpoint, Served
from newage.web.gate import Gate
from newage.web.json_api import JsonApi

UNKNOWN = "There is nothing at this path. /api/v1/openapi.json tells what there is."


def table(
    hub: HubHandlers,
    rooms: RoomHandlers,
    talk: TalkHandlers,
    asking: AskedEvents,
    events: OutputEvents,
    *more: Endpoint,
) -> tuple[Endpoint, ...]:
    """Everything there is, in the order of the document, and ``more`` at its end."""
    room, said = "/rooms/{room}", "/rooms/{room}/messages"
    created = Recorder("room.create", "ROOM_CREATED", "ROOM_ERROR")
    deleted = Recorder("room.delete", "ROOM_DELETED", "ROOM_ERROR")
    joined = Recorder("room.join", "ROOM_JOINED", "ROOM_ERROR")
    left = Recorder("room.leave", "ROOM_LEFT", "ROOM_ERROR")
    policy = Recorder("policy.set", "CONNECTION_POLICY_SET")
    mode = Recorder("mode.set", "MESSAGE_REQUEST_MODE_SET", "ROOM_ERROR")
    asked = Recorder("llm.request", "LLM_REQUEST_RECEIVED", "LLM_REQUEST_FAILED", audited=False)

    def described(actor: Caller, call: Call) -> bodies.Document:
        return document(endpoints)

    endpoints = (
        Endpoint(
            method="GET",
            template="/openapi.json",
            summary="This document",
            tag=HUB,
            handle=described,
            answers=bodies.Document,
        ),
        Endpoint(
            method="GET",
            template="/status",
            summary="The hub as a whole",
            tag=HUB,
            handle=hub.status,
            answers=bodies.Status,
        ),
        Endpoint(
            method="GET",
            template="/me",
            summary="Who you are by your key",
            tag=HUB,
            handle=hub.me,
            answers=bodies.Me,
            scopes=(*SCOPES, Scope.API, Scope.WEBHOOK),
        ),
        Endpoint(
            method="GET",
            template="/sessions",
            summary="Who is connected",
            tag=HUB,
            handle=hub.present,
            answers=bodies.Sessions,
        ),
        Endpoint(
            method="GET",
            template="/extensions",
            summary="What can be asked",
            tag=HUB,
            handle=hub.extensions,
            answers=bodies.Extensions,
        ),
        Endpoint(
            method="GET",
            template="/extensions/{extension}/characters",
            summary="The characters that an extension offers, where it serves one of your rooms",
            tag=HUB,
            handle=hub.offered,
            answers=bodies.CharacterList,
            pace=Pace.EVENT,
        ),
        Endpoint(
            method="GET",
            template="/policy",
            summary="Which extension serves which room",
            tag=HUB,
            handle=hub.policy,
            answers=bodies.Policy,
        ),
        Endpoint(
            method="PUT",
            template="/policy",
            summary="Another policy, by an administrator",
            tag=HUB,
            handle=hub.set_policy,
            answers=bodies.Policy,
            body=bodies.Policy,
            audit=policy,
            noted=("policy",),
        ),
        Endpoint(
            method="GET",
            template="/rooms",
            summary="The rooms that you see",
            tag=ROOMS,
            handle=rooms.all,
            answers=bodies.Rooms,
        ),
        Endpoint(
            method="POST",
            template="/rooms",
            summary="A new room, whose master you are",
            tag=ROOMS,
            handle=rooms.create,
            answers=bodies.Room,
            body=bodies.NewRoom,
            status=201,
            audit=created,
            noted=("name",),
        ),
        Endpoint(method="GET", template=room, summary="One room", tag=ROOMS, handle=rooms.one, answers=bodies.Room),
        Endpoint(
            method="DELETE",
            template=room,
            summary="Delete a room with its history, by its master or an administrator",
            tag=ROOMS,
            handle=rooms.delete,
            answers=None,
            audit=deleted,
        ),
        Endpoint(
            method="GET",
            template=f"{room}/members",
            summary="Who is a member of a room",
            tag=ROOMS,
            handle=rooms.members,
            answers=bodies.Members,
        ),
        Endpoint(
            method="PUT",
            template=f"{room}/members/me",
            summary="Join a room",
            tag=ROOMS,
            handle=rooms.join,
            answers=bodies.Room,
            audit=joined,
        ),
        Endpoint(
            method="DELETE",
            template=f"{room}/members/me",
            summary="Leave a room",
            tag=ROOMS,
            handle=rooms.leave,
            answers=None,
            audit=left,
        ),
        Endpoint(
            method="PUT",
            template=f"{room}/mode",
            summary="Another mode, by the room's staff or an administrator",
            tag=ROOMS,
            handle=rooms.set_mode,
            answers=bodies.Room,
            body=bodies.Mode,
            audit=mode,
            noted=("mode",),
        ),
        Endpoint(
            method="GET",
            template=said,
            summary="What was said in a room of yours, page by page",
            tag=TALK,
            handle=talk.history,
            answers=bodies.Messages,
            query=bodies.Page,
        ),
        Endpoint(
            method="POST",
            template=said,
            summary="Say something in a room; its mode says who answers",
            tag=TALK,
            handle=talk.say,
            answers=bodies.Taken,
            body=bodies.NewMessage,
            status=202,
            scopes=(*SCOPES, Scope.WEBHOOK),
            once=True,
            audit=asked,
            pace=None,
        ),
        Endpoint(
            method="POST",
            template=f"{said}/events",
            summary="Say something, and read the answer as it is written: taken, output and its events, done, error",
            tag=TALK,
            events=asking.send,
            body=bodies.NewMessage,
            audit=asked,
            pace=None,
        ),
        Endpoint(
            method="GET",
            template=f"{room}/outputs",
            summary="The answers that are being written in a room of yours",
            tag=TALK,
            handle=talk.outputs,
            answers=bodies.Outputs,
        ),
        Endpoint(
            method="GET",
            template="/outputs/{output}/events",
            summary="An answer as it is written: server-sent events text, reasoning, cut, end, gone",
            tag=TALK,
            events=events.send,
        ),
        Endpoint(
            method="POST",
            template="/requests/{request}/cancel",
            summary="Take a question of yours back",
            tag=TALK,
            handle=talk.cancel,
            answers=bodies.Cancelled,
        ),
        *more,
    )
    return endpoints


@frozen
class ApiV1:
    """Makes what answers below ``/api``."""

    door: ApiDoor
    endpoints: tuple[Endpoint, ...]

    def __call__(self, gate: Gate) -> JsonApi:
        return JsonApi(gate, (Served(each, self.door).route for each in self.endpoints), UNKNOWN)
