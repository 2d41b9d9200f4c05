"""Which audiences a member's sockets belong to (contract 2.10, A9)."""

from __future__ import annotations

import pytest

from hubkit import Kit
from newage.domain.delivery import Audience
from newage.services.rooms.audiences import RoomAudiences, audiences

ROOM, ALIASES = Audience.room("den"), Audience.aliases("den")


@pytest.mark.parametrize(
    ("stream_mode", "incremental", "client_type", "found"),
    [
        ("", False, "web-app", [ROOM, ALIASES]),
        ("plain", False, "web-app", [ROOM]),
        ("ss", True, "web-app", [ROOM]),
        ("", True, "web-app", [ROOM, ALIASES]),
        ("output", False, "SillyTavern", [ROOM, ALIASES]),
        ("plain", False, "SillyTavern", [ROOM]),
    ],
)
def test_what_it_declared_decides(
    kit: Kit, stream_mode: str, incremental: bool, client_type: str, found: list[Audience]
) -> None:
    name = "SillyTavern-8000" if client_type == "SillyTavern" else "ann"
    sid = kit.connect(name, client_type=client_type, stream_mode=stream_mode, incremental=incremental)
    assert audiences("den", kit.caller(sid)) == found


def test_all_sockets_of_an_identity_enter_and_leave_together(kit: Kit) -> None:
    llm, rooms, other = kit.connect("ann"), kit.connect("ann", "/rooms", stream_mode="plain"), kit.connect("bob")
    before = {sid: kit.outbox.audiences(sid) for sid in (llm, rooms, other)}
    den = RoomAudiences(kit.outbox, kit.sessions)
    den.enter("den", "ann")
    assert kit.outbox.audiences(llm) - before[llm] == {ROOM, ALIASES}
    assert kit.outbox.audiences(rooms) - before[rooms] == {ROOM}
    assert kit.outbox.audiences(other) == before[other]
    den.leave("den", "ann")
    assert {sid: kit.outbox.audiences(sid) for sid in (llm, rooms, other)} == before


def test_a_socket_that_comes_later_enters_alone(kit: Kit) -> None:
    first, second = kit.connect("ann"), kit.connect("ann")
    den = RoomAudiences(kit.outbox, kit.sessions)
    den.enter_socket("den", kit.caller(second))
    assert ROOM in kit.outbox.audiences(second)
    assert ROOM not in kit.outbox.audiences(first)
