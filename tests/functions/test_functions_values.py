"""What plug-ins see of people and rooms."""

from __future__ import annotations

import attrs
import pytest

from newage.domain import model
from newage.domain.model import Peer, RequestMode, Role, Session
from newage.functions.values import Room, Who


def caller(client_type: str, *, sensitive: bool = False) -> model.Caller:
    session = Session(client_id="ann", identity="ann-2", client_type=client_type)
    return model.Caller(sid="s", namespace="/llm", session=session, peer=Peer("::1"), sensitive=sensitive)


def test_somebody_is_who_the_hub_knows() -> None:
    assert Who.of(caller("web-app")) == Who(identity="ann-2", client_id="ann", kind="client")


@pytest.mark.parametrize("sensitive", [True, False])
def test_an_administrator_without_his_rights_may_not_administer(sensitive: bool) -> None:
    who = Who.of(caller("monitor", sensitive=sensitive))
    assert (who.kind, who.may_administer) == ("admin", sensitive)


def test_a_room_is_told_in_words() -> None:
    members = {"ann": Role.MASTER, "bob": Role.GUEST}
    room = Room.of(model.Room(name="den", members=members, mode=RequestMode.HOST_SUBMIT))
    assert room == Room(name="den", mode="HostSubmit", members={"ann": "master", "bob": "guest"})
    assert list(room.members) == ["ann", "bob"]


def test_nothing_of_it_can_be_changed() -> None:
    room = Room(name="den", mode="Default", members={"ann": "master"})
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        room.name = "attic"  # type: ignore[misc]
    with pytest.raises(TypeError):
        room.members["bob"] = "guest"  # type: ignore[index]
