"""Requests that go on after an answer: what is kept of them, and for how long."""

from __future__ import annotations

from twisted.internet.task import Clock

from newage.domain.model import RequestMode, Role
from newage.domain.request import Ask, Request
from newage.services.streams.answers import Answer
from newage.services.streams.unfinished import Unfinished

X = "SillyTavern-8000"


class Some:
    def __init__(self) -> None:
        self.clock = Clock()
        self.failed: list[str] = []
        self.those = Unfinished(X, self.clock, lambda request: self.failed.append(request.request_id))

    def put(self, name: str, page: str = "page") -> Answer:
        request = Request(
            request_id=name,
            identity="web1",
            client_id="web1",
            room="lounge",
            role=Role.MASTER,
            mode=RequestMode.IMMEDIATE,
            message_id="m",
            ask=Ask(request_id=name, text="q"),
            created_at=0.0,
            active_at=self.clock.seconds(),
        )
        request.places[X] = page
        answer = Answer(identity=X, output_id=f"o of {name}", request=request)
        self.those.put(answer)
        return answer

    @property
    def names(self) -> list[str]:
        return [request.request_id for request in self.those]


def test_each_has_its_last_answer_until_it_is_taken() -> None:
    some = Some()
    first = some.put("r1")
    later = Answer(identity=X, output_id="later", request=first.request)
    assert some.those.is_last(first)
    some.those.put(later)
    assert not some.those.is_last(first)
    assert some.those.take(first.request) is later
    assert some.those.take(first.request) is None
    assert (some.names, some.those.live) == ([], False)


def test_what_ended_otherwise_is_not_kept_for_ever() -> None:
    some = Some()
    for number in range(5):
        some.put(f"r{number}").request.end("expired", 0.0)
    assert (some.names, some.those.live) == (["r4"], False)
    some.put("r5")
    assert (some.names, some.those.live) == (["r5"], True)


def test_each_whose_page_went_fails_after_the_grace_of_its_own_page() -> None:
    some = Some()
    for name, page in (("r1", "a"), ("r2", "b"), ("r3", "c"), ("r4", "b")):
        some.put(name, page)
    some.those.page_lost("a", 10)
    some.clock.advance(3)
    some.those.page_lost("b", 10)
    (fourth,) = (request for request in some.those if request.request_id == "r4")
    some.clock.advance(3)
    fourth.heard(some.clock.seconds())
    some.clock.advance(4)
    assert some.failed == ["r1"]
    some.clock.advance(3)
    assert (some.failed, some.names) == (["r1", "r2"], ["r3", "r4"])


def test_who_is_taken_or_given_up_with_the_hub_leaves_no_timer() -> None:
    some = Some()
    taken = some.put("r1")
    some.put("r2")
    some.those.page_lost("page", 10)
    some.those.take(taken.request)
    some.those.close()
    assert (some.clock.getDelayedCalls(), some.failed) == ([], [])
