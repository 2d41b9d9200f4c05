"""What waits for an extension that has just gone (contract 5.8, A22)."""

from __future__ import annotations

from newage.domain.model import RequestMode, Role
from newage.domain.request import Ask, Request
from newage.services.requests.held import HeldRequests


def request_of(room_id: str, *targets: str) -> Request:
    return Request(
        request_id="r",
        identity="web1",
        client_id="web1",
        room=room_id,
        room_id=room_id,
        role=Role.MASTER,
        mode=RequestMode.DEFAULT,
        message_id="m",
        ask=Ask(request_id="r", text=""),
        created_at=0,
        active_at=0,
        targets=targets,
    )


def test_what_was_asked_has_its_place_in_its_room() -> None:
    held, one, two, other = HeldRequests(), request_of("a"), request_of("a"), request_of("b")
    assert [held.hold(each, exempt=each is two) for each in (one, two, other)] == [1, 2, 1]
    one.end("cancelled", 1)
    assert held.asked() == [two, other]
    assert held.take() == {two: True, other: False}
    assert held.take() == {}


def test_what_is_over_takes_no_place() -> None:
    held, one, two = HeldRequests(), request_of("a"), request_of("a")
    held.hold(one, exempt=False)
    one.end("cancelled", 1)
    assert held.hold(two, exempt=False) == 1


def test_what_was_sent_in_vain_is_that_extensions() -> None:
    held, one, two = HeldRequests(), request_of("a", "x"), request_of("a", "x")
    held.lose("x", [one, two])
    one.end("cancelled", 1)
    assert dict(held.lost()) == {"x": [two]}
    assert (held.take_lost("x"), held.take_lost("x"), dict(held.lost())) == ([two], [], {})
