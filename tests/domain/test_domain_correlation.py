"""Whose answer is it (contract 5.5; A17, A31, A32): the machine by itself."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.correlation import MAX_REMEMBERED_IDS, Desk, Nobody, Patience
from newage.domain.model import RequestMode, Role
from newage.domain.request import Ask, Request

PATIENCE = Patience(first_sign=60, timeout=600, silence=180)
ids = count(1)


def new_id() -> str:
    return f"hub-{next(ids)}"


def request(request_id: str, room_id: str = "red", identity: str = "ann") -> Request:
    return Request(
        request_id=request_id,
        identity=identity,
        client_id=identity,
        room=room_id,
        room_id=room_id,
        role=Role.GUEST,
        mode=RequestMode.IMMEDIATE,
        message_id=f"m-{request_id}",
        ask=Ask(request_id=request_id, text="hi"),
        created_at=0,
        active_at=0,
    )


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def asked(desk: Desk) -> Callable[..., Request]:
    """A request that the extension was sent, at a time."""

    def ask(request_id: str, room_id: str = "red", at: float = 0) -> Request:
        made = request(request_id, room_id)
        desk.ask(made, at, new_id)
        return made

    return ask


def whose(
    desk: Desk, request_id: str | None = None, output_id: str | None = None, bound: Request | None = None, at: float = 0
) -> Request | Nobody:
    return desk.whose(request_id, output_id, bound, at, PATIENCE)


Asked = Callable[..., Request]


# ------------------------------------------------------------------------------------------------------------- rule 1


def test_a_named_request_is_meant_whatever_else_is_known(desk: Desk, asked: Asked) -> None:
    first, second = asked("r1"), asked("r2", "blue")
    assert whose(desk, "r2", "o1", bound=first) is second, "a live requestId beats an outputId"
    assert whose(desk, "r1", "o1", bound=second) is first


def test_an_ended_request_is_named_until_its_tail_is_over(desk: Desk, asked: Asked) -> None:
    first = asked("r1")
    desk.done(first)
    assert whose(desk, "r1") is first
    desk.forget(first)
    assert (desk.named("r1"), desk.named(None)) == (None, None)
    assert desk.idle
    second = asked("r2")
    assert whose(desk, "r1") is Nobody.OVER, "it says clearly that it is not of the one request that is unanswered"
    assert (desk.label("r1"), desk.label("r2"), desk.label("r3")) == (Nobody.OVER, second, None)


def test_who_names_a_request_names_them_all(desk: Desk, asked: Asked) -> None:
    first = asked("r1")
    assert not desk.labels
    assert whose(desk, "r1") is first
    assert desk.labels
    assert whose(desk, "random") is Nobody.UNNAMED
    assert whose(desk, None, "o1") is Nobody.UNNAMED
    assert whose(desk, None, "o1", bound=first) is first, "an output that is known needs no label"
    desk.left()
    asked("r2")
    assert not desk.labels, "what comes back may be another program"


def test_who_declared_features_is_taken_at_his_word(desk: Desk, asked: Asked) -> None:
    desk.declared = True
    asked("r1")
    assert whose(desk) is Nobody.UNNAMED


# ---------------------------------------------------------------------------------------------------------------- ids


def test_an_id_that_two_use_is_given_to_the_first_only(desk: Desk) -> None:
    ann, bob = request("1", "red", "ann"), request("1", "blue", "bob")
    assert desk.ask(ann, 0, new_id) == "1"
    name = desk.ask(bob, 0, new_id)
    assert name.startswith("hub-")
    assert (desk.named("1"), desk.named(name)) == (ann, bob)


def test_nor_is_an_id_used_again_that_a_late_answer_may_carry(desk: Desk, asked: Asked) -> None:
    first = asked("1")
    desk.done(first)
    desk.forget(first)
    again = request("1")
    name = desk.ask(again, 0, new_id)
    assert name != "1"
    assert desk.named("1") is None


def test_ids_are_remembered_up_to_a_number(desk: Desk) -> None:
    for number in range(MAX_REMEMBERED_IDS + 1):
        desk.ask(request(f"r{number}"), 0, new_id)
    assert desk.ask(request("r0"), 0, new_id) == "r0"
    assert desk.ask(request("r2"), 0, new_id) != "r2"


# ------------------------------------------------------------------------------------------------------------- rule 2


def test_an_output_that_is_known_belongs_where_it_began(desk: Desk, asked: Asked) -> None:
    first, _ = asked("r1"), asked("r2", "blue")
    assert whose(desk, "random", "o1", bound=first) is first


def test_an_output_whose_tail_is_over_belongs_to_nothing_newer(desk: Desk, asked: Asked) -> None:
    desk.output_over("o1")
    second = asked("r2", "blue")
    assert whose(desk, None, "o1") is Nobody.OVER
    assert whose(desk, None, "o2") is second


def test_what_it_said_before_the_hub_was_restarted_belongs_to_nothing_newer(desk: Desk, asked: Asked) -> None:
    desk.know_former(["r1"], ["o1"])
    second = asked("r2")
    assert whose(desk, None, "o1") is Nobody.OVER
    assert whose(desk, None, "o2") is second
    assert whose(desk, "r1", "o3") is Nobody.OVER
    assert desk.ask(request("r1"), 0, lambda: "another") == "another"


def test_what_is_over_begins_no_answer_anew_though_its_request_is_known(desk: Desk, asked: Asked) -> None:
    """The rest of a text is no text; another request may have the id."""
    first, second = asked("r1"), asked("r2")
    desk.output_over("o1", first)
    assert whose(desk, "r1", "o1") is Nobody.OVER
    assert whose(desk, "r2", "o1") is second
    assert whose(desk, "r1", "o2") is first


@pytest.mark.parametrize("unanswered", [0, 2])
def test_an_output_that_belonged_to_nobody_belongs_to_nothing_newer(desk: Desk, asked: Asked, unanswered: int) -> None:
    """It began before that was asked."""
    before = [asked(f"r{n}", f"room{n}") for n in range(unanswered)]
    assert isinstance(whose(desk, None, "o1"), Nobody)
    assert isinstance(whose(desk, None, None), Nobody)
    for each in before:
        desk.done(each)
    later = asked("r9", "blue")
    assert whose(desk, None, "o1") is Nobody.OVER
    assert whose(desk, "r9", "o1") is later, "unless it says so"


# ------------------------------------------------------------------------------------------------------------- rule 3


def test_the_only_unanswered_request_is_meant(desk: Desk, asked: Asked) -> None:
    assert whose(desk, "random") is Nobody.NOTHING_ASKED
    first = asked("r1")
    assert whose(desk, "random") is first
    desk.done(first)
    assert whose(desk) is Nobody.NOTHING_ASKED
    second = asked("r2", "blue")
    assert whose(desk) is second


def test_of_several_rooms_nobody_is_meant(desk: Desk, asked: Asked) -> None:
    first, second = asked("r1"), asked("r2", "blue")
    assert whose(desk) is Nobody.SEVERAL_ROOMS
    assert desk.whose(None, None, None, 0, PATIENCE, over=[first]) is second, "what ends by this packet is answered"


def test_of_one_room_the_oldest_that_is_not_silent_is_meant(desk: Desk, asked: Asked) -> None:
    first, second = asked("r1", at=0), asked("r2", at=100)
    assert whose(desk, at=179) is first
    assert whose(desk, at=180) is second
    desk.heard(first, 200)
    assert whose(desk, at=300) is first
    assert whose(desk, at=1000) is second, "all are silent: the newest"


@pytest.mark.parametrize(("at", "found"), [(659.9, True), (660, False)])
def test_one_that_was_given_up_is_unanswered_for_a_while(desk: Desk, asked: Asked, at: float, found: bool) -> None:
    first = asked("r1")
    desk.given_up(first, 60)
    desk.given_up(first, 500)
    second = asked("r2", "blue", 600)
    assert whose(desk, at=at) is (Nobody.SEVERAL_ROOMS if found else second)
    assert desk.awaits(first, at, PATIENCE) is found


def test_what_it_never_had_it_neither_answers_nor_gives_up(desk: Desk) -> None:
    stranger = request("r9")
    desk.done(stranger)
    desk.given_up(stranger, 0)
    desk.heard(stranger, 0)
    assert not desk.awaits(stranger, 0, PATIENCE)


# ------------------------------------------------------------------------------------------------- what may be sent


@pytest.mark.parametrize(("limit", "admitted"), [(1, 1), (2, 2), (16, 5), (0, 5)])
def test_no_more_than_it_takes_at_once(desk: Desk, limit: int, admitted: int) -> None:
    for number in range(5):
        made = request(f"r{number}", f"room{number}")
        if desk.admits(made, limit, 0, PATIENCE):
            desk.ask(made, 0, new_id)
    assert len([n for n in range(5) if desk.named(f"r{n}")]) == admitted


def test_what_was_given_up_keeps_other_rooms_away(desk: Desk, asked: Asked) -> None:
    """Its answer may still come, and would be taken for theirs."""
    first = asked("r1")
    desk.given_up(first, 60)
    same, other = request("r2"), request("r3", "blue")
    assert desk.admits(same, 1, 60, PATIENCE)
    assert not desk.admits(other, 1, 60, PATIENCE)
    assert desk.admits(other, 0, 60, PATIENCE), "the operator wants any number at once"
    assert desk.admits(other, 1, 660, PATIENCE)


def test_until_it_answers_or_labels_or_comes_back(desk: Desk, asked: Asked) -> None:
    other = request("r3", "blue")
    first = asked("r1")
    desk.given_up(first, 60)
    assert whose(desk, "r1", at=61) is first, "it labels"
    assert desk.admits(other, 1, 61, PATIENCE)
    desk.left()
    second = asked("r2")
    desk.given_up(second, 100)
    assert not desk.admits(other, 1, 100, PATIENCE)
    desk.done(second)
    assert desk.admits(other, 1, 100, PATIENCE)
    third = asked("r4")
    desk.given_up(third, 200)
    desk.left()
    assert desk.admits(other, 1, 200, PATIENCE)


def test_what_it_is_working_on_in_a_room(desk: Desk, asked: Asked) -> None:
    first, second, third = asked("r1"), asked("r2"), asked("r3", "blue")
    desk.given_up(second, 0)
    assert (desk.running_in("red"), desk.running_in("blue"), desk.running_in("green")) == ([first], [third], [])


def test_an_answer_that_goes_on_means_that_what_was_sent_since_was_dropped(desk: Desk, asked: Asked) -> None:
    first = asked("r1")
    assert whose(desk) is first
    desk.done(first)
    second, third = asked("r2", "blue"), asked("r3", "blue")
    desk.heard(third, 1)
    assert desk.resumed(first, 2) == [second]
    assert desk.resumed(first, 3) == [], "it is at work on it already"
    assert not desk.awaits(second, 3, PATIENCE)
    assert whose(desk, at=3) is Nobody.SEVERAL_ROOMS
    assert not desk.admits(second, 1, 3, PATIENCE)
    desk.done(first)
    desk.done(third)
    assert desk.admits(second, 1, 3, PATIENCE)
    assert desk.ask(second, 3, new_id) == "r2", "it is the same request"


def test_who_labels_drops_nothing(desk: Desk, asked: Asked) -> None:
    first, second = asked("r1"), asked("r2")
    whose(desk, "r1")
    desk.done(first)
    assert desk.resumed(first, 2) == []
    assert desk.awaits(second, 2, PATIENCE)


# ----------------------------------------------------------------------------------------------------------- first sign


def test_no_sign_of_one_that_never_answered(desk: Desk, asked: Asked) -> None:
    first, second, third = asked("r1", at=0), asked("r2", at=1), asked("r3", at=2)
    assert desk.silent(59.9, PATIENCE) == []
    assert desk.silent(60, PATIENCE) == [first]
    desk.given_up(first, 60)
    desk.heard(third, 61)
    assert desk.silent(100, PATIENCE) == [second]


def test_one_that_has_answered_may_take_its_time(desk: Desk, asked: Asked) -> None:
    first = asked("r1")
    assert whose(desk) is first
    desk.done(first)
    asked("r2")
    assert desk.silent(500, PATIENCE) == []
    desk.left()
    third = asked("r3")
    assert desk.silent(500, PATIENCE) == [third]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["red", "blue"]), st.floats(0, 10)), max_size=30))
def test_one_at_a_time_and_no_label_never_means_two_rooms(steps: list[tuple[str, str, float]]) -> None:
    """Whatever is sent, given up and answered: what an answer without a label belongs to is of one room."""
    sent: list[Request] = []
    desk, now = Desk(), 0.0
    hasty = evolve(PATIENCE, timeout=15)
    for what, room_id, later in steps:
        now += later
        if what == "a":
            made = request(f"r{len(sent)}", room_id)
            if desk.admits(made, 1, now, hasty):
                desk.ask(made, now, new_id)
                sent.append(made)
        elif what == "b":
            for made in sent:
                desk.given_up(made, now)
        else:
            found = desk.whose("random", None, None, now, hasty)
            assert found is not Nobody.SEVERAL_ROOMS
            if isinstance(found, Request):
                desk.done(found)


def test_one_that_declares_features_names_requests_until_it_goes() -> None:
    desk = Desk()
    desk.declare()
    assert desk.labels
    desk.left()
    assert not desk.labels


def test_a_page_that_goes_takes_nothing_along_that_it_was_not_asked(desk: Desk, asked: Callable[..., Request]) -> None:
    kept = asked("r1")
    desk.lose(request("r2"))
    assert whose(desk, "r1") is kept


# ------------------------------------------------------------------------------------------------------------ stopping


def test_a_place_is_taken_until_it_has_stopped(desk: Desk, asked: Callable[..., Request]) -> None:
    first, second = asked("r1"), request("r2")
    assert desk.stop(first)
    desk.given_up(first, 1)
    assert not desk.admits(second, 1, 1, PATIENCE)
    desk.stopped(first, known=False)
    assert desk.admits(second, 1, 1, PATIENCE)
    assert whose(desk, at=2) is first, "it may answer yet, without a name"


@pytest.mark.parametrize("declared", [True, False])
def test_what_names_itself_is_awaited_no_more(desk: Desk, asked: Callable[..., Request], declared: bool) -> None:
    if declared:
        desk.declare()
    first = asked("r1")
    desk.stop(first)
    desk.stopped(first, known=not declared)
    assert not desk.runs(first)


def test_what_it_was_not_sent_needs_no_stop(desk: Desk) -> None:
    assert not desk.stop(request("r1"))
    desk.stopped(request("r1"), known=True)
    assert desk.heard_at(request("r1")) == float("-inf")


def test_what_it_was_too_busy_for_goes_before_the_others_of_its_room(desk: Desk) -> None:
    desk.declare()
    first, second, other = request("r1"), request("r2"), request("r3", "blue")
    desk.ask(first, 0, new_id)
    assert desk.put_off(first, 5)
    assert not desk.put_off(first, 9)
    assert [desk.admits(each, 3, 4, PATIENCE) for each in (first, second, other)] == [False, False, True]
    assert not desk.admits(other, 1, 4, PATIENCE)
    assert desk.admits(first, 1, 5, PATIENCE)
    assert desk.ask(first, 5, new_id) == "r1"
    assert not desk.is_put_off(first)


def test_what_it_was_too_busy_for_it_may_take_after_all_or_lose(desk: Desk) -> None:
    first = request("r1")
    desk.ask(first, 0, new_id)
    desk.put_off(first, 5)
    desk.heard(first, 1)
    assert desk.runs(first)
    desk.lose(first)
    assert desk.put_off(first, 5)  # another page is there, and busy
    desk.left()
    assert not desk.is_put_off(first)


@pytest.mark.parametrize("end", [lambda desk, it: desk.stop(it), lambda desk, it: desk.given_up(it, 1)])
def test_it_is_not_too_busy_for_what_it_shall_not_do(desk: Desk, end: Callable[..., object]) -> None:
    first = request("r1")
    desk.ask(first, 0, new_id)
    end(desk, first)
    assert not desk.put_off(first, 5)
