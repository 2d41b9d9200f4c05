"""The codes of errors, which clients compare with: once released, none changes its meaning (contract C2, 1.9)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from newage import errors
from newage.errors import NewAgeError

CODES = {
    "NewAgeError": ("internal", 2),
    "ProtocolError": ("protocol", 4),
    "InvalidRequest": ("bad_request", 4),
    "BadParameter": ("bad_parameter", 3),
    "AuthenticationFailed": ("authentication_failed", 5),
    "NotAuthorised": ("unauthorized", 6),
    "NotFound": ("not_found", 7),
    "TimedOut": ("timeout", 8),
    "Unavailable": ("unavailable", 9),
    "OverLimit": ("over_limit", 9),
    "Replaced": ("REPLACED", 9),
    "PeerGone": ("client_gone", 11),
    "FileMissing": ("ENOENT", 101),
    "FileReadFailed": ("file_read", 104),
    "FileWriteFailed": ("file_write", 105),
    "BadPath": ("file_path", 106),
    "PathOutside": ("path_outside", 201),
    "PathRestricted": ("path_restricted", 202),
    "RoomExists": ("room_exists", 301),
    "RoomMissing": ("room_missing", 302),
    "RoomDenied": ("room_denied", 303),
    "AlreadyMember": ("already_member", 304),
    "NotMember": ("not_member", 305),
    "ClientMissing": ("client_missing", 401),
    "BadKey": ("bad_key", 402),
    "FunctionMissing": ("function_missing", 501),
    "CallFailed": ("call_failed", 502),
    "BadArguments": ("bad_arguments", 503),
    "ConfigError": ("config", 3),
}


def tree(root: type[NewAgeError]) -> Iterator[type[NewAgeError]]:
    yield root
    for below in root.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from tree(below)


def test_no_code_changes_its_meaning() -> None:
    assert {error.__name__: (error.code, error.error_code) for error in tree(NewAgeError)} == CODES


def test_no_two_errors_share_their_word() -> None:
    assert len({code for code, _ in CODES.values()}) == len(CODES)


@pytest.mark.parametrize("error", list(tree(NewAgeError)))
def test_its_words_may_be_shown(error: type[NewAgeError]) -> None:
    assert str(error("There is no such room.")) == "There is no such room."
    assert str(error()) == "Internal error."


def test_it_carries_further_members_of_the_ack() -> None:
    assert NewAgeError("Too long.", limit=5).members == {"limit": 5}
    assert NewAgeError().members == {}
