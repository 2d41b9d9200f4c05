"""What the hub says, as types: members are called as in docs/api.md and docs/wire.md, which tell what each means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict

Kind = Literal["text", "reasoning"]
State = Literal["connecting", "connected", "reconnecting", "refused", "replaced", "closed"]
WaitsFor = Literal["", "host", "turn", "extension"]


@dataclass(frozen=True)
class StateChange:
    """Of the connection.

    :ivar message: why, where there is something to say.
    :ivar code: of the `Failure` that it is, or None.
    """

    state: State
    message: str = ""
    code: int | str | None = None


class Character(TypedDict):
    id: str
    name: str
    avatar: NotRequired[str]


class Message(TypedDict):
    """A message of a room's history. ``seq`` is its place in the room: 1 is the oldest; ``timestamp`` is ISO 8601."""

    messageId: str
    roomName: str
    seq: int
    identity: str
    clientId: str
    message: Any
    timestamp: str
    fromClient: bool
    fromLlm: bool
    name: NotRequired[str]
    role: NotRequired[str]
    isResponse: NotRequired[bool]
    isSystem: NotRequired[bool]
    requestId: NotRequired[str]
    questionId: NotRequired[str]
    outputId: NotRequired[str]
    reasoning: NotRequired[str]
    character: NotRequired[Character]
    partial: NotRequired[bool]
    lastEdited: NotRequired[str]


class Page(TypedDict):
    """GET_MESSAGES: oldest first; ``seq`` is the room's newest."""

    messages: list[Message]
    hasMore: bool
    seq: int


class Missed(TypedDict):
    """GET_OFFLINE_MESSAGES: go on with ``missed(since=nextSince)`` while there is more."""

    messages: list[Message]
    count: int
    hasMore: bool
    nextSince: int
    seq: int
    changed: NotRequired[bool]
    truncated: NotRequired[bool]


class Member(TypedDict):
    """GET_CLIENTS_IN_ROOM"""

    identity: str
    clientId: str
    role: str
    online: bool
    muted: bool
    name: NotRequired[str]


class RoomDetails(TypedDict):
    """GET_ROOMS"""

    name: str
    roomId: str
    mode: str
    access: Literal["open", "invited"]
    master: str | None
    memberCount: int


class Waiting(TypedDict):
    """GET_QUEUE: what waits in a room; ``position`` 1 is next."""

    requestId: str
    identity: str
    name: str | None
    messageId: str | None
    since: str
    waitsFor: Literal["host", "turn", "extension"]
    position: int


class Standing(TypedDict):
    """Where a request stands, as REQUEST_STATUS_UPDATE would say it; ``gone``: the hub knows it no more."""

    requestId: str
    status: str
    live: bool
    targets: NotRequired[list[str]]
    message: NotRequired[str]
    waitsFor: NotRequired[Literal["host", "turn", "extension"]]
    position: NotRequired[int]
    where: NotRequired[Literal["chat", "headless"]]
    mergedInto: NotRequired[str]
    errorCode: NotRequired[int]


class Stopped(TypedDict):
    """CANCEL_REQUEST: the request's state, and the outputs that ended by it."""

    requestId: str
    state: str
    outputs: list[str]


class ExtensionDetails(TypedDict):
    identity: str
    desc: NotRequired[str]
