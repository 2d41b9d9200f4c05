"""What the staff of a room says and hears."""

from __future__ import annotations

import pytest

from newage.domain.model import Bar, Role, Term
from newage.domain.request import Queued
from newage.domain.request import Waiting as Waits
from newage.web.api_v1 import typed
from newage.web.api_v1.staff_bodies import Barred, MemberRole, Until, Waiting


@pytest.mark.parametrize("role", Role)
def test_each_role_is_called_as_everywhere(role: Role) -> None:
    assert MemberRole(role.wire).role is role


def test_how_long_something_holds() -> None:
    assert typed.write(Until.of(None)) == {"permanent": False}
    assert typed.write(Until.of(Term.of(0.0, 0))) == {"permanent": True}
    assert typed.write(Until.of(Term.of(0.0, 60.0))) == {"permanent": False, "until": "1970-01-01T00:01:00.000Z"}


def test_who_is_barred() -> None:
    for_ever = Bar(Term.of(0.0, -1), "bob-tab", "ann", "noise")
    assert typed.write(Barred.of("bob", for_ever)) == {
        "clientId": "bob",
        "identity": "bob-tab",
        "by": "ann",
        "reason": "noise",
    }
    assert Barred.of("bob", for_ever._replace(term=Term.of(0.0, 60.0))).until == "1970-01-01T00:01:00.000Z"


def test_what_waits() -> None:
    queued = Queued(
        request_id="r1", identity="bob", name="", message_id="m1", since=0.0, waiting=Waits(what="host", position=2)
    )
    assert typed.write(Waiting.of(queued)) == {
        "requestId": "r1",
        "identity": "bob",
        "messageId": "m1",
        "since": "1970-01-01T00:00:00.000Z",
        "waitsFor": "host",
        "position": 2,
    }
