"""The request mode of new rooms: stored first, in force then, found again (contract 3.5)."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail

from hubkit import failure_of, result_of
from newage.domain.model import RequestMode
from newage.errors import NewAgeError
from newage.services.rooms.default_mode import DefaultMode
from newage.storage.memory import MemoryStateStore


def test_it_is_that_of_the_configuration_until_it_is_changed() -> None:
    store = MemoryStateStore()
    default = DefaultMode(store, RequestMode.DEFAULT)
    result_of(default.load())
    before = default.mode
    result_of(default.change(RequestMode.SEPARATE))
    assert (before, default.mode) == (RequestMode.DEFAULT, RequestMode.SEPARATE)
    again = DefaultMode(store, RequestMode.DEFAULT)
    result_of(again.load())
    assert again.mode is RequestMode.SEPARATE


def test_what_cannot_be_stored_is_not_in_force() -> None:
    class Full(MemoryStateStore):
        def save_value(self, name: str, value: object) -> Deferred[None]:
            return fail(NewAgeError("The disk is full."))

    default = DefaultMode(Full(), RequestMode.DEFAULT)
    assert str(failure_of(default.change(RequestMode.SEPARATE))) == "The disk is full."
    assert default.mode is RequestMode.DEFAULT
