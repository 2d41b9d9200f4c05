"""Every event that the hub handles: what a right payload is, which fields must have which type, and who may.

``needed``: missing, null or of the wrong type, the request fails. ``typed``: may be missing, but what is there must be
right, for a selector of the wrong type must never turn into "everything" or "myself". ``string``: a bare string is a
whole payload. ``allowed``: for whom the right payload succeeds; None where that depends on more than the role.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from attrs import field, frozen
from isolation import EXTENSION, ROOM, Hub

MEMBERS = frozenset({"master", "manager", "special", "guest"})
STAFF = frozenset({"master", "manager"})
ADMIN = frozenset({"admin"})
KEYLESS = frozenset({"keyless", "keyless extension"})
ANYBODY = MEMBERS | ADMIN | {"outsider", "extension", "remote", "remote admin"}
SENSITIVE = ADMIN | {"extension"}
NOBODY: frozenset[str] = frozenset()


# Other names of a field that means somebody or something (contract 1.8): what is wrong under them is wrong, too.
SUBJECT = ("targetIdentity", "identity", "targetClientId", "clientId")
ALIASES = {
    "roomName": ("targetRoom", "room"),
    "targetIdentity": SUBJECT[1:],
    "identity": (SUBJECT[0], *SUBJECT[2:]),
    "targetClientId": ("clientId",),
    "messageIds": ("messageId", "responseIds", "responseId"),
    "messageId": ("responseId",),
    "updatedFields": ("updatedMessage",),
    "duration": ("durationSeconds",),
}


class Does(Enum):
    """What an event does when it succeeds."""

    TELL = auto()  # answers and changes nothing; without an ack id it is ignored
    PUSH = auto()  # changes nothing, and sends events to the asking socket
    CHANGE = auto()
    UPSTREAM = auto()  # nobody is acked (contract 3.3): what extensions and stream readers send


@frozen
class Event:
    namespace: str
    name: str
    does: Does
    valid: Callable[[Hub, str], Any]
    needed: tuple[str, ...] = ()
    typed: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    allowed: frozenset[str] | None = field(default=ANYBODY, kw_only=True)
    string: bool = field(default=False, kw_only=True)
    unread: bool = field(default=False, kw_only=True)  # the payload is not looked at
    optional: bool = field(default=False, kw_only=True)  # no payload at all is fine

    @property
    def fields(self) -> tuple[str, ...]:
        return (*self.needed, *self.typed, *self.loose)

    def __str__(self) -> str:
        return f"{self.namespace} {self.name}"


def body(**members: Any) -> Callable[[Hub, str], Any]:
    return lambda hub, who: members


def about(subject: str, name: str = "targetIdentity", **members: Any) -> Callable[[Hub, str], Any]:
    return body(**{name: subject, "roomName": ROOM, **members})


def unread(namespace: str, name: str, does: Does = Does.TELL, allowed: frozenset[str] = ANYBODY) -> Event:
    return Event(namespace, name, does, body(), allowed=allowed, unread=True, optional=True)


def of_room(namespace: str, name: str, does: Does, allowed: frozenset[str], **more: Any) -> Event:
    return Event(namespace, name, does, body(roomName=ROOM), ("roomName",), allowed=allowed, string=True, **more)


def message_events(namespace: str) -> list[Event]:
    """Those that are on ``/llm`` and on ``/rooms``."""
    staff = STAFF | ADMIN
    edited = ("roomName", "messageId", "updatedFields")

    def edit(hub: Hub, who: str) -> Any:
        return {"roomName": ROOM, "messageId": hub.message_id, "updatedFields": {"message": "changed"}}

    def delete(hub: Hub, who: str) -> Any:
        return {"roomName": ROOM, "messageIds": [hub.message_id]}

    clear = body(roomName=ROOM, clearRequests=True, clearResponses=False)
    mute = about("guest", duration=60)
    return [
        Event(namespace, "EDIT_MESSAGE", Does.CHANGE, edit, edited, allowed=staff),
        Event(namespace, "DELETE_MESSAGE", Does.CHANGE, delete, ("roomName", "messageIds"), allowed=staff),
        Event(
            namespace,
            "CLEAR_MESSAGES",
            Does.CHANGE,
            clear,
            ("roomName",),
            ("clearRequests", "clearResponses", "fromLlm"),
            allowed=staff,
            string=True,
        ),
        Event(
            namespace, "MUTE_MEMBER", Does.CHANGE, mute, ("targetIdentity", "roomName"), ("duration",), allowed=staff
        ),
        Event(namespace, "UNMUTE_MEMBER", Does.CHANGE, about("guest"), ("targetIdentity", "roomName"), allowed=staff),
        Event(
            namespace,
            "GET_ASSIGNMENTS_FOR_ROOM",
            Does.TELL,
            body(roomName=ROOM),
            loose=("roomName",),
            string=True,
            optional=True,
        ),
    ]


def room_events() -> list[Event]:
    staff, does = STAFF | ADMIN, Does.CHANGE
    who_where = ("targetIdentity", "roomName")
    role = about("guest", role="special")
    return [
        unread("/rooms", "GET_ROOMS"),
        of_room("/rooms", "GET_CLIENTS_IN_ROOM", Does.TELL, ANYBODY),
        Event("/rooms", "CREATE_ROOM", does, body(roomName="fresh"), ("roomName",), allowed=ADMIN, string=True),
        of_room("/rooms", "DELETE_ROOM", does, ADMIN | {"master"}),
        of_room("/rooms", "JOIN_ROOM", does, ANYBODY),
        of_room("/rooms", "LEAVE_ROOM", does, MEMBERS),
        Event(
            "/rooms",
            "ADD_CLIENT_TO_ROOM",
            does,
            about("outsider", "identity", role="guest"),
            ("roomName",),
            ("identity", "role"),
            allowed=staff | {"outsider"},
            string=True,
        ),
        Event(
            "/rooms",
            "REMOVE_CLIENT_FROM_ROOM",
            does,
            about("guest", "identity"),
            ("roomName",),
            ("identity",),
            allowed=staff | {"guest"},
            string=True,
        ),
        Event("/rooms", "SET_MEMBER_ROLE", does, role, (*who_where, "role"), allowed=staff),
        Event("/rooms", "KICK_MEMBER", does, about("guest", reason="x"), who_where, loose=("reason",), allowed=staff),
        Event("/rooms", "LIFT_BAR", does, about("guest", "identity"), ("roomName", "identity"), allowed=staff),
        Event(
            "/rooms",
            "SET_ROOM_ACCESS",
            does,
            body(roomName=ROOM, access="open"),
            ("roomName", "access"),
            allowed=ADMIN | {"master"},
        ),
        Event(
            "/rooms",
            "SET_ROOM_MESSAGE_REQUEST_MODE",
            does,
            body(roomName=ROOM, mode="Immediate"),
            ("roomName", "mode"),
            allowed=staff,
        ),
        Event(
            "/rooms",
            "SET_MESSAGE_REQUEST_MODE",
            does,
            body(mode="Immediate", roomName=ROOM),
            ("mode",),
            ("roomName",),
            allowed=ADMIN,
            string=True,
        ),
        Event("/rooms", "SET_CONNECTION_POLICY", does, body(policy="Random"), ("policy",), allowed=ADMIN, string=True),
        unread("/rooms", "GET_CONNECTION_POLICY"),
        Event(
            "/rooms",
            "ASSIGN_EXTENSION_TO_CLIENT",
            does,
            body(clientRoom=ROOM, extensions=[EXTENSION]),
            ("clientRoom", "extensions"),
            allowed=NOBODY,  # the policy is Free
        ),
        unread("/rooms", "GET_ASSIGNMENTS"),
        unread("/rooms", "GET_CONNECTED_EXTENSIONS"),
        unread("/rooms", "GET_CONNECTED_CLIENT_ROOMS"),
        *message_events("/rooms"),
    ]


def history(name: str, does: Does, **numbers: int) -> Event:
    """Who reads what was said in a room."""
    return Event(
        "/llm",
        name,
        does,
        body(roomName=ROOM, **numbers),
        typed=tuple(numbers),
        loose=("roomName",),
        allowed=MEMBERS | ADMIN,
        string=True,
        optional=True,
    )


def llm_events() -> list[Event]:
    request = body(requestId="fresh", message="words", target=EXTENSION, targetRoom=ROOM, role="guest")
    present = body(targetRoom=ROOM, requestId="r3")

    def answer(hub: Hub, who: str) -> Any:
        return {"roomName": ROOM, "messageId": hub.response_id}

    shown = {"TYPING": MEMBERS | {"extension"}, "PROCESSING": frozenset({"extension"})}
    return [
        Event(
            "/llm",
            "LLM_REQUEST",
            Does.CHANGE,
            request,
            ("requestId", "message"),
            loose=("target", "targetRoom", "role", "requestType", "isStreaming"),
            allowed=MEMBERS | ADMIN,
        ),
        history("GET_FULL_CONTEXT", Does.PUSH),
        Event("/llm", "SELECT_RESPONSE", Does.CHANGE, answer, ("roomName", "messageId"), allowed=STAFF | ADMIN),
        Event(
            "/llm",
            "CANCEL_REQUEST",
            Does.CHANGE,
            body(requestId="r1", identity="guest"),
            ("requestId",),
            loose=("identity",),  # by no other name; tests/namespaces/test_llm_requests.py has wrong ones
            allowed=None,  # of one's own, else as staff
        ),
        history("GET_QUEUE", Does.TELL),
        Event(
            "/llm",
            "SUBMIT_QUEUE",
            Does.CHANGE,
            body(roomName=ROOM),
            loose=("roomName",),
            allowed=STAFF | ADMIN,
            string=True,
            optional=True,
        ),
        history("GET_MESSAGES", Does.TELL, limit=5, before=9),
        Event(
            "/llm",
            "RESUME_OUTPUTS",
            Does.TELL,
            body(roomName=ROOM, epoch="e", outputs=[{"outputId": "o1", "at": 3}]),
            loose=("roomName", "epoch", "outputs"),  # none: all live ones
            string=True,
            optional=True,
        ),
        *desk_events(),
        history("GET_OFFLINE_MESSAGES", Does.PUSH, limit=5, since=0),
        *(
            Event(
                "/llm",
                f"{change}_{status}",
                Does.CHANGE,
                present,
                loose=("targetRoom", "requestId"),
                allowed=who,
                string=True,
                optional=True,
            )
            for status, who in shown.items()
            for change in ("START", "STOP")
        ),
        *message_events("/llm"),
        *upstream(),
    ]


def desk_events() -> list[Event]:
    """The extension here offers nothing of its desk, and its chat is nobody's."""
    return [
        Event(
            "/llm",
            "LIST_CHARACTERS",
            Does.TELL,
            body(roomName=ROOM, target=EXTENSION),
            typed=("roomName", "target"),
            allowed=NOBODY,
            string=True,
            optional=True,
        ),
        Event("/llm", "GET_AVATAR", Does.TELL, body(target=EXTENSION, id="a.png"), ("target", "id"), allowed=NOBODY),
        Event(
            "/llm",
            "SELECT_CHARACTER",
            Does.CHANGE,
            body(roomName=ROOM, id="a.png"),
            ("roomName", "id"),
            allowed=NOBODY,
        ),
        Event(
            "/llm",
            "CHAT_SNAPSHOT",
            Does.TELL,
            body(roomName=ROOM, limit=5),
            ("roomName",),
            ("limit",),
            allowed=NOBODY,
            string=True,
        ),
        Event(
            "/llm",
            "SET_CHAT_ROOM",
            Does.CHANGE,
            lambda hub, who: {"roomName": hub.client_id(who)},
            typed=("roomName",),
            allowed=frozenset({"extension"}),
            string=True,
        ),
    ]


def upstream() -> list[Event]:
    """What nobody is acked for. Right payloads name a stream of nobody's, so that they change nothing either."""
    parts = ("START", "DATA_FIRST", "DATA_MIDDLE", "DATA_LAST", "DATA_RETRY", "DATA_FAILED", "END")
    stream = body(type=2, streamId="s", outputId="o", requestId="r1", chunkIndex=0, data="x", final=False)
    fields = ("type", "streamId", "outputId", "requestId", "chunkIndex", "data", "final")
    said = body(type=0, data="x", requestId="r1", outputId="o", source="client")
    failed = body(type="ERROR", message="m", error="e", requestId="r1")
    readers = [Event("/llm", f"$stream{name}", Does.UPSTREAM, body()) for name in ("", "-read", "-end", "-error")]
    return [
        *(Event("/llm", f"{p}STREAM_{n}", Does.UPSTREAM, stream, loose=fields) for p in ("CLIENT_", "") for n in parts),
        Event(
            "/llm", "CLIENT_STREAM_RESET", Does.UPSTREAM, body(streamId="s", outputId="o", at=0), loose=(*fields, "at")
        ),
        Event(
            "/llm",
            "CHAT_EVENT",
            Does.UPSTREAM,
            body(op="add", chatId="c", id="1", name="Me", isUser=True, text="x"),
            loose=("op", "chatId", "id", "name", "text", "swipe"),
        ),
        Event(
            "/llm",
            "ACCEPT_REQUEST",
            Does.UPSTREAM,
            body(requestId="r1", where="chat", position=1),
            loose=("requestId", "where", "position"),
        ),
        Event(
            "/llm",
            "BUSY",
            Does.UPSTREAM,
            body(requestId="r1", retryAfterMs=500, reason="x"),
            loose=("requestId", "retryAfterMs", "reason"),
        ),
        Event("/llm", "message", Does.UPSTREAM, said, loose=("type", "data", "requestId", "outputId")),
        Event("/llm", "ERROR", Does.UPSTREAM, failed, loose=("message", "error", "requestId")),
        *readers,
        Event("/llm", "$stream-write", Does.UPSTREAM, body()),
    ]


def own_id(hub: Hub, who: str) -> Any:
    return {"clientId": hub.client_id(who)}


EVENTS = [
    Event("/auth", "GET_CLIENT_KEY", Does.TELL, own_id, (), ("clientId",), allowed=None, optional=True),
    unread("/auth", "GET_SILLYTAVERN_EXTENSION", allowed=ANYBODY | KEYLESS),
    Event(
        "/auth",
        "LOGIN",
        Does.CHANGE,
        lambda hub, who: {**own_id(hub, who), "password": "guessed"},
        ("clientId", "password"),
        allowed=NOBODY,
    ),
    unread("/clients", "GET_ALL_CLIENT_KEYS", allowed=SENSITIVE),
    Event(
        "/clients",
        "GET_CLIENT_KEY",
        Does.TELL,
        body(clientId="guest"),
        (),
        ("clientId",),
        allowed=ADMIN | {"guest"},
        optional=True,
    ),
    Event(
        "/clients",
        "GENERATE_CLIENT_KEY",
        Does.CHANGE,
        body(targetClientId="guest"),
        (),
        ("targetClientId",),
        allowed=SENSITIVE,
        optional=True,
    ),
    Event(
        "/clients",
        "CREATE_PAIRING",
        Does.CHANGE,
        body(),
        (),
        (),
        ("code", "confirm", "accept"),
        allowed=ADMIN,
        optional=True,
    ),
    Event(
        "/clients",
        "REMOVE_CLIENT_KEY",
        Does.CHANGE,
        body(targetClientId="guest"),
        (),
        ("targetClientId",),
        allowed=SENSITIVE,
        optional=True,
    ),
    Event(
        "/clients",
        "DISCONNECT_CLIENT",
        Does.CHANGE,
        body(targetClientId="guest"),
        ("targetClientId",),
        (),
        ("identity", "reason"),
        allowed=ADMIN,
    ),
    unread("/clients", "GET_CLIENT_LIST"),
    unread("/clients", "UPDATE_CONNECTED_CLIENTS"),
    Event(
        "/sillytavern",
        "IDENTIFY_SILLYTAVERN",
        Does.CHANGE,
        own_id,
        (),
        ("clientId",),
        allowed=frozenset({"extension", "keyless extension"}),
        optional=True,
    ),
    Event("/sillytavern", "CLIENT_SETTINGS", Does.CHANGE, body(theme="dark"), allowed=frozenset({"extension"})),
    Event(
        "/function_call",
        "FUNCTION_CALL",
        Does.CHANGE,
        body(functionName="add", args=[1, 2], target="server", requestId="c1"),
        ("functionName", "args"),
        ("target",),
        ("requestId",),
    ),
    *llm_events(),
    *room_events(),
    unread("/debug", "TOGGLE_DEBUG_MODE", Does.CHANGE, SENSITIVE),
    unread("/debug", "SERVER_STATUS", allowed=SENSITIVE),
    Event(
        "/debug",
        "READ_LOG",
        Does.TELL,
        body(filename="combined.log", level="warn", page=1, pageSize=10),
        ("filename",),
        ("level", "page", "pageSize"),
        allowed=SENSITIVE,
    ),
]
