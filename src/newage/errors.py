"""Everything newage raises on purpose: one tree, each class owns its wire code.

``str(error)`` may be shown to a peer; ``code`` and ``error_code`` are the ``error.code`` and ``errorCode`` members of a
failure ack (contract C2 and 1.9). A code, once released, never changes its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class NewAgeError(Exception):
    """Root of the tree; also the answer to an unknown fault (``internal``)."""

    code: ClassVar[str] = "internal"
    error_code: ClassVar[int] = 2

    def __init__(self, message: str = "Internal error.", **members: object) -> None:
        """:param members: further members of the failure ack, by their wire names."""
        super().__init__(message)
        self.members = members

    def add(self, members: Mapping[str, object]) -> None:
        """Further members of the failure ack."""
        self.members = {**self.members, **members}


class ProtocolError(NewAgeError):
    """The peer broke Engine.IO or Socket.IO: its connection is closed, nobody else notices."""

    code = "protocol"
    error_code = 4


class InvalidRequest(NewAgeError):
    """A payload of the wrong shape."""

    code = "bad_request"
    error_code = 4


class BadParameter(NewAgeError):
    """One field has a value outside its range."""

    code = "bad_parameter"
    error_code = 3


class AuthenticationFailed(NewAgeError):
    """Who the peer claims to be was not proved."""

    code = "authentication_failed"
    error_code = 5


class NotAuthorised(NewAgeError):
    """The peer is known but may not do this."""

    code = "unauthorized"
    error_code = 6


class NotFound(NewAgeError):
    code = "not_found"
    error_code = 7


class TimedOut(NewAgeError):
    code = "timeout"
    error_code = 8


class Unavailable(NewAgeError):
    """A limit is reached or a part is not there now; trying later may help."""

    code = "unavailable"
    error_code = 9


class OverLimit(Unavailable):
    """So much may be asked over HTTP by one, and it asks for more."""

    code = "over_limit"


class Replaced(NewAgeError):
    """A newer socket has taken this one's place."""

    code = "REPLACED"
    error_code = 9


class PeerGone(NewAgeError):
    """The socket that should have answered is no longer connected."""

    code = "client_gone"
    error_code = 11


class FileMissing(NewAgeError):
    code = "ENOENT"
    error_code = 101


class FileReadFailed(NewAgeError):
    code = "file_read"
    error_code = 104


class FileWriteFailed(NewAgeError):
    code = "file_write"
    error_code = 105


class BadPath(NewAgeError):
    code = "file_path"
    error_code = 106


class PathOutside(NewAgeError):
    code = "path_outside"
    error_code = 201


class PathRestricted(NewAgeError):
    code = "path_restricted"
    error_code = 202


class RoomExists(NewAgeError):
    code = "room_exists"
    error_code = 301


class RoomMissing(NewAgeError):
    code = "room_missing"
    error_code = 302


class RoomDenied(NewAgeError):
    code = "room_denied"
    error_code = 303


class AlreadyMember(NewAgeError):
    code = "already_member"
    error_code = 304


class NotMember(NewAgeError):
    code = "not_member"
    error_code = 305


class ClientMissing(NewAgeError):
    """No such client, extension or call target."""

    code = "client_missing"
    error_code = 401


class BadKey(NewAgeError):
    code = "bad_key"
    error_code = 402


class FunctionMissing(NewAgeError):
    code = "function_missing"
    error_code = 501


class CallFailed(NewAgeError):
    code = "call_failed"
    error_code = 502


class BadArguments(NewAgeError):
    code = "bad_arguments"
    error_code = 503


class ConfigError(NewAgeError):
    """Options, configuration or home are wrong; ``str()`` names every cause and its cure, one a line."""

    code = "config"
    error_code = 3
