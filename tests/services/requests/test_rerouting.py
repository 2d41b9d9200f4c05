"""A request that its extension fails to begin goes to the next one of its room (contract 5.8, A22)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hubkit import Kit, Link, result_of
from newage.domain.details import Details
from newage.domain.model import ConnectionPolicy, RequestMode, Role
from newage.ports import Said
from newage.services.streams.cancelling import Which

A, B, C = "tavern-a", "tavern-b", "tavern-c"
FEATURES = ("accept", "cancel")
WISH: dict[str, Any] = {"failover": True}


@pytest.fixture
def links(kit: Kit) -> dict[str, Link]:
    kit.talk.first_tokens.start()
    return {each: kit.extension(each, features=FEATURES) for each in (A, B)}


@pytest.fixture
def sid(kit: Kit, links: dict[str, Link]) -> str:
    return kit.connect("web1", stream_mode="plain")


def names(link: Link) -> list[str]:
    return [each["requestId"] for each in link.forwarded]


def moves(kit: Kit, sid: str) -> list[tuple[str, str]]:
    bodies = kit.outbox.bodies(sid, "REQUEST_STATUS_UPDATE")
    return [(body["from"], body["to"]) for body in bodies if body["status"] == "rerouted"]


def answer(kit: Kit, extension: str, text: str = "so", request: str = "r1") -> None:
    kit.streams.answered(Said(extension, output=f"o-{extension}", request=request), text)
    kit.settle()


def error(kit: Kit) -> None:
    kit.streams.failed(Said(A, request="r1"), "no model", None)


def gone(kit: Kit) -> None:
    kit.disconnect_all(A)
    kit.clock.pump([1] * 11)


def silent(kit: Kit) -> None:
    kit.clock.pump([1] * 61)


def late(kit: Kit) -> None:
    kit.change("requests", extension_first_sign_seconds=10_000)
    kit.clock.pump([1] * 149)
    assert kit.outbox.bodies(kit.sessions.sids("web1", "/llm")[0], "ERROR") == []
    kit.clock.pump([1] * 2)


def opened_and_failed(kit: Kit) -> None:
    said = Said(A, "s1", "o1", "r1")
    kit.streams.stream_started(said)
    kit.streams.stream_failed(said)


def opened_and_error(kit: Kit) -> None:
    kit.streams.stream_started(Said(A, "s1", "o1", "r1"))
    error(kit)


def opened_and_gone(kit: Kit) -> None:
    kit.streams.stream_started(Said(A, "s1", "o1", "r1", kit.sessions.sids(A, "/llm")[0]))
    gone(kit)


def opened_and_late(kit: Kit) -> None:
    kit.change("requests", extension_first_sign_seconds=10_000, first_token_ms=5000)
    kit.streams.stream_started(Said(A, "s1", "o1", "r1"))
    kit.clock.pump([1] * 6)


def too_busy(kit: Kit) -> None:
    kit.change("requests", max_busy=1)
    kit.talk.taking.busy(kit.caller(kit.sessions.sids(A, "/llm")[0]), "r1", None, "")


CAUSES = [error, gone, silent, late, opened_and_failed, opened_and_error, opened_and_gone, opened_and_late, too_busy]


@pytest.mark.parametrize("cause", CAUSES)
def test_whatever_keeps_it_from_beginning(
    kit: Kit, sid: str, links: dict[str, Link], cause: Callable[[Kit], None]
) -> None:
    kit.submit(sid, "q", "r1", **WISH)
    cause(kit)
    kit.settle()
    assert (moves(kit, sid), names(links[B])) == ([(A, B)], ["r1"])
    assert [each["failed"] for each in kit.outbox.bodies(sid, "SERVER_STREAM_END")] == [False] * cause.__name__.count(
        "opened"
    )
    answer(kit, B)
    assert [m.text for m in kit.responses("web1")] == ["so"]
    assert kit.statuses(sid) == ["forwarded", "rerouted", "forwarded", "completed"] or cause in (gone, too_busy)
    assert kit.statuses(sid)[-1] == "completed"
    assert kit.outbox.bodies(sid, "ERROR") == []


@pytest.mark.parametrize("cause", [silent, late, opened_and_late])
def test_the_old_one_is_told_to_stop_and_what_it_says_late_reaches_nobody(
    kit: Kit, sid: str, links: dict[str, Link], cause: Callable[[Kit], None]
) -> None:
    kit.submit(sid, "q", "r1", **WISH)
    cause(kit)
    assert [(stop[0], stop[2]) for stop in links[A].stops] == [("r1", "rerouted")]
    for text in ("late", " words"):
        kit.streams.stream_data(Said(A, "s9", "o9", "r1"), None, text)
    kit.streams.stream_ended(Said(A, "s9", "o9", "r1"), True)
    answer(kit, A, "late")
    assert (kit.responses("web1"), kit.statuses(sid)[-1]) == ([], "forwarded")
    answer(kit, B)
    answer(kit, A, "later")
    assert [m.text for m in kit.responses("web1")] == ["so"]
    assert "late" not in str(kit.outbox.bodies(sid, "SERVER_STREAM_DATA", "LLM_RESPONSE"))


def test_after_its_first_token_it_fails_and_keeps_what_there_is(kit: Kit, sid: str, links: dict[str, Link]) -> None:
    kit.submit(sid, "q", "r1", **WISH)
    kit.streams.stream_data(Said(A, "s1", "o1", "r1"), 0, "half")
    error(kit)
    kit.settle()
    assert (moves(kit, sid), names(links[B]), kit.statuses(sid)[-1]) == ([], [], "failed")
    assert [(m.text, m.partial) for m in kit.responses("web1")] == [("half", True)]


def test_a_token_that_was_taken_back_was_one(kit: Kit, sid: str, links: dict[str, Link]) -> None:
    kit.submit(sid, "q", "r1", **WISH)
    kit.streams.stream_data(Said(A, "s1", "o1", "r1"), 0, "half")
    kit.streams.stream_reset(Said(A, "s1", "o1", "r1"), 0, reasoning=False)
    error(kit)
    assert (moves(kit, sid), kit.statuses(sid)[-1]) == ([], "failed")


def test_an_answer_that_is_too_large_in_one_piece_was_one(kit: Kit, sid: str, links: dict[str, Link]) -> None:
    kit.change("streams", max_output_bytes=4)
    kit.submit(sid, "q", "r1", **WISH)
    answer(kit, A, "too much")
    assert (moves(kit, sid), kit.statuses(sid)[-1]) == ([], "failed")


def test_without_the_wish_it_fails_as_ever(kit: Kit, sid: str, links: dict[str, Link]) -> None:
    kit.submit(sid, "q", "r1")
    error(kit)
    assert (kit.statuses(sid), names(links[B])) == (["forwarded", "failed"], [])


def test_under_failover_all_are_tried_once_and_the_last_word_is_told(
    kit: Kit, sid: str, links: dict[str, Link]
) -> None:
    kit.extension(C, features=FEATURES)
    kit.assignments.policy = ConnectionPolicy.FAILOVER
    kit.submit(sid, "q", "r1")
    for extension in (A, B, C):
        kit.streams.failed(Said(extension, request="r1"), f"{extension} has no model", None)
        kit.streams.failed(Said(extension, request="r1"), "it says so twice", None)
    assert moves(kit, sid) == [(A, B), (B, C)]
    assert [each["message"] for each in kit.outbox.bodies(sid, "ERROR")] == [f"{C} has no model"]
    assert kit.statuses(sid)[-1] == "failed"


def test_broadcast_and_a_name_under_failover_stay(kit: Kit, sid: str, links: dict[str, Link]) -> None:
    kit.assignments.policy = ConnectionPolicy.FAILOVER
    kit.submit(sid, "q", "r1", targets=(A,))
    error(kit)
    kit.assignments.policy = ConnectionPolicy.BROADCAST
    kit.submit(sid, "q", "r2", **WISH)
    kit.streams.failed(Said(A, request="r2"), "no", None)
    assert (moves(kit, sid), names(links[B])) == ([], ["r2"])


def test_it_waits_for_its_turn_there(kit: Kit, sid: str, links: dict[str, Link]) -> None:
    kit.submit(sid, "other", "r0", targets=(B,))
    kit.submit(sid, "q", "r1", **WISH)
    error(kit)
    last = kit.outbox.bodies(sid, "REQUEST_STATUS_UPDATE")[-1]
    assert (last["status"], last["waitsFor"], last["position"]) == ("queued", "turn", 1)
    answer(kit, B, request="r0")
    assert names(links[B]) == ["r0", "r1"]


def test_who_asked_hears_where_it_stands_there(kit: Kit, sid: str, links: dict[str, Link]) -> None:
    kit.submit(sid, "other", "r0", targets=(B,))
    follows = kit.connect("web2", outputs=True)
    kit.clock.advance(1)
    kit.submit(follows, "q", "r1", **WISH)
    error(kit)
    kit.clock.advance(1)
    (told,) = kit.outbox.bodies(follows, "QUEUE_UPDATE")
    assert (told["requestId"], told["position"], told["of"], told["extension"]) == ("r1", 1, 1, B)


def test_what_was_cancelled_goes_nowhere(kit: Kit, sid: str, links: dict[str, Link]) -> None:
    kit.submit(sid, "other", "r0", targets=(B,))
    kit.submit(sid, "q", "r1", **WISH)
    error(kit)
    result_of(kit.cancelling.cancel(kit.caller(sid), Which(request_id="r1")))
    answer(kit, B, request="r0")
    assert names(links[B]) == ["r0"]
    kit.submit(sid, "q", "r2", **WISH)
    result_of(kit.cancelling.cancel(kit.caller(sid), Which(request_id="r2")))
    kit.streams.failed(Said(A, request="r2"), "no", None)
    assert len(moves(kit, sid)) == 1


@pytest.mark.parametrize("why", ["muted", "left"])
def test_who_has_left_or_was_muted_is_asked_for_no_more(kit: Kit, sid: str, links: dict[str, Link], why: str) -> None:
    kit.connect("mas")
    room = kit.group("lounge", "mas", RequestMode.IMMEDIATE, web1=Role.GUEST)
    kit.submit(sid, "q", "r1", room="lounge", **WISH)
    if why == "muted":
        kit.mute("lounge", "web1", 60)
    else:
        result_of(kit.room_service.leave(kit.caller(sid), room.name))
    error(kit)
    assert (names(links[B]), kit.statuses(sid)[-1]) == ([], "failed")


@pytest.mark.parametrize("cause", [error, gone, late])
def test_what_a_page_that_came_back_is_at_by_itself_goes_on_too(
    kit: Kit, sid: str, links: dict[str, Link], cause: Callable[[Kit], None]
) -> None:
    kit.submit(sid, "q", "r1", **WISH)
    kit.disconnect_all(A)
    kit.clock.advance(1)
    back = kit.extension(A, features=FEATURES)
    kit.talk.taking.accept(kit.caller(kit.sessions.sids(A, "/llm")[0]), "r1", "headless", None)
    kit.clock.pump([1] * 5)
    assert (back.forwarded, names(links[B])) == ([], [])
    cause(kit)
    kit.settle()
    assert (moves(kit, sid), names(links[B])) == ([(A, B)], ["r1"])
    assert [stop[2] for stop in back.stops] == ["rerouted"] * (cause is late)
    answer(kit, A, "late")
    answer(kit, B)
    assert [m.text for m in kit.responses("web1")] == ["so"]


def test_nothing_goes_on_while_the_hub_stops(kit: Kit, sid: str, links: dict[str, Link]) -> None:
    kit.submit(sid, "q", "r1", **WISH)
    kit.requests.refuse_new()
    error(kit)
    assert (moves(kit, sid), kit.statuses(sid)[-1]) == ([], "failed")


def test_a_killed_hub_asks_what_waited_once(kit: Kit, sid: str, links: dict[str, Link]) -> None:
    kit.submit(sid, "other", "r0", targets=(B,))
    kit.submit(sid, "q", "r1", **WISH)
    error(kit)
    kit.settle()
    after = Kit(with_stores_of=kit)
    try:
        link = after.extension(B, features=FEATURES)
        after.connect("web1")
        after.settle()
        assert names(link) == ["r1"]
    finally:
        after.close()


def test_one_that_fails_within_the_call(kit: Kit) -> None:
    """As extensions in the process may."""

    class Refuses(Link):
        def forward(self, request: Any) -> None:
            super().forward(request)
            kit.streams.failed(Said(A, request=request.request_id), "no", None)

    kit.connect(A, client_type="SillyTavern", link=Refuses(), features=FEATURES)
    link = kit.extension(B, features=FEATURES)
    sid = kit.connect("web1")
    kit.submit(sid, "q", "r1", **WISH)
    assert (names(link), kit.statuses(sid)[-1]) == (["r1"], "forwarded")
    answer(kit, B)
    assert [m.text for m in kit.responses("web1")] == ["so"]


# ------------------------------------------------------------------------------------------- what is merged, asked anew


def hosted(kit: Kit) -> dict[str, str]:
    """A room of Default mode in which two guests wait for their host."""
    sids = {who: kit.connect(who, stream_mode="plain") for who in ("mas", "g1", "g2")}
    kit.group("lounge", "mas", g1=Role.GUEST, g2=Role.GUEST)
    for who in ("g1", "g2"):
        kit.submit(sids[who], f"of {who}", who, room="lounge")
    return sids


def test_a_merged_question_goes_on_whole_and_all_its_askers_are_answered(kit: Kit, links: dict[str, Link]) -> None:
    sids = hosted(kit)
    kit.submit(sids["mas"], "mine", "r1", room="lounge", **WISH)
    error(kit)
    assert [each.forwarded[0]["message"] for each in links.values()] == ["of g1\n\nof g2\n\nmine"] * 2
    assert links[B].forwarded[0]["currentRequest"]["originalRequestIds"] == ["g1", "g2", "r1"]
    answer(kit, B)
    assert moves(kit, sids["mas"]) == [(A, B)]
    for who in ("g1", "g2"):
        assert kit.statuses(sids[who]) == ["queued", "merged", "completed"]
        assert kit.outbox.bodies(sids[who], "ERROR") == []
    assert [m.text for m in kit.responses("lounge")] == ["so"]


def test_where_nobody_is_left_all_askers_of_a_merged_question_hear_that_it_failed(
    kit: Kit, links: dict[str, Link]
) -> None:
    sids = hosted(kit)
    kit.submit(sids["mas"], "mine", "r1", room="lounge", **WISH)
    error(kit)
    kit.streams.failed(Said(B, request="r1"), "no model either", None)
    assert [kit.statuses(sids[who])[-1] for who in sids] == ["failed"] * 3


@pytest.mark.parametrize("when", ["while the first has it", "while it waits for the second"])
@pytest.mark.parametrize("why", ["muted", "left", "deleted"])
def test_of_a_merged_question_goes_on_what_still_stands(kit: Kit, links: dict[str, Link], why: str, when: str) -> None:
    sids = hosted(kit)
    kit.submit(sids["mas"], "other", "r0", targets=(B,))
    kit.submit(sids["mas"], "mine", "r1", room="lounge", **WISH)

    def takes_back() -> None:
        if why == "muted":
            kit.mute("lounge", "g1", 60)
        elif why == "left":
            result_of(kit.room_service.leave(kit.caller(sids["g1"]), "lounge"))
        else:
            message_id = next(m.message_id for m in kit.stored("lounge") if m.text == "of g1")
            result_of(kit.editing.delete(kit.caller(sids["g1"]), "lounge", [message_id]))

    steps = [takes_back, lambda: error(kit)]
    for step in steps if when == "while the first has it" else reversed(steps):
        step()
    answer(kit, B, request="r0")
    assert [each["message"] for each in links[B].forwarded] == ["other", "of g2\n\nmine"]
    answer(kit, B)
    assert [kit.statuses(sids[who], who)[-1] for who in ("g1", "g2")] == ["expired", "completed"]
    assert kit.statuses(sids["mas"], "r1")[-1] == "completed"


def test_a_queue_that_its_host_released_goes_on_too(kit: Kit, links: dict[str, Link]) -> None:
    kit.assignments.policy = ConnectionPolicy.FAILOVER
    sids = hosted(kit)
    result_of(kit.requests.submit_queue(kit.caller(sids["mas"]), "lounge", "r1"))
    error(kit)
    assert links[B].forwarded[0]["message"] == "of g1\n\nof g2"
    answer(kit, B)
    assert [kit.statuses(sids[who])[-1] for who in sids] == ["completed"] * 3


def test_a_queue_of_which_nothing_is_left_is_asked_of_nobody_else(kit: Kit, links: dict[str, Link]) -> None:
    kit.assignments.policy = ConnectionPolicy.FAILOVER
    sids = hosted(kit)
    result_of(kit.requests.submit_queue(kit.caller(sids["mas"]), "lounge", "r1"))
    for who in ("g1", "g2"):
        kit.mute("lounge", who, 60)
    error(kit)
    assert (links[B].forwarded, [kit.statuses(sids[who])[-1] for who in sids]) == ([], ["expired"] * 3)


def test_another_answer_of_another_extension_stands_beside_the_first_one(
    kit: Kit, sid: str, links: dict[str, Link]
) -> None:
    question = kit.submit(sid, "q", "r0")["messageId"]
    answer(kit, A, "first", "r0")
    kit.submit(sid, "", "r1", request_type="regenerateMessage", message_id=question, **WISH)
    error(kit)
    assert (links[B].forwarded[0]["requestType"], links[B].forwarded[0]["message"]) == ("regenerateMessage", "q")
    answer(kit, B, "second")
    assert [(m.text, m.identity, m.question_id, m.selected) for m in kit.responses("web1")] == [
        ("first", A, question, False),
        ("second", B, question, True),
    ]


def test_an_answer_grows_by_another_extension(kit: Kit, sid: str, links: dict[str, Link]) -> None:
    kit.submit(sid, "q", "r0")
    answer(kit, A, "first", "r0")
    (was,) = kit.responses("web1")
    kit.submit(sid, "", "r1", request_type="continue", message_id=was.message_id, **WISH)
    opened_and_error(kit)
    kit.settle()
    assert links[B].forwarded[0]["messageId"] == was.message_id
    answer(kit, B, " and more")
    assert [(m.message_id, m.text, m.partial) for m in kit.responses("web1")] == [
        (was.message_id, "first and more", False)
    ]
    assert kit.statuses(sid, "r1")[-1] == "completed"


def test_words_for_who_asks_come_from_another_extension(kit: Kit, sid: str, links: dict[str, Link]) -> None:
    kit.submit(sid, "be brief", "r1", request_type="impersonate", **WISH)
    error(kit)
    answer(kit, B, "hm")
    assert [body["data"] for body in kit.outbox.bodies(sid, "message")] == ["hm"]
    assert (kit.stored("web1"), kit.statuses(sid)[-1]) == ([], "completed")


@pytest.mark.parametrize("policy", [ConnectionPolicy.BALANCED, ConnectionPolicy.RANDOM])
def test_where_one_extension_serves_a_room_another_does_after_it_is_gone(
    kit: Kit, sid: str, links: dict[str, Link], policy: ConnectionPolicy
) -> None:
    kit.assignments.policy = policy
    (serving,) = kit.assignments.assigned("web1")
    (other,) = {A, B} - {serving}
    kit.submit(sid, "q", "r1", **WISH)
    kit.streams.failed(Said(serving, request="r1"), "no model", None)
    assert (moves(kit, sid), kit.statuses(sid)[-1]) == ([], "failed"), "the other one does not serve the room"
    kit.submit(sid, "q", "r2", **WISH)
    kit.disconnect_all(serving)
    kit.clock.pump([1] * 11)
    assert (moves(kit, sid), names(links[other])) == ([(serving, other)], ["r2"])
    answer(kit, other, request="r2")
    assert kit.statuses(sid, "r2")[-1] == "completed"


def test_being_late_alone_fails_nothing(kit: Kit, sid: str, links: dict[str, Link]) -> None:
    kit.disconnect_all(B)
    kit.submit(sid, "q", "r1", **WISH)
    kit.streams.stream_started(Said(A, "s1", "o1", "r1"))
    kit.change("requests", first_token_ms=5000)
    kit.clock.pump([1] * 8)
    assert (links[A].stops, kit.statuses(sid)) == ([], ["forwarded"])
    answer(kit, A)
    assert kit.statuses(sid) == ["forwarded", "completed"]


def test_a_token_of_its_reasoning_was_one(kit: Kit, sid: str, links: dict[str, Link]) -> None:
    kit.submit(sid, "q", "r1", **WISH)
    kit.streams.stream_reasoning(Said(A, "s1", "o1", "r1"), 0, "hm")
    error(kit)
    assert (moves(kit, sid), kit.statuses(sid)[-1]) == ([], "failed")


def test_the_first_of_several_answers_was_a_token_before_it_is_stored(
    kit: Kit, sid: str, links: dict[str, Link]
) -> None:
    kit.submit(sid, "q", "r1", **WISH)
    kit.gate.shut = True
    kit.streams.answered(Said(A, output="o1", request="r1"), "of the first one", Details(more=True))
    error(kit)
    kit.gate.open()
    kit.settle()
    assert (moves(kit, sid), names(links[B]), kit.statuses(sid)[-1]) == ([], [], "failed")
    assert [m.text for m in kit.responses("web1")] == ["of the first one"]
