"""The tolerant edge: argument shapes, aliases and the two ack dialects (contract C1-C8, C11, 1.8), in one place.

A namespace module writes ``parse(payload) -> Request`` and ``handler(caller, request) -> members``; ``answer`` makes a
gateway handler of the two. What a peer sends never passes ``parse`` as a dict.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, TypeAlias, TypeVar

from attrs import frozen
from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from newage.dialect import Body, Event, acks
from newage.domain.model import Access, Caller
from newage.domain.text import well_formed
from newage.errors import BadParameter, InvalidRequest, NewAgeError, NotAuthorised
from newage.gateway.socketio.dispatch import Handler
from newage.ports import ISocket
from newage.telemetry.audit import OK, WARNING, Recorder

Request = TypeVar("Request")
Answer: TypeAlias = "list[Any] | None"  # the arguments of an ack; None: no ack
Handlers: TypeAlias = "dict[str, Handler]"  # a namespace module's events: one line each

_log = Logger()

INVALID = "Invalid request data."
ROOM = ("roomName", "targetRoom", "room")  # what a payload may call a room (contract 1.8)
MAX_ID = 128  # characters of an id made by a client (C11)
MAX_NUMBER = 2**53 - 1  # a whole number that JSON carries exactly to every client, and that fits every store
UNREAD = object()  # stands for a request that could not be read


@frozen
class Warned:
    """A handler's result that succeeded with a reservation (``status: 'warning'``)."""

    message: str
    members: Body


def as_known(error: BaseException, event: str = "") -> NewAgeError:
    """Any exception as one that may be shown; unknown ones are logged with their traceback, cancellation re-raised."""
    if isinstance(error, NewAgeError):
        return error
    if isinstance(error, CancelledError) or not isinstance(error, Exception):
        raise error
    _log.failure("handler of {event} broke", event=event)
    return NewAgeError()


def tell(socket: ISocket, *events: Event) -> None:
    """Send these to one socket."""
    for event in events:
        socket.emit(event.name, event.body)


def answer(
    parse: Callable[[Any], Request],
    handler: Callable[[Caller, Request], Any],
    *,
    query: bool = False,
    always_error: bool = False,
    bootstrap: bool = False,
    audit: Recorder | None = None,
) -> Handler:
    """Make a gateway handler.

    :param handler: returns the ack's members (a dict, a ``Warned`` or None) or an awaitable of these, or raises
        NewAgeError.
    :param query: without an ack id nothing is done at all (C3).
    :param always_error: a failure goes out as ``ERROR`` even when an ack was asked for (contract 5.2).
    :param bootstrap: open to peers that have no key yet (contract 2.8.4 a).
    :param audit: records what came of each request that could be read.
    """

    def handle(socket: ISocket, args: list[Any], wants_ack: bool) -> Answer | Awaitable[Answer]:
        if query and not wants_ack:
            return None
        exchange = Exchange(socket, args, wants_ack, always_error=always_error, audit=audit)
        try:
            if exchange.caller.bootstrap and not bootstrap:
                raise NotAuthorised("Unauthorized")
            exchange.request = request = parse(exchange.payload)
            result = handler(exchange.caller, request)
        except Exception as error:  # as_known logs what it does not know and re-raises cancellation
            return exchange.failed(as_known(error, handler.__name__))
        if result is not None and type(result) is not dict and isawaitable(result):
            return exchange.finish(result, handler.__name__)
        return exchange.succeeded(result)

    return handle


class Exchange:
    """One event that is being answered: by an ack, by ``ERROR``, and by a line in the audit log.

    ``caller`` is who sent it, as it was then; ``request`` what it was read as, ``UNREAD`` before that.
    """

    __slots__ = ("_always_error", "_audit", "_socket", "_wants_ack", "caller", "payload", "request")

    def __init__(
        self,
        socket: ISocket,
        args: list[Any],
        wants_ack: bool,
        *,
        always_error: bool = False,
        audit: Recorder | None = None,
    ) -> None:
        self.caller: Caller = socket.caller
        self.payload = args[0] if args else None
        self.request: Any = UNREAD
        self._socket = socket
        self._wants_ack = wants_ack
        self._always_error = always_error
        self._audit = audit

    async def finish(self, pending: Awaitable[Any], event: str) -> Answer:
        """Answer when the result is there."""
        try:
            result = await pending
        except Exception as error:  # as above
            return self.failed(as_known(error, event))
        return self.succeeded(result)

    def succeeded(self, result: Body | Warned | None) -> Answer:
        """:return: the ack's arguments, if one was asked for."""
        if self._audit is not None:
            self._audit.done(self.caller, self.request, outcome=WARNING if isinstance(result, Warned) else OK)
        if not self._wants_ack:
            return None
        return [acks.warning(result.message, result.members) if isinstance(result, Warned) else acks.success(result)]

    def failed(self, error: NewAgeError) -> Answer:
        """:return: the ack's arguments, if one was asked for; else it is told by ``ERROR``."""
        if self._audit is not None and self.request is not UNREAD:
            self._audit.failed(self.caller, self.request, error)
        if self._always_error or not self._wants_ack:
            tell(self._socket, acks.failed(error, self._request_id()))
        return [acks.failure(error)] if self._wants_ack else None

    def _request_id(self) -> str | None:
        return identifier(self.payload.get("requestId")) if isinstance(self.payload, dict) else None


# ------------------------------------------------------------------------------------------------- reading one payload


def nothing(payload: Any) -> None:
    """Parse for events that need no payload: anything goes (C1)."""


def members(payload: Any) -> Body:
    """The payload as a dict; absent is empty.

    :raises InvalidRequest: it is neither an object nor absent.
    """
    if payload is None:
        return {}
    if not isinstance(payload, dict):
        raise InvalidRequest(INVALID)
    return payload


def first(body: Body, *names: str) -> Any:
    """The value of the leftmost name that is present and not null (C4)."""
    for name in names:
        value = body.get(name)
        if value is not None:
            return value
    return None


def identifier(value: Any) -> str | None:
    """A client-made id (C11): string of 1-128 characters, or a number written in decimal; else None.

    Halves of surrogate pairs in it are repaired: ids reach stores and logs (C10).
    """
    if type(value) is str and value.isascii():  # nearly all, three of them in every token
        return value if 0 < len(value) <= MAX_ID else None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        value = str(value)
    elif isinstance(value, float):
        value = str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, str) and 0 < len(value) <= MAX_ID:
        return well_formed(value)
    return None


def whole_number(value: Any, name: str, low: int, high: int = MAX_NUMBER) -> int:
    """:raises BadParameter: it is no whole number, or out of range."""
    if type(value) is not int or not low <= value <= high:
        raise BadParameter(f"{name} must be a whole number from {low} to {high}.")
    return value


def members_or_room(payload: Any) -> Body:
    """As ``members``; a bare string is the room's name.

    :raises InvalidRequest: as ``members``.
    """
    if type(payload) is dict:  # as nearly always, and with each sign of typing
        return payload
    return {ROOM[0]: payload} if isinstance(payload, str) else members(payload)


@frozen
class RoomRef:
    """A room by its name, or None for the caller's own."""

    name: str | None


def parse_room_ref(payload: Any) -> RoomRef:
    return RoomRef(room_name(payload))


def room_name(payload: Any) -> str | None:
    """The room a payload names: a bare string, or one of the aliases; None if there is none."""
    if isinstance(payload, str):
        return identifier(payload)
    return identifier(first(members(payload), *ROOM))


def access(value: Any) -> Access:
    """Whom a group room is for.

    :raises InvalidRequest: it is neither.
    """
    if value == Access.OPEN.value or value == Access.INVITED.value:
        return Access(value)
    raise InvalidRequest("Invalid access. It is one of: open, invited")


def text(value: Any, limit: int) -> str:
    """A bounded string; anything else is the empty string."""
    return value[:limit] if isinstance(value, str) else ""


def holds_bytes(value: Any) -> bool:
    """Whether there is an attachment anywhere in it."""
    if isinstance(value, dict):
        return any(map(holds_bytes, value.values()))
    return any(map(holds_bytes, value)) if isinstance(value, list) else isinstance(value, bytes)
