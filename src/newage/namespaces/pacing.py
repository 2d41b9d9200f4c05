"""Which events others hear of, and how often one may send them (contract 4.6, A39).

Whatever is not listed as heard by nobody has a rate: an event that is new and forgotten here has it, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Final

from newage.errors import Unavailable
from newage.gateway.socketio.dispatch import Handler, Later
from newage.namespaces.wire import Answer, Exchange, Handlers
from newage.ports import ISocket
from newage.services.sessions.rates import EventRates, Pace

# Told to others, to a whole room or more.
HEARD: Final[Mapping[str, Pace]] = {
    "EDIT_MESSAGE": Pace.EDIT,
    **dict.fromkeys(
        (
            "ACCEPT_REQUEST",  # who asked
            "ADD_CLIENT_TO_ROOM",
            "ASSIGN_EXTENSION_TO_CLIENT",
            "CANCEL_REQUEST",
            "CLEAR_MESSAGES",
            "CREATE_ROOM",
            "DELETE_MESSAGE",
            "DELETE_ROOM",
            "DISCONNECT_CLIENT",
            "JOIN_ROOM",
            "KICK_MEMBER",
            "LEAVE_ROOM",
            "LIFT_BAR",
            "MUTE_MEMBER",
            "REMOVE_CLIENT_FROM_ROOM",
            "REMOVE_CLIENT_KEY",
            "SELECT_CHARACTER",
            "SELECT_RESPONSE",
            "SET_CONNECTION_POLICY",
            "SET_MEMBER_ROLE",
            "SET_MESSAGE_REQUEST_MODE",
            "SET_ROOM_ACCESS",
            "SET_ROOM_MESSAGE_REQUEST_MODE",
            "TOGGLE_DEBUG_MODE",
            "UNMUTE_MEMBER",
        ),
        Pace.EVENT,
    ),
}

# Nobody else hears of it, but the answer may be long, or an extension is asked.
ASKED: Final[Mapping[str, Pace]] = {
    "RESUME_OUTPUTS": Pace.RESUME,
    **dict.fromkeys(("CHAT_SNAPSHOT", "GET_AVATAR", "GET_QUEUE", "LIST_CHARACTERS"), Pace.EVENT),
}

# Answered to who asks, and nobody else hears of it.
ANSWERED: Final = frozenset(
    {
        "CLIENT_DISCONNECTED",  # the end of its session is announced once for all its sockets
        "CLIENT_SETTINGS",
        "CREATE_PAIRING",
        "GENERATE_CLIENT_KEY",
        "GET_ALL_CLIENT_KEYS",
        "GET_ASSIGNMENTS",
        "GET_ASSIGNMENTS_FOR_ROOM",
        "GET_CLIENTS_IN_ROOM",
        "GET_CLIENT_KEY",
        "GET_CLIENT_LIST",
        "GET_CONNECTED_CLIENT_ROOMS",
        "GET_CONNECTED_EXTENSIONS",
        "GET_CONNECTION_POLICY",
        "GET_FULL_CONTEXT",
        "GET_MESSAGES",
        "GET_OFFLINE_MESSAGES",
        "GET_ROOMS",
        "GET_SILLYTAVERN_EXTENSION",
        "IDENTIFY_SILLYTAVERN",
        "LOGIN",
        "READ_LOG",
        "SERVER_STATUS",
        "SET_CHAT_ROOM",
        "UPDATE_CONNECTED_CLIENTS",
    }
)

# Bounded where they are handled.
ELSEWHERE: Final[Mapping[str, str]] = {
    "CHAT_EVENT": "services/chat/mirror.py, which drops what is too much",
    "BUSY": "one hears it; RequestSettings, by number and time",
    "FUNCTION_CALL": "one hears it; CallSettings",
    "LLM_REQUEST": "RequestSettings, by count and bytes (contract 5.2)",
    "SUBMIT_QUEUE": "RequestSettings, as LLM_REQUEST",
    "START_TYPING": "ActivityService, told to others not too often",
    "STOP_TYPING": "ActivityService, as START_TYPING",
    **dict.fromkeys(
        (
            "CLIENT_STREAM_DATA_FAILED",
            "CLIENT_STREAM_DATA_FIRST",
            "CLIENT_STREAM_DATA_LAST",
            "CLIENT_STREAM_DATA_MIDDLE",
            "CLIENT_STREAM_DATA_RETRY",
            "CLIENT_STREAM_END",
            "CLIENT_STREAM_RESET",
            "CLIENT_STREAM_START",
            "ERROR",
            "START_PROCESSING",
            "STOP_PROCESSING",
            "STREAM_DATA_FAILED",
            "STREAM_DATA_FIRST",
            "STREAM_DATA_LAST",
            "STREAM_DATA_MIDDLE",
            "STREAM_DATA_RETRY",
            "STREAM_END",
            "STREAM_START",
            "message",
        ),
        "an extension's answer; StreamSettings (A23)",
    ),
    **dict.fromkeys(
        ("$stream", "$stream-end", "$stream-error", "$stream-read", "$stream-write"), "a reader's, to the hub alone"
    ),
}

PACED: Final[Mapping[str, Pace]] = {**HEARD, **ASKED}
UNPACED: Final = ANSWERED | ELSEWHERE.keys()


def paced(rates: EventRates, handlers: Mapping[str, Handler]) -> Handlers:
    """These handlers; what others hear of is refused, in an ack and an ``ERROR``, when it comes too often."""
    return {
        event: handler if event in UNPACED else _paced(rates, event, PACED.get(event, Pace.EVENT), handler)
        for event, handler in handlers.items()
    }


def _paced(rates: EventRates, event: str, pace: Pace, handler: Handler) -> Handler:
    def handle(socket: ISocket, args: list[Any], wants_ack: bool) -> Answer | Awaitable[Answer] | Later:
        if event in ASKED and not wants_ack:  # nobody wants to know (C3)
            return None
        try:
            rates.spend(socket.caller, pace, event)
        except Unavailable as error:
            return Exchange(socket, args, wants_ack, always_error=True).failed(error)
        answer: Answer | Awaitable[Answer] | Later = handler(socket, args, wants_ack)
        return answer

    return handle
