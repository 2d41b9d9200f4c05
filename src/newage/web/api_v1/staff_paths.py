"""The rows of a room's staff in the table of ``/api/v1``."""

from __future__ import annotations

from newage.services.sessions.rates import Pace
from newage.telemetry.audit import Recorder
from newage.web.api_v1 import bodies as common
from newage.web.api_v1 import staff_bodies as bodies
from newage.web.api_v1.staff_handlers import MemberHandlers, MessageHandlers
from newage.web.api_v1.table import TALK, Endpoint

STAFF = "Moderation"


def member_rows(members: MemberHandlers) -> tuple[Endpoint, ...]:
    room, one = "/rooms/{room}", "/rooms/{room}/members/{member}"
    return (
        Endpoint(
            method="POST",
            template=f"{room}/members",
            summary="Add somebody to a room, by its staff or an administrator",
            tag=STAFF,
            handle=members.add,
            answers=None,
            body=bodies.Added,
            audit=Recorder("member.add", "MEMBER_JOINED", "ROOM_ERROR"),
            noted=("member:identity", "role"),
        ),
        Endpoint(
            method="DELETE",
            template=one,
            summary="Take somebody out of a room, who may come back",
            tag=STAFF,
            handle=members.remove,
            answers=None,
            audit=Recorder("member.remove", "MEMBER_LEFT", "ROOM_ERROR"),
        ),
        Endpoint(
            method="PUT",
            template=f"{one}/role",
            summary="Make a member something else",
            tag=STAFF,
            handle=members.set_role,
            answers=None,
            body=bodies.RoleOf,
            audit=Recorder("member.role", "MEMBER_ROLE_CHANGED", "ROOM_ERROR"),
            noted=("role",),
        ),
        Endpoint(
            method="POST",
            template=f"{one}/kick",
            summary="Take somebody out of a room, and bar his client for a while",
            tag=STAFF,
            handle=members.kick,
            answers=bodies.Until,
            body=bodies.Kick,
            audit=Recorder("member.kick", "MEMBER_KICKED", "ROOM_ERROR"),
            noted=("seconds",),
        ),
        Endpoint(
            method="PUT",
            template=f"{one}/mute",
            summary="Silence a member",
            tag=STAFF,
            handle=members.mute,
            answers=bodies.Until,
            body=bodies.Mute,
            audit=Recorder("member.mute", "MEMBER_MUTED", "ROOM_ERROR"),
            noted=("seconds",),
        ),
        Endpoint(
            method="DELETE",
            template=f"{one}/mute",
            summary="Give a member the word back",
            tag=STAFF,
            handle=members.unmute,
            answers=None,
            audit=Recorder("member.unmute", "MEMBER_UNMUTED", "ROOM_ERROR"),
        ),
        Endpoint(
            method="GET",
            template=f"{room}/bars",
            summary="Who was kicked and is barred, for the staff",
            tag=STAFF,
            handle=members.bars,
            answers=bodies.Bars,
        ),
        Endpoint(
            method="DELETE",
            template=f"{room}/bars/{{client}}",
            summary="Let who was kicked come back",
            tag=STAFF,
            handle=members.lift_bar,
            answers=bodies.Lifted,
            audit=Recorder("member.unbar", "MEMBER_BAR_LIFTED", "ROOM_ERROR"),
        ),
        Endpoint(
            method="PUT",
            template=f"{room}/access",
            summary="Whom a room lets in, by its master or an administrator",
            tag=STAFF,
            handle=members.set_access,
            answers=common.Room,
            body=bodies.AccessOf,
            audit=Recorder("room.access", "ROOM_ACCESS_CHANGED", "ROOM_ERROR"),
            noted=("access",),
        ),
        Endpoint(
            method="PUT",
            template="/mode",
            summary="The mode of all rooms, and of new ones, by an administrator",
            tag=STAFF,
            handle=members.set_default_mode,
            answers=common.Mode,
            body=common.Mode,
            audit=Recorder("mode.set", "MESSAGE_REQUEST_MODE_SET", "ROOM_ERROR"),
            noted=("mode",),
        ),
        Endpoint(
            method="GET",
            template=f"{room}/extensions",
            summary="Which extensions serve a room",
            tag=STAFF,
            handle=members.serving,
            answers=bodies.Serving,
        ),
        Endpoint(
            method="PUT",
            template=f"{room}/extensions",
            summary="Which extensions serve a room under the policy Manual, by an administrator",
            tag=STAFF,
            handle=members.assign,
            answers=bodies.Serving,
            body=bodies.Assigned,
            audit=Recorder("extension.assign", "EXTENSION_ASSIGNED"),
            noted=("extensions",),
        ),
    )


def message_rows(messages: MessageHandlers) -> tuple[Endpoint, ...]:
    room, said = "/rooms/{room}", "/rooms/{room}/messages/{message}"
    asked = Recorder("llm.request", "LLM_REQUEST_RECEIVED", "LLM_REQUEST_FAILED", audited=False)
    return (
        Endpoint(
            method="PATCH",
            template=said,
            summary="Change what you said, or as staff any message",
            tag=TALK,
            handle=messages.edit,
            answers=common.Message,
            body=bodies.Edit,
            audit=Recorder("message.edit", "MESSAGE_EDITED"),
            pace=Pace.EDIT,
        ),
        Endpoint(
            method="DELETE",
            template=said,
            summary="Delete what you said, or as staff any message",
            tag=TALK,
            handle=messages.delete,
            answers=None,
            audit=Recorder("message.delete", "MESSAGE_DELETED"),
        ),
        Endpoint(
            method="DELETE",
            template=f"{room}/messages",
            summary="Clear a room, by its staff or an administrator",
            tag=TALK,
            handle=messages.clear,
            answers=bodies.Cleared,
            query=bodies.Clearing,
            audit=Recorder("message.clear", "MESSAGES_CLEARED"),
            noted=("questions", "answers"),
        ),
        Endpoint(
            method="PUT",
            template=f"{said}/selected",
            summary="Of several answers to a question, the one that counts",
            tag=TALK,
            handle=messages.select,
            answers=bodies.Selected,
        ),
        Endpoint(
            method="POST",
            template=f"{said}/again",
            summary="One more answer to a question",
            tag=TALK,
            handle=messages.ask_again,
            answers=common.Taken,
            body=bodies.Submit,
            status=202,
            audit=asked,
            pace=None,
        ),
        Endpoint(
            method="POST",
            template=f"{said}/continue",
            summary="An answer shall go on",
            tag=TALK,
            handle=messages.go_on,
            answers=common.Taken,
            body=bodies.Submit,
            status=202,
            audit=asked,
            pace=None,
        ),
        Endpoint(
            method="GET",
            template=f"{room}/queue",
            summary="What waits in a room to be asked",
            tag=TALK,
            handle=messages.queue,
            answers=bodies.Queue,
            pace=Pace.EVENT,
        ),
        Endpoint(
            method="POST",
            template=f"{room}/queue/submit",
            summary="Ask what waits for its host, by the staff",
            tag=TALK,
            handle=messages.submit_queue,
            answers=common.Taken,
            body=bodies.Submit,
            status=202,
            audit=asked,
            pace=None,
        ),
    )
