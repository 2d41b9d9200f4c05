"""Who reads without a socket, and loses his room meanwhile."""

from __future__ import annotations

from functools import partial

from newage.domain.model import Room
from newage.services.streams.lookouts import Lookouts


def test_who_leaves_a_room_reads_no_more_of_it() -> None:
    lookouts, told = Lookouts(), list[str]()
    for who, room in (("ann", "1"), ("ann", "2"), ("bob", "1")):
        lookouts.watch(who, room, partial(told.append, who + room))
    lookouts.member_left(Room(name="den", id="1"), "ann", "kick")
    assert (told, len(lookouts)) == (["ann1"], 2)
    lookouts.member_left(Room(name="den", id="1"), "ann", "kick")
    lookouts.room_deleted(Room(name="den", id="1"))
    assert (told, len(lookouts)) == (["ann1", "bob1"], 1)


def test_who_has_gone_by_himself_is_not_told() -> None:
    lookouts, told = Lookouts(), list[str]()
    leave = lookouts.watch("ann", "1", lambda: told.append("first"))
    other = lookouts.watch("ann", "1", lambda: told.append("second"))
    leave()
    leave()
    assert len(lookouts) == 1
    other()
    lookouts.member_left(Room(name="den", id="1"), "ann", "leave")
    leave()
    assert (told, len(lookouts)) == ([], 0)
