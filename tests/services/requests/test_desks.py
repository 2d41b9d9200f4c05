"""Whose answer is it, through the services: ids, rooms, turns, silence (contract 5.4, 5.5; A17, A24, A31, A32)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from extension_doubles import ReferenceDouble, answer_to, question
from hubkit import Kit, Link, failure_of, result_of
from logkit import Logged
from newage.domain.model import RequestMode, Role
from newage.ports import IExtensionLink, ISessionListener, Said
from newage.services.requests.ledger import NO_SIGN
from newage.services.requests.limits import RequestSettings

X = "SillyTavern-8000"


@pytest.fixture
def people(kit: Kit) -> dict[str, str]:
    """Two who have nothing to do with each other, each in a room of his own: their sockets."""
    return {who: kit.connect(who, stream_mode="plain") for who in ("ann", "bob")}


def texts(kit: Kit, room: str) -> list[str]:
    return [message.text for message in kit.responses(room)]


def seen(kit: Kit, sid: str, text: str) -> list[str]:
    """The events of a socket in which a text is."""
    return [sent.event for sent in kit.outbox.got(sid) if text in str(sent.args)]


def say(kit: Kit, text: str, request_id: str | None = None, output_id: str | None = None) -> None:
    kit.streams.answered(Said(X, output=output_id, request=request_id), text)


def names(link: Link) -> list[str]:
    return [payload["requestId"] for payload in link.forwarded]


def test_it_listens_and_its_doubles_are_what_they_stand_for(kit: Kit) -> None:
    assert verifyObject(ISessionListener, kit.desks)
    assert verifyObject(IExtensionLink, ReferenceDouble(kit, X))


# ---------------------------------------------------------------------------------------------------------------- ids


def test_a_request_id_is_its_requesters_own(kit: Kit, people: dict[str, str]) -> None:
    """Each may use any id; the extension knows the second by another one, and each sees his own (A17)."""
    link = kit.extension(X, capacity=2)
    for who, sid in people.items():
        kit.submit(sid, f"of {who}", "1")
    first, second = names(link)
    assert first == "1" != second
    assert link.forwarded[1]["currentRequest"]["requestId"] == second
    say(kit, "to bob", second)
    say(kit, "to ann", first)
    assert (texts(kit, "ann"), texts(kit, "bob")) == (["to ann"], ["to bob"])
    for sid in people.values():
        assert kit.statuses(sid, "1") == ["forwarded", "completed"]
        assert [body["requestId"] for body in kit.outbox.bodies(sid, "LLM_RESPONSE", "message")] == ["1", "1"]


def test_ones_own_id_is_taken_while_it_runs(kit: Kit, people: dict[str, str]) -> None:
    kit.extension(X, capacity=2)
    kit.submit(people["ann"], "q", "1")
    kit.submit(people["bob"], "q", "1")
    kit.submit(kit.connect("ann", identity="ann-2"), "q", "1")
    with pytest.raises(Exception, match=r"^Duplicate requestId\.$"):
        kit.submit(people["ann"], "again", "1")


def test_everything_said_with_the_other_id_is_mapped_back(kit: Kit, people: dict[str, str]) -> None:
    link = kit.extension(X, capacity=3)
    carl = kit.connect("carl", stream_mode="plain")
    for sid in (*people.values(), carl):
        kit.submit(sid, "q", "1")
    _, second, third = names(link)
    kit.streams.stream_started(Said(X, "s", "o", second))
    kit.streams.stream_data(Said(X, "s", "o", second), 0, "words")
    kit.streams.processing_stopped(Said(X, request=second))
    kit.streams.failed(Said(X, request=third), "no", None)
    plain = kit.outbox.bodies(people["bob"], "SERVER_STREAM_DATA", "SERVER_STREAM_END", "LLM_RESPONSE")
    assert [body["requestId"] for body in plain] == ["1", "1", "1"]
    assert kit.outbox.bodies(carl, "ERROR")[0]["requestId"] == "1"
    assert kit.statuses(people["ann"]) == ["forwarded"]


def test_one_stream_id_for_two_answers_at_once(kit: Kit, people: dict[str, str]) -> None:
    """Who labels may number his streams as he likes, also from 1 for each answer."""
    kit.extension(X, capacity=2)
    for who, sid in people.items():
        kit.submit(sid, "q", who)
    for who in people:
        kit.streams.stream_started(Said(X, "1", "1", who))
    for index in range(3):
        for who in people:
            kit.streams.stream_data(Said(X, "1", "1", who), index, f"{who}{index} ")
    kit.streams.stream_ended(Said(X, "1", "1", "bob"), True)
    kit.streams.stream_failed(Said(X, "1", "1", "ann"))
    assert texts(kit, "bob") == ["bob0 bob1 bob2 "]
    assert [(m.text, m.failed) for m in kit.responses("ann")] == [("ann0 ann1 ann2 ", True)]
    assert seen(kit, people["ann"], "bob0") == seen(kit, people["bob"], "ann0") == []


def test_one_output_id_for_two_answers(kit: Kit, people: dict[str, str]) -> None:
    """The room sees another outputId then: texts that share one would be shown as one."""
    kit.extension(X, capacity=2)
    kit.submit(people["ann"], "q", "ra")
    say(kit, "for ann", "ra", "o1")
    kit.submit(people["bob"], "q", "rb")
    say(kit, "for bob", "rb", "o1")
    say(kit, "for ann again", "ra", "o1")
    assert (texts(kit, "ann"), texts(kit, "bob")) == (["for ann"], ["for bob"])
    assert seen(kit, people["ann"], "for ann again") == ["message"]
    ids = [kit.outbox.bodies(sid, "LLM_RESPONSE")[0]["outputId"] for sid in people.values()]
    assert ids[0] == "o1" != ids[1]


def test_the_label_of_a_request_long_over_is_no_label_of_a_new_one(kit: Kit, people: dict[str, str]) -> None:
    """Not even under a streamId and an outputId that are in use."""
    kit.extension(X, capacity=2)
    kit.submit(people["ann"], "q", "old")
    say(kit, "yes", "old")
    kit.clock.pump([5] * 14)
    kit.submit(people["bob"], "q", "new")
    kit.streams.stream_started(Said(X, "s", "o", "new"))
    kit.streams.stream_started(Said(X, "s", "o", "old"))
    kit.streams.stream_data(Said(X, "s", "o", "old"), 0, "OLD")
    kit.streams.stream_failed(Said(X, "unheard-of", "o", "old"))
    kit.streams.stream_data(Said(X, "s", "o", "new"), 0, "new")
    kit.streams.stream_ended(Said(X, "s", "o", "old"), True)
    say(kit, "OLD", "old", "o")
    assert texts(kit, "bob") == []
    kit.streams.stream_ended(Said(X, "s", "o", "new"), True)
    assert (texts(kit, "ann"), texts(kit, "bob")) == (["yes"], ["new"])


def test_the_end_of_an_output_is_of_the_request_it_names(kit: Kit, people: dict[str, str]) -> None:
    kit.extension(X, capacity=2)
    for who, sid in people.items():
        kit.submit(sid, "q", who)
        kit.token(who, "o1", request_id=who)
    kit.streams.stream_ended(Said(X, "unheard-of", "o1", "ann"), True)
    assert (texts(kit, "ann"), texts(kit, "bob")) == (["ann"], [])


def test_processing_stopped_in_one_room_ends_nothing_in_another(kit: Kit, people: dict[str, str]) -> None:
    kit.extension(X, capacity=2)
    for who, sid in people.items():
        kit.submit(sid, "q", who)
        kit.streams.stream_started(Said(X, who, who, who))
        kit.streams.stream_data(Said(X, who, who, who), 0, who)
    kit.streams.processing_stopped(Said(X), "bob")
    assert (texts(kit, "ann"), texts(kit, "bob")) == ([], ["bob"])
    kit.streams.processing_stopped(Said(X, request="nobody's"))
    assert texts(kit, "ann") == []
    kit.streams.processing_stopped(Said(X))
    assert texts(kit, "ann") == ["ann"]


# ------------------------------------------------------------------------------------------------------ without a label


def test_of_two_rooms_nobody_gets_an_answer_without_a_label(kit: Kit, people: dict[str, str], logged: Logged) -> None:
    kit.extension(X, capacity=2)
    for sid in people.values():
        kit.submit(sid, "q")
    for _ in range(100):
        say(kit, "whose?", "random")
    assert (texts(kit, "ann"), texts(kit, "bob")) == ([], [])
    lines = [line for line in logged() if line.startswith(f"dropped of {X}: an answer: requests of several rooms")]
    assert len(lines) == kit.streams.LOGGED_PER_SECOND


def test_an_answer_belongs_to_who_asked_also_when_he_left(kit: Kit, people: dict[str, str]) -> None:
    kit.extension(X)
    kit.submit(people["ann"], "q", "ra")
    kit.disconnect_all("ann")
    kit.submit(people["bob"], "q", "rb")
    say(kit, "to ann", "random")
    say(kit, "to bob", "random too")
    assert (texts(kit, "ann"), texts(kit, "bob")) == (["to ann"], ["to bob"])


def test_an_output_that_begins_before_a_request_is_sent_is_not_its_answer(kit: Kit, people: dict[str, str]) -> None:
    """Its start ends the answer before, and only then the next request leaves."""
    link = kit.extension(X)
    kit.submit(people["ann"], "q", "ra")
    kit.submit(people["bob"], "q", "rb")
    kit.token("first", "o1")
    kit.token("second", "o2")
    assert names(link) == ["ra", "rb"]
    assert (texts(kit, "ann"), seen(kit, people["bob"], "second")) == (["first"], [])
    kit.token("to bob", "o3")
    assert kit.outbox.bodies(people["bob"], "SERVER_STREAM_DATA")[0]["data"] == "to"


def test_late_tokens_of_an_output_belong_to_no_later_request(kit: Kit, people: dict[str, str]) -> None:
    kit.extension(X)
    kit.submit(people["ann"], "q", "ra")
    kit.token("first ", "o1")
    kit.clock.pump([1] * 70)
    kit.submit(people["bob"], "q", "rb")
    kit.token("late", "o1")
    say(kit, "to bob")
    assert (texts(kit, "ann"), texts(kit, "bob")) == (["first "], ["to bob"])


# ------------------------------------------------------------------------------------------------------- one at a time


@pytest.mark.parametrize("pause", [0, 1.9, 2.5, 30])
@pytest.mark.parametrize("streamed", [True, False])
def test_two_who_ask_at_once_are_both_answered(kit: Kit, people: dict[str, str], pause: float, streamed: bool) -> None:
    """However long the model pauses between two words: what it dropped meanwhile it is asked again."""
    double = ReferenceDouble(kit, X)
    kit.connect(X, client_type="SillyTavern", link=double)
    for number, sid in enumerate(people.values()):
        kit.submit(sid, question(chr(0xE000 + number)), f"r{number}")
    for _ in range(4):
        for more in (True, True, True, False) if streamed and double.job is not None else ():
            double.token()
            wait(kit, pause if more else 0)
        double.finish()
        wait(kit, 3)
    for number, (who, sid) in enumerate(people.items()):
        assert kit.statuses(sid, f"r{number}")[-1] == "completed"
        assert set("".join(texts(kit, who))) == {chr(0xE000 + number)}


@pytest.mark.parametrize("cause", ["lost", "silent", "too large"])
def test_who_goes_on_with_a_failed_answer_drops_what_it_is_asked(kit: Kit, people: dict[str, str], cause: str) -> None:
    """Nobody hears the rest of it; who was asked meanwhile is asked again when it is through."""
    kit.change("streams", max_output_bytes=60)
    double = ReferenceDouble(kit, X)
    sid = kit.connect(X, client_type="SillyTavern", link=double)
    kit.submit(people["ann"], question("\ue001"), "ra")
    double.token()
    assert double.job is not None
    if cause == "lost":
        kit.disconnect(sid)
        kit.connect(X, client_type="SillyTavern", link=double)
    elif cause == "silent":
        kit.token("", double.job.output_id)
        kit.streams.stream_started(Said(X, "s", double.job.output_id))
        wait(kit, 121)
    else:
        kit.token("x" * 61, double.job.output_id)
    assert kit.statuses(people["ann"])[-1] == "failed"
    told = len(kit.outbox.got(people["ann"]))
    kit.submit(people["bob"], question("\ue002"), "rb")
    for _ in range(5):
        double.token()
        wait(kit, 1)
    assert double.dropped[-1] == "\ue002"
    double.finish()
    wait(kit, 3)
    double.finish()
    assert texts(kit, "bob") == ["\ue002" * 7]
    assert kit.statuses(people["bob"])[-1] == "completed"
    assert not [s for s in kit.outbox.got(people["ann"])[told:] if "\ue001" in str(s.args)]
    assert len(texts(kit, "ann")) == 1


def wait(kit: Kit, seconds: float) -> None:
    kit.clock.pump([0.25] * int(seconds * 4))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.booleans(), st.booleans()), min_size=2, max_size=8),
    st.lists(st.sampled_from([0.0, 0.5, 2.5, 9.0]), min_size=1, max_size=12),
)
def test_however_many_ask_each_is_answered(asks: list[tuple[str, bool, bool]], pauses: list[float]) -> None:
    """Some in their own rooms, some in a common one; in tokens or in one piece; with pauses in mid-answer."""
    kit = Kit()
    double = ReferenceDouble(kit, X)
    kit.connect(X, client_type="SillyTavern", link=double)
    sids = {who: kit.connect(who) for who in "abcd"}
    kit.group("lounge", "a", RequestMode.IMMEDIATE, b=Role.GUEST, c=Role.GUEST, d=Role.GUEST)
    expected = []
    for number, (who, in_common, _) in enumerate(asks):
        room, secret = "lounge" if in_common else who, chr(0xE000 + number)
        kit.submit(sids[who], question(secret), f"r{number}", room=room)
        expected.append((room, f"r{number}", secret))
    times = iter(pauses * 1000)
    for _, _, streamed in asks:
        while double.job is not None and streamed and double.job.said < 3:
            double.token()
            wait(kit, next(times) if double.job.said < 3 else 0)
        double.finish()
        wait(kit, 3)
    answers = {(room, m.request_id, m.text[:1]) for room in ("lounge", *"abcd") for m in kit.responses(room)}
    assert answers == set(expected)
    assert [kit.statuses(sids[who], f"r{n}")[-1] for n, (who, _, _) in enumerate(asks)] == ["completed"] * len(asks)
    kit.close()


def test_nobody_waits_for_the_second_of_who_is_being_answered(kit: Kit, people: dict[str, str]) -> None:
    link = kit.extension(X)
    for number in range(3):
        kit.submit(people["ann"], "q", f"a{number}")
    assert kit.submit(people["bob"], "q", "b0")["position"] == 1
    for request_id in ("a0", "b0", "a1", "a2"):
        say(kit, "x", request_id)
    assert names(link) == ["a0", "b0", "a1", "a2"]


def test_who_declares_a_capacity_gets_so_many(kit: Kit, people: dict[str, str]) -> None:
    link = kit.extension(X, capacity=3)
    for number in range(5):
        kit.submit(people["ann"], "q", f"r{number}")
    assert names(link) == ["r0", "r1", "r2"]


def test_what_an_absent_extension_is_asked_waits_for_nobody(kit: Kit, people: dict[str, str]) -> None:
    link = kit.extension(X)
    kit.submit(people["ann"], "q", "r1")
    kit.submit(people["ann"], "q", "r2")
    kit.disconnect_all(X)
    kit.clock.advance(10)
    assert names(link) == ["r1"]
    assert kit.statuses(people["ann"], "r2")[-1] == "failed"


# --------------------------------------------------------------------------------------------------------- first sign


def test_no_sign_fails_in_words_that_name_the_cause(kit: Kit, people: dict[str, str], logged: Logged) -> None:
    kit.extension(X)
    kit.submit(people["ann"], "q", "r1")
    kit.clock.pump([5] * 11)
    assert kit.statuses(people["ann"])[-1] == "forwarded"
    kit.clock.advance(5)
    words = NO_SIGN.format(extension=X, seconds=60)
    error = kit.outbox.bodies(people["ann"], "ERROR")[0]
    assert (error["message"], error["errorCode"], error["requestId"], error["source"]) == (words, 8, "r1", X)
    status = kit.outbox.bodies(people["ann"], "REQUEST_STATUS_UPDATE")[-1]
    assert (status["status"], status["message"]) == ("failed", words)
    assert f"request r1: {words}" in logged()


def test_the_silences_are_logged_within_a_quota(make_kit: Callable[..., Kit], logged: Logged) -> None:
    kit = make_kit(requests=RequestSettings(extension_first_sign_seconds=5, request_rate=1000))
    kit.extension(X, capacity=16)
    sid = kit.connect("ann")
    for number in range(16):
        kit.submit(sid, "q", f"r{number}")
    kit.clock.advance(5)
    assert len([line for line in logged() if "gave no sign" in line]) == 5
    for number in range(16, 18):
        kit.submit(sid, "q", f"r{number}")
    kit.clock.advance(5)
    assert [line[line.index(" (") :] for line in logged() if "were not logged" in line] == [
        " (11 of these were not logged)"
    ]


@pytest.mark.parametrize("sign", ["token", "START_PROCESSING of the request", "START_PROCESSING in the room"])
def test_any_sign_gives_it_its_whole_time(kit: Kit, people: dict[str, str], sign: str) -> None:
    kit.extension(X)
    kit.submit(people["ann"], "q", "r1")
    if sign == "token":
        kit.streams.stream_started(Said(X, "s", "o"))
    else:
        kit.ledger.started(X, "r1" if "request" in sign else None, kit.room_id("ann"))
    kit.clock.pump([5] * 20)
    assert kit.statuses(people["ann"]) == ["forwarded"]


def test_the_next_of_the_same_room_may_go_and_another_when_the_answer_came(kit: Kit, people: dict[str, str]) -> None:
    link = kit.extension(X)
    kit.submit(people["ann"], "q", "r1")
    kit.submit(people["bob"], "q", "r2")
    kit.submit(people["ann"], "q", "r3")
    kit.clock.pump([5] * 12)
    assert names(link) == ["r1", "r3"]
    say(kit, "late, but here", "random")
    say(kit, "to the other", "random")
    assert names(link) == ["r1", "r3", "r2"]
    assert [(m.request_id, m.text) for m in kit.responses("ann")] == [("r1", "late, but here"), ("r3", "to the other")]
    assert kit.statuses(people["ann"], "r1") == ["forwarded", "failed"], "what is over stays over"
    assert kit.statuses(people["ann"], "r3") == ["queued", "forwarded", "completed"]


@pytest.mark.parametrize("what", ["reconnects", "labels", "is waited for long enough"])
def test_another_room_may_go_also_when_the_extension(kit: Kit, people: dict[str, str], what: str) -> None:
    link = kit.extension(X)
    kit.submit(people["ann"], "q", "r1")
    kit.clock.pump([5] * 12)
    kit.submit(people["bob"], "q", "r2")
    assert names(link) == ["r1"]
    if what == "reconnects":
        kit.disconnect_all(X)
        link = kit.extension(X)
        kit.submit(people["bob"], "q", "r3")
        assert names(link) == ["r2"]
    elif what == "labels":
        say(kit, "late", "r1")
        assert names(link) == ["r1", "r2"]
    else:
        kit.clock.pump([5] * 119)
        assert names(link) == ["r1"]
        kit.clock.pump([5] * 2)
        assert names(link) == ["r1", "r2"]


def test_a_label_is_understood_as_long_as_an_answer_without_one(kit: Kit, people: dict[str, str]) -> None:
    kit.extension(X)
    kit.submit(people["ann"], "q", "r1")
    kit.clock.pump([5] * 100)
    say(kit, "after eight minutes", "r1")
    assert texts(kit, "ann") == ["after eight minutes"]


def test_an_error_with_the_right_id_makes_no_labelling_extension(kit: Kit, people: dict[str, str]) -> None:
    """The reference one names the request in its errors and in nothing else."""
    kit.extension(X)
    kit.submit(people["ann"], "q", "r1")
    kit.streams.failed(Said(X, request="r1"), "no", None)
    kit.streams.failed(Said(X, request="r1"), "no", None)
    kit.submit(people["ann"], "q", "r2")
    say(kit, "yes", "random")
    assert texts(kit, "ann") == ["yes"]


# --------------------------------------------------------------------------------------------------------- rooms again


def deleted(kit: Kit, name: str) -> None:
    result_of(kit.rooms.delete(name))


@pytest.mark.parametrize("how", ["one piece", "tokens", "tokens since before"])
def test_late_answers_of_a_deleted_room_reach_nobody(
    kit: Kit, people: dict[str, str], logged: Logged, how: str
) -> None:
    kit.extension(X)
    kit.group("den", "ann", RequestMode.IMMEDIATE)
    kit.submit(people["ann"], "between us", "r1", room="den")
    if how == "tokens since before":
        kit.token("OLD ", "o1", request_id="r1")
    kit.outbox.clear()
    deleted(kit, "den")
    kit.group("den", "bob", RequestMode.IMMEDIATE)
    if how == "one piece":
        say(kit, "OLD", "r1")
    else:
        kit.token("OLD", "o1", request_id="r1")
        kit.clock.pump([0.25] * 10)
    assert seen(kit, people["bob"], "OLD") == []
    assert texts(kit, "den") == []
    assert f"dropped an answer of {X}: its room den was deleted" in logged()
    assert kit.streams.open_outputs == 0


@pytest.mark.parametrize("mode", ["ss", ""])
def test_what_a_reader_left_of_a_deleted_rooms_answer_is_read_by_nobody(kit: Kit, mode: str) -> None:
    """Nor is it held back for one who declared nothing and may still turn out to read streams."""
    kit.extension(X)
    ann = kit.connect("ann", stream_mode=mode)
    kit.group("den", "ann", RequestMode.IMMEDIATE)
    kit.submit(ann, "q", "r1", room="den")
    kit.streams.stream_started(Said(X, "s", "o1", "r1"))
    kit.streams.stream_data(Said(X, "s", "o1", "r1"), 0, "OLD")
    kit.streams.stream_ended(Said(X, "s", "o1", "r1"), True)
    opened = kit.outbox.got(ann, "$stream")
    kit.outbox.clear()
    deleted(kit, "den")
    for each in opened:
        kit.downstream.read(ann, each.args[1]["$stream"])
    kit.clock.advance(1)
    assert seen(kit, ann, "OLD") == []
    assert kit.outbox.got(ann, "$stream-write", "SERVER_STREAM_DATA") == []
    assert kit.downstream.open_forms == 0


def test_an_extension_is_busy_with_a_deleted_room_until_it_is_through(kit: Kit, people: dict[str, str]) -> None:
    link = kit.extension(X)
    kit.group("den", "ann", RequestMode.IMMEDIATE)
    kit.submit(people["ann"], "q", "r1", room="den")
    kit.submit(people["bob"], "q", "r2")
    deleted(kit, "den")
    assert names(link) == ["r1"]
    say(kit, "to nobody", "random")
    assert names(link) == ["r1", "r2"]
    say(kit, "to bob", "random")
    assert texts(kit, "bob") == ["to bob"]


def test_a_room_deleted_before_its_request_was_sent_keeps_nobody_waiting(kit: Kit, people: dict[str, str]) -> None:
    link = kit.extension(X)
    kit.group("den", "ann", RequestMode.IMMEDIATE)
    asking: list[Any] = []
    kit.make_again("den", "bob", lambda: asking.append(kit.ask(people["ann"], "q", "r1", room="den")))
    failure_of(asking[0])
    assert names(link) == []
    kit.submit(people["bob"], "q", "r2")
    assert names(link) == ["r2"]


def test_a_room_deleted_while_its_answer_is_being_stored(kit: Kit, people: dict[str, str], logged: Logged) -> None:
    kit.extension(X)
    kit.group("den", "ann", RequestMode.IMMEDIATE)
    kit.submit(people["ann"], "q", "r1", room="den")
    kit.make_again("den", "bob", lambda: say(kit, "OLD", "r1"))
    assert seen(kit, people["bob"], "OLD") == []
    assert [m.text for m in kit.stored("den")] == ["[System] bob has joined the room as master."]
    assert [event for event in logged.events if event.get("log_failure")] == []


# -------------------------------------------------------------------------------------------------------------- memory


def test_nothing_is_left_of_extensions_that_went(kit: Kit, people: dict[str, str]) -> None:
    for number in range(3):
        kit.extension(f"x{number}")
        kit.submit(people["ann"], "q", f"r{number}", targets=(f"x{number}",))
        kit.disconnect_all(f"x{number}")
    kit.extension("silent")
    kit.streams.answered(Said("silent"), "x")
    kit.disconnect_all("silent")
    kit.clock.pump([5] * 14)
    assert kit.desks._desks == {}
    assert (kit.pacer._waiting, kit.pacer._sent) == ({}, {})


def test_nothing_is_left_of_who_went_when_an_output_outlives_its_request(kit: Kit, people: dict[str, str]) -> None:
    kit.extension(X)
    kit.submit(people["ann"], "q", "r1")
    kit.token("one ", "o1")
    kit.clock.pump([1] * 40)
    kit.token("late", "o1")
    kit.clock.pump([1] * 5)
    kit.disconnect_all(X)
    kit.clock.pump([1] * 70)
    assert kit.desks._desks == {}
    assert kit.streams.known_extensions == 0


def test_an_id_is_forgotten_of_what_was_put_off_and_never_sent_again(kit: Kit, people: dict[str, str]) -> None:
    """The extension went on with an old answer, so it dropped it; meanwhile its room is deleted."""
    kit.extension(X)
    kit.group("den", "bob", RequestMode.IMMEDIATE)
    kit.submit(people["ann"], "q", "r1")
    kit.token("one ", "o1")
    kit.clock.pump([0.25] * 12)
    kit.submit(people["bob"], "q", "r2", room="den")
    kit.token("two", "o1")
    result_of(kit.rooms.delete("den"))
    assert kit.statuses(people["bob"], "r2")[-1] == "failed"
    kit.clock.pump([5] * 16)
    assert kit.desks._desks[X].idle


def test_two_extensions_outputs_of_one_id_are_two_outputs(kit: Kit, people: dict[str, str]) -> None:
    """Else who orders chunks by it would mix them."""
    for name in ("x0", "x1"):
        kit.extension(name)
    kit.submit(people["ann"], "q", "r1", targets=("x0", "x1"))
    for _ in range(3):
        for name in ("x0", "x1"):
            kit.token(f"{name} ", "same", extension=name, request_id="r1")
    kit.clock.pump([0.25] * 12)
    chunks: dict[str, str] = {}
    for body in kit.outbox.bodies(people["ann"], "SERVER_STREAM_DATA"):
        chunks[body["outputId"]] = chunks.get(body["outputId"], "") + body["data"]
    assert sorted(chunks.values()) == ["x0 x0 x0 ", "x1 x1 x1 "]
    assert {m.output_id for m in kit.responses("ann")} == set(chunks)


def test_an_answer_is_the_secret_of_its_question() -> None:
    assert set(answer_to(question("\ue123"))) == {"\ue123"}
