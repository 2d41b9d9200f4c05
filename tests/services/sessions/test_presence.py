"""Who is here without a socket."""

from __future__ import annotations

from typing import Any

import pytest

from hubkit import HOME, Kit
from newage.domain.model import Caller, Kind, Session
from newage.errors import AuthenticationFailed, Unavailable
from newage.services.sessions.admissions import Admissions
from newage.services.sessions.presence import Presence
from newage.services.sessions.sessions import SessionSettings


class Here:
    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.admissions = Admissions(kit.world, kit.outbox, kit.sessions)
        self.presence = Presence(kit.sessions, self.admissions)
        kit.sessions.add_listener(self.presence)
        self.out: list[str] = []

    def caller(self, identity: str = "bot", **caller: Any) -> Caller:
        session = Session(client_id=identity, identity=identity, kind=caller.pop("kind", Kind.CLIENT))
        return Caller(sid=self.kit.new_id(), namespace="/v1", session=session, peer=HOME, **caller)

    def enter(self, identity: str = "bot", **caller: Any) -> Any:
        return self.presence.enter(self.caller(identity, **caller), lambda: self.out.append(identity))


@pytest.fixture
def here(kit: Kit) -> Here:
    return Here(kit)


def test_it_is_a_session_with_a_room_that_policies_serve_while_a_request_lasts(here: Here) -> None:
    kit = here.kit
    kit.extension()
    one, two = here.enter(), here.enter()
    assert one.caller.sid == two.caller.sid
    assert here.presence.of("bot") == 2
    assert kit.sessions.is_online("bot")
    assert kit.assignments.assigned("bot") == ("SillyTavern-8000",)
    for _ in range(2):
        one.leave()
    assert kit.sessions.all_callers("bot") != ()
    two.leave()
    assert here.presence.of("bot") == 0
    assert kit.sessions.all_callers("bot") == ()
    assert here.admissions.of("bot") == ()
    kit.clock.advance(kit.settings.sessions.session_grace_ms / 1000)
    assert not kit.sessions.is_online("bot")
    assert here.out == []


def test_another_key_of_the_same_client_is_beside_it(here: Here) -> None:
    one, two = here.enter(credential="k1"), here.enter(credential="k2")
    assert one.caller.sid != two.caller.sid
    assert {each.credential for each in here.admissions.of("bot")} == {"k1", "k2"}
    one.leave()
    assert [each.credential for each in here.kit.sessions.all_callers("bot")] == ["k2"]


def test_who_is_put_out_is_told_once_and_may_come_again(here: Here) -> None:
    stays = here.enter(), here.enter()
    here.admissions.put_out(lambda: [(each, AuthenticationFailed("Why.")) for each in here.admissions.of("bot")])
    assert here.out == []
    here.kit.settle()
    assert here.out == ["bot", "bot"]
    for stay in stays:
        stay.leave()
    assert here.presence.of("bot") == 0
    again = here.enter()
    stays[0].leave()
    assert here.presence.of("bot") == 1
    again.leave()


def test_a_key_that_ends_ends_what_it_is_at(here: Here) -> None:
    here.enter(until=here.kit.clock.seconds() + 5)
    here.kit.clock.advance(5)
    here.kit.settle()
    assert here.out == ["bot"]


def test_what_it_is_by_its_sockets_it_stays(here: Here) -> None:
    here.kit.connect("boss", client_type="monitor")
    stay = here.enter("boss")
    session = here.kit.sessions.by_identity("boss")
    assert session is not None
    assert session.kind is Kind.ADMIN
    assert stay.caller.kind is Kind.CLIENT
    stay.leave()


def test_where_there_is_no_place_nothing_is_left(make_kit: Any) -> None:
    here = Here(make_kit(sessions=SessionSettings(max_sessions=1)))
    here.kit.connect("ann")
    with pytest.raises(Unavailable):
        here.enter()
    assert here.presence.of("bot") == 0
    assert here.admissions.of("bot") == ()
