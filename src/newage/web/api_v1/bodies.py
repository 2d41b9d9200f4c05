"""What ``/api/v1`` takes and gives: each class is one JSON object, and one schema of the document."""

from __future__ import annotations

from typing import Any, Final

from attrs import frozen

from newage.domain.chat import Characters
from newage.domain.history import Earlier
from newage.domain.membership import Member as OfRoom
from newage.domain.model import Access, Caller, ConnectionPolicy, RequestMode
from newage.domain.model import Message as Said
from newage.domain.model import Room as Known
from newage.domain.model import Session as Live
from newage.domain.request import Accepted
from newage.domain.request import Cancelled as TakenBack
from newage.domain.request import Request as Question
from newage.domain.shown import ShownOutput
from newage.domain.status import HubStatus
from newage.domain.times import iso
from newage.services.streams.answers import Answer
from newage.web.api_v1.typed import member

PAGE: Final = 50  # messages, where nothing is said
MAX_PAGE: Final = 200
MAX_NAME: Final = 128  # characters of a room's
MAX_ID: Final = 256  # characters of an id
MAX_TEXT: Final = 150_000  # characters that are said; in bytes ``max_request_bytes`` bounds it


# --------------------------------------------------------------------------------------------------------------- hub


@frozen(kw_only=True)
class Status:
    """The hub as a whole."""

    version: str = member("of newage")
    uptime_seconds: int = member("since its start")
    sessions: int = member("that are connected")
    extensions: int = member("that can be asked")
    rooms: int = member("that you see")
    requests_in_progress: int = member("questions that have not ended")
    outputs: int = member("answers that are being written")
    policy: ConnectionPolicy = member("which extension serves which room")
    default_mode: RequestMode = member("the mode of new rooms")

    @classmethod
    def of(cls, status: HubStatus) -> Status:
        return cls(
            version=status.version,
            uptime_seconds=status.uptime,
            sessions=status.clients,
            extensions=len(status.extensions),
            rooms=status.rooms,
            requests_in_progress=status.live_requests,
            outputs=status.open_outputs,
            policy=status.policy,
            default_mode=status.default_mode,
        )


@frozen(kw_only=True)
class Me:
    """Who shows the key, and what that opens."""

    identity: str = member("as whom you are seen")
    client_id: str = member("whose key it is")
    kind: str = member("client, or admin where the key gives that from here")
    scope: str = member("of the key: all, client, admin, api or webhook")
    rank: str = member("of the key: client, extension or admin")
    sensitive: bool = member("whether you administer from here")

    @classmethod
    def of(cls, actor: Caller) -> Me:
        return cls(
            identity=actor.identity,
            client_id=actor.client_id,
            kind=actor.kind.value,
            scope="" if actor.scope is None else actor.scope.value,
            rank=actor.rank.wire,
            sensitive=actor.sensitive,
        )


@frozen(kw_only=True)
class Session:
    """Somebody, or an extension, who is connected."""

    identity: str = member("one instance of a client")
    client_id: str = member("whose instance it is")
    type: str = member("as what it came: client, SillyTavern, ...")
    name: str | None = member("of a person, to be shown", default=None)
    description: str = member("what it says of itself")
    connected_at: str = member("ISO 8601, UTC")

    @classmethod
    def of(cls, live: Live) -> Session:
        return cls(
            identity=live.identity,
            client_id=live.client_id,
            type=live.client_type,
            name=live.name or None,
            description=live.desc,
            connected_at=iso(live.connected_at),
        )


@frozen(kw_only=True)
class Sessions:
    sessions: tuple[Session, ...] = member("in the order in which they came")


@frozen(kw_only=True)
class Extension:
    """What answers: a SillyTavern, or a model server of the configuration."""

    identity: str = member("by this it is asked")
    client_id: str = member("of all its tabs")
    description: str = member("what it says of itself")
    serves_you: bool = member("whether it serves the room of your key's identity")


@frozen(kw_only=True)
class Extensions:
    extensions: tuple[Extension, ...] = member("that can be asked, the earliest first")


@frozen(kw_only=True)
class Character:
    """One that an extension offers."""

    id: str = member("by this it is asked")
    name: str = member("to be shown")
    tags: tuple[str, ...] = member("as its SillyTavern has them")


@frozen(kw_only=True)
class CharacterList:
    """What an extension offers."""

    extension: str = member("its identity")
    current: str | None = member("the id of the one that answers now", default=None)
    characters: tuple[Character, ...] = member("that people may see")
    truncated: bool = member("whether there are more")

    @classmethod
    def of(cls, extension: str, found: Characters) -> CharacterList:
        return cls(
            extension=extension,
            current=found.current or None,
            characters=tuple(Character(id=each.id, name=each.name, tags=tuple(each.tags)) for each in found.offered),
            truncated=found.truncated,
        )


@frozen(kw_only=True)
class Policy:
    policy: ConnectionPolicy = member("which extension serves which room")


@frozen(kw_only=True)
class Mode:
    mode: RequestMode = member("what becomes of what guests ask")


# -------------------------------------------------------------------------------------------------------------- rooms


@frozen(kw_only=True)
class Room:
    """One room that you see."""

    name: str = member("by this it is asked")
    id: str = member("of this room; one of the same name that is made again has another")
    kind: str = member("group, personal or extension")
    mode: RequestMode = member("what becomes of what guests ask")
    access: Access = member("open, or for invited ones")
    master: str | None = member("the identity of its master", default=None)
    members: int = member("how many there are, those who are away included")
    role: str | None = member("yours; absent where you are no member", default=None)
    seq: int = member("of the last change of its history")

    @classmethod
    def of(cls, actor: Caller, room: Known) -> Room:
        role = room.members.get(actor.identity)
        return cls(
            name=room.name,
            id=room.id,
            kind=room.kind.value,
            mode=room.mode,
            access=room.access,
            master=room.master,
            members=len(room.members),
            role=None if role is None else role.wire,
            seq=room.seq,
        )


@frozen(kw_only=True)
class Rooms:
    rooms: tuple[Room, ...] = member("that you see")


@frozen(kw_only=True)
class NewRoom:
    name: str = member("of the room", characters=(1, MAX_NAME))
    access: Access = member("open, or for invited ones", default=Access.OPEN)


@frozen(kw_only=True)
class Member:
    """One member of a room."""

    identity: str = member("one instance of a client")
    client_id: str = member("whose instance it is")
    name: str | None = member("of a person, to be shown", default=None)
    role: str = member("guest, special, manager or master")
    online: bool = member("whether it is here")
    muted: bool = member("whether it may say nothing now")
    bot: bool | None = member("true: what it says a program says, with a key of scope webhook", default=None)

    @classmethod
    def of(cls, one: OfRoom) -> Member:
        return cls(
            identity=one.session.identity,
            client_id=one.session.client_id,
            name=one.session.name or None,
            role=one.role.wire,
            online=one.online,
            muted=one.muted,
            bot=one.bot or None,
        )


@frozen(kw_only=True)
class Members:
    members: tuple[Member, ...] = member("in the order in which they joined")


# ----------------------------------------------------------------------------------------------------------- messages


@frozen(kw_only=True)
class Message:
    """What was said in a room: by a member, by an extension (``role`` is ``assistant``), or noted by the hub."""

    message_id: str = member("of this message")
    seq: int = member("its place in the history of its room")
    role: str = member("guest, special, manager, master, assistant or system")
    identity: str = member("of who said it")
    client_id: str = member("whose instance that is; empty for the hub")
    name: str | None = member("of who said it, to be shown", default=None)
    text: str = member("what was said")
    timestamp: str = member("ISO 8601, UTC")
    last_edited: str | None = member("ISO 8601, UTC", default=None)
    request_id: str | None = member("of the question that it is, or answers", default=None)
    question_id: str | None = member("the message that it answers", default=None)
    response_id: str | None = member("of an answer", default=None)
    output_id: str | None = member("of an answer: by this it is followed while it is written", default=None)
    selected: bool | None = member("of several answers to a question, whether it is the one that counts", default=None)
    failed: bool | None = member("of an answer: true where it failed", default=None)
    partial: bool | None = member("of an answer: true where it was cut off", default=None)
    reasoning: str | None = member("of an answer: what its model thought", default=None)
    character: str | None = member("of an answer: the name of who gave it", default=None)
    origin: str | None = member(
        "desk: it was said in SillyTavern itself; webhook: by a bot; openai: by a chat program", default=None
    )

    @classmethod
    def of(cls, said: Said) -> Message:
        return cls(
            message_id=said.message_id,
            seq=said.seq,
            role=said.role,
            identity=said.identity,
            client_id=said.client_id,
            name=said.name,
            text=said.text,
            timestamp=said.timestamp,
            last_edited=said.last_edited,
            request_id=said.request_id,
            question_id=said.question_id,
            response_id=said.response_id,
            output_id=said.output_id,
            selected=said.selected,
            failed=said.failed or None,
            partial=said.partial or None,
            reasoning=said.reasoning or None,
            character=None if said.character is None else said.character.name,
            origin=said.origin or None,
        )


@frozen(kw_only=True)
class Messages:
    """A page of a room's history."""

    messages: tuple[Message, ...] = member("oldest first")
    has_more: bool = member("whether there are older ones: ask again with before = the seq of the first")
    seq: int = member("of the last change of the room's history")

    @classmethod
    def of(cls, page: Earlier) -> Messages:
        return cls(messages=tuple(map(Message.of, page.messages)), has_more=page.more, seq=page.seq)


@frozen(kw_only=True)
class Page:
    """Which messages of a room; the newest where nothing is said."""

    before: int | None = member("those with a smaller seq", default=None, least=0)
    limit: int = member("how many at most; fewer where they are long", default=PAGE, least=1, most=MAX_PAGE)


@frozen(kw_only=True)
class NewMessage:
    """Something to say in a room; what becomes of it the room's mode says."""

    text: str = member("what is said", characters=(1, MAX_TEXT))
    targets: tuple[str, ...] | None = member("identities of extensions to be asked", default=None, most=16)
    character: str | None = member("the id of who shall answer", default=None, characters=(1, MAX_ID))
    request_id: str | None = member("of your own making, to cancel it by", default=None, characters=(1, MAX_ID))


@frozen(kw_only=True)
class Taken:
    """What became of a question so far."""

    request_id: str = member("by this it is cancelled")
    message_id: str = member("as it stands in the room's history")
    room: str = member("its name")
    state: str = member("recorded: nobody is asked; queued: it waits; forwarded: an extension was asked")

    @classmethod
    def of(cls, accepted: Accepted) -> Taken:
        return cls(
            request_id=accepted.request_id,
            message_id=accepted.message_id,
            room=accepted.room,
            state=accepted.state,
        )


@frozen(kw_only=True)
class Output:
    """An answer that is being written."""

    output_id: str = member("by this it is read")
    identity: str = member("of the extension that writes it")
    request_id: str | None = member("of the question that it answers", default=None)
    question_id: str | None = member("the message that it answers", default=None)
    character: str | None = member("the name of who gives it", default=None)

    @classmethod
    def of(cls, shown: ShownOutput) -> Output:
        return cls(
            output_id=shown.output_id,
            identity=shown.identity,
            request_id=shown.request_id or None,
            question_id=shown.question_id or None,
            character=None if shown.character is None else shown.character.name,
        )


@frozen(kw_only=True)
class Opened:
    """An answer that begins: what the events after it are of."""

    output_id: str = member("by this it is read on")
    identity: str = member("of the extension that writes it")
    character: str | None = member("the name of who gives it", default=None)

    @classmethod
    def of(cls, answer: Answer) -> Opened:
        return cls(
            output_id=answer.output_id,
            identity=answer.identity,
            character=None if answer.character is None else answer.character.name,
        )


@frozen(kw_only=True)
class Outputs:
    outputs: tuple[Output, ...] = member("oldest first")


@frozen(kw_only=True)
class Cancelled:
    """What became of a question that was taken back."""

    request_id: str = member("which")
    state: str = member("cancelled, or how it had ended before")
    outputs: tuple[str, ...] = member("the answers that ended by it")

    @classmethod
    def of(cls, found: TakenBack) -> Cancelled:
        return cls(request_id=found.request_id, state=found.state, outputs=found.outputs)


# ----------------------------------------------------------------------------------------------------------- webhooks


@frozen(kw_only=True)
class SaidInRoom:
    """A message, and where it was said. Where texts are not told, its text is empty."""

    room: str = member("the name of the room")
    room_id: str = member("of this room; one of the same name that is made again has another")
    message: Message = member("as it is stored now")

    @classmethod
    def of(cls, said: Said) -> SaidInRoom:
        return cls(room=said.room, room_id=said.room_id, message=Message.of(said))


@frozen(kw_only=True)
class RequestFailed:
    """A question that has not been answered."""

    request_id: str = member("as who asked called it")
    room: str = member("the name of the room")
    room_id: str = member("of this room; one of the same name that is made again has another")
    message_id: str | None = member("the message that was asked with", default=None)
    identity: str = member("of who asked")
    client_id: str = member("whose instance that is")
    state: str = member("failed or expired")
    reason: str = member("in words, for people")

    @classmethod
    def of(cls, request: Question, words: str) -> RequestFailed:
        return cls(
            request_id=request.request_id,
            room=request.room,
            room_id=request.room_id,
            message_id=request.message_id or None,
            identity=request.identity,
            client_id=request.client_id,
            state=request.state,
            reason=words,
        )


# ------------------------------------------------------------------------------------------------------------- errors


@frozen(kw_only=True)
class Failure:
    message: str = member("in words, for people")
    type: str = member("invalid_request_error, permission_error, rate_limit_error or server_error")
    param: str | None = member("always null")
    code: str = member("one word, for programs")


@frozen(kw_only=True)
class Error:
    """The body of every failure."""

    error: Failure = member("what failed, and why")


@frozen(kw_only=True)
class Document:
    """This document: OpenAPI 3.1."""

    openapi: str = member("3.1.0")
    info: dict[str, Any] = member("name and version")
    paths: dict[str, Any] = member("all of them")
    webhooks: dict[str, Any] = member("what the hub tells receivers of the configuration")
    components: dict[str, Any] = member("schemas")
    servers: tuple[dict[str, Any], ...] = member("where it is")
    security: tuple[dict[str, Any], ...] = member("a key, always")
