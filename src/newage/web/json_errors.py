"""Failures as HTTP tells them: a status, headers, and one body for ``/v1`` and ``/api/v1``."""

from __future__ import annotations

from typing import Final, NamedTuple

from newage.dialect import Body, http
from newage.errors import (
    AlreadyMember,
    AuthenticationFailed,
    BadArguments,
    BadParameter,
    CallFailed,
    ClientMissing,
    FunctionMissing,
    InvalidRequest,
    NewAgeError,
    NotAuthorised,
    NotFound,
    NotMember,
    OverLimit,
    PeerGone,
    ProtocolError,
    RoomDenied,
    RoomExists,
    RoomMissing,
    TimedOut,
    Unavailable,
)

RETRY_AFTER: Final = 5  # seconds, where nothing better is known
KEEPS_OFF: Final = (b"X-Should-Retry", b"false")  # OpenAI's clients ask twice more by themselves, but for this


class Sort(NamedTuple):
    """What kind of failure it is: the status, and OpenAI's words for it."""

    status: int
    type: str
    code: str


# The first class that fits counts.
_SORTS: Final = (
    (OverLimit, Sort(429, "rate_limit_error", "rate_limit_exceeded")),
    ((InvalidRequest, BadParameter, ProtocolError, BadArguments), Sort(400, "invalid_request_error", "bad_request")),
    (AuthenticationFailed, Sort(401, "invalid_request_error", "invalid_api_key")),
    ((NotAuthorised, NotMember, RoomDenied), Sort(403, "permission_error", "forbidden")),
    ((NotFound, RoomMissing, FunctionMissing), Sort(404, "invalid_request_error", "not_found")),
    ((RoomExists, AlreadyMember), Sort(409, "invalid_request_error", "conflict")),
    (ClientMissing, Sort(503, "server_error", "no_extension")),
    (TimedOut, Sort(504, "server_error", "timeout")),
    ((Unavailable, PeerGone), Sort(503, "server_error", "unavailable")),
    (CallFailed, Sort(502, "server_error", "failed")),
)
_UNKNOWN: Final = Sort(500, "server_error", "internal")


class HttpRefusal(NewAgeError):
    """A failure that is HTTP's own, or has a word of its own."""

    def __init__(self, sort: Sort, message: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(message)
        self.sort = sort
        self.headers = headers


class Told(NamedTuple):
    """One failure, ready to be sent."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: Body


def sort_of(error: NewAgeError) -> Sort:
    if isinstance(error, HttpRefusal):
        return error.sort
    return next((sort for classes, sort in _SORTS if isinstance(error, classes)), _UNKNOWN)


def told(error: NewAgeError, *, keeps_off: bool = False) -> Told:
    """:param keeps_off: the client is not to try again by itself: what it asked was forwarded already."""
    sort = sort_of(error)
    headers = error.headers if isinstance(error, HttpRefusal) else ()
    if sort.status == 401:
        headers += ((b"WWW-Authenticate", b"Bearer"),)
    if sort.status in (429, 503):
        wait = error.members.get("retry_after", RETRY_AFTER)
        headers += ((b"Retry-After", b"%d" % wait if isinstance(wait, int) else b"%d" % RETRY_AFTER),)
    if keeps_off or sort.code == "no_extension":
        headers += (KEEPS_OFF,)
    return Told(sort.status, headers, http.failure(str(error), sort.type, sort.code))
