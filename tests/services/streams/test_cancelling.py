"""Somebody takes a request back (contract 5.8, A20)."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from hubkit import Kit, Link, failure_of, result_of
from newage.domain.model import RequestMode, Role
from newage.domain.request import Cancelled
from newage.ports import Said
from newage.services.streams.cancelling import Which

X = "SillyTavern-8000"
OVER = ["REQUEST_STATUS_UPDATE", "SERVER_STREAM_END"]


@pytest.fixture
def sid(kit: Kit) -> str:
    return kit.connect("web1", stream_mode="plain")


def cancel(kit: Kit, sid: str, request_id: str | None = "r1", **which: Any) -> Cancelled:
    done: Cancelled = result_of(kit.cancelling.cancel(kit.caller(sid), Which(request_id=request_id, **which)))
    return done


def refused(kit: Kit, sid: str, request_id: str | None = "r1", **which: Any) -> tuple[str, int]:
    error = failure_of(kit.cancelling.cancel(kit.caller(sid), Which(request_id=request_id, **which)))
    return str(error), error.error_code


def say(kit: Kit, text: str, index: int = 0, request: str | None = "r1", output: str = "o1") -> None:
    kit.streams.stream_data(Said(X, "s" + output, output, request), index, text)


def names(link: Link) -> list[str]:
    return [each["requestId"] for each in link.forwarded]


def test_its_output_ends_with_its_text_kept(kit: Kit, sid: str) -> None:
    kit.extension(X)
    kit.submit(sid, "q", "r1")
    say(kit, "half an")
    assert cancel(kit, sid) == Cancelled(request_id="r1", state="cancelled", outputs=("o1",))
    say(kit, " answer", 1)
    kit.streams.stream_ended(Said(X, "so1", "o1", "r1"), final=True)
    kit.streams.answered(Said(X, output="o1", request="r1"), "half an answer")
    (end,) = kit.outbox.bodies(sid, "SERVER_STREAM_END")
    assert (end["data"], end["cancelled"], end["partial"], end["failed"], end["stored"]) == (
        "half an",
        True,
        True,
        False,
        True,
    )
    (stored,) = kit.responses("web1")
    assert (stored.text, stored.partial, stored.failed) == ("half an", True, False)
    (status,) = [b for b in kit.outbox.bodies(sid, "REQUEST_STATUS_UPDATE") if b["status"] == "cancelled"]
    assert status["by"] == "web1"
    assert kit.outbox.bodies(sid, "ERROR", "LLM_RESPONSE", "message") == []
    assert "".join(body["data"] for body in kit.outbox.bodies(sid, "SERVER_STREAM_DATA")) == "half an"


def test_an_output_that_begins_after_it_reaches_nobody(kit: Kit, sid: str) -> None:
    kit.extension(X, features=("accept",))
    kit.submit(sid, "q", "r1")
    assert cancel(kit, sid).outputs == ()
    say(kit, "late")
    kit.streams.answered(Said(X, output="o2", request="r1"), "late, in one piece")
    kit.clock.pump([1] * 5)
    assert (kit.responses("web1"), kit.outbox.bodies(sid, "SERVER_STREAM_DATA", "message")) == ([], [])


def test_what_began_and_has_no_text_yet_ends(kit: Kit, sid: str) -> None:
    kit.extension(X)
    kit.submit(sid, "q", "r1")
    kit.streams.stream_started(Said(X, "s", "o1", "r1"))
    assert cancel(kit, sid).outputs == ("o1",)
    (end,) = kit.outbox.bodies(sid, "SERVER_STREAM_END")
    assert (end["cancelled"], end["failed"], end["stored"]) == (True, False, False)
    assert kit.responses("web1") == []


def test_what_went_on_after_its_end_is_cut_there(kit: Kit, sid: str) -> None:
    kit.extension(X, capacity=2)
    kit.extension("SillyTavern-2")
    kit.submit(sid, "q", "r1", targets=(X, "SillyTavern-2"))
    say(kit, "one")
    kit.streams.stream_ended(Said(X, "so1", "o1", "r1"), final=True)
    kit.streams.stream_data(Said(X, "again", "o1", "r1"), 0, " two")
    assert cancel(kit, sid).outputs == ("o1",)
    (stored,) = kit.responses("web1")
    assert (stored.text, stored.partial) == ("one two", True)


def test_half_a_character_of_its_end_is_not_lost(kit: Kit, sid: str) -> None:
    kit.extension(X)
    kit.submit(sid, "q", "r1")
    say(kit, "a\ud83d")
    kit.streams.stream_reasoning(Said(X, "so1", "o1", "r1"), 0, "b\ud83d")
    cancel(kit, sid)
    (stored,) = kit.responses("web1")
    assert (stored.text, stored.reasoning) == ("a\ufffd", "b\ufffd")


def test_a_growing_answer_keeps_what_was_added(kit: Kit, sid: str) -> None:
    kit.extension(X)
    kit.submit(sid, "q", "r1")
    kit.streams.answered(Said(X, output="o1", request="r1"), "once")
    (answer,) = kit.responses("web1")
    kit.set_mode("web1", RequestMode.IMMEDIATE)
    kit.submit(sid, "", "r2", request_type="continue", message_id=answer.message_id)
    say(kit, " upon", request="r2", output="o2")
    cancel(kit, sid, "r2")
    (stored,) = kit.responses("web1")
    assert (stored.text, stored.partial, stored.failed) == ("once upon", True, False)


def test_over_already_is_said_with_its_state(kit: Kit, sid: str) -> None:
    kit.extension(X)
    kit.submit(sid, "q", "r1")
    kit.streams.answered(Said(X, output="o1", request="r1"), "so")
    assert cancel(kit, sid) == Cancelled(request_id="r1", state="completed", over=True)
    assert kit.statuses(sid) == ["forwarded", "completed"]


def test_who_may(kit: Kit) -> None:
    kit.extension(X, capacity=8)
    master, guest, other = kit.connect("mas"), kit.connect("gue"), kit.connect("oth")
    admin, stranger = kit.connect("mon", client_type="monitor"), kit.connect("far")
    kit.group("lounge", "mas", RequestMode.IMMEDIATE, gue=Role.GUEST, oth=Role.GUEST)
    for number, (who, which) in enumerate(
        [(guest, {}), (master, {"identity": "gue"}), (admin, {"identity": "gue"})], start=1
    ):
        message_id = kit.submit(guest, "q", f"r{number}", room="lounge")["messageId"]
        for nobody in (other, stranger):
            assert refused(kit, nobody, f"r{number}", identity="gue") == ("Request not found", 7)
            assert refused(kit, nobody, None, message_id=message_id) == ("Request not found", 7)
        assert cancel(kit, who, f"r{number}", **which).state == "cancelled"
    kit.submit(guest, "q", "r4", room="lounge")
    kit.mute("lounge", "gue", 60)
    assert cancel(kit, guest, "r4").state == "cancelled"
    assert refused(kit, guest, "r5") == ("Request not found", 7)


def test_by_its_message_the_newest_that_is_live(kit: Kit, sid: str) -> None:
    kit.extension(X)
    kit.set_mode("web1", RequestMode.IMMEDIATE)
    message_id = kit.submit(sid, "q", "r1")["messageId"]
    kit.streams.answered(Said(X, output="o1", request="r1"), "so")
    kit.submit(sid, "", "r2", request_type="regenerateMessage", message_id=message_id)
    assert cancel(kit, sid, None, message_id=message_id).request_id == "r2"
    assert cancel(kit, sid, None, message_id=message_id).over


def test_what_is_merged_goes_with_its_whole(kit: Kit) -> None:
    kit.extension(X)
    master, guest = kit.connect("mas"), kit.connect("gue")
    kit.group("lounge", "mas", gue=Role.GUEST)
    kit.submit(guest, "q", "r1", room="lounge")
    kit.submit(master, "q", "r2", room="lounge")
    assert refused(kit, guest) == ("Request was merged", 4)
    assert refused(kit, guest, "r2", identity="mas") == ("Request not found", 7)
    assert cancel(kit, master, identity="gue").state == "cancelled"
    assert kit.statuses(guest, "r1")[-1] == kit.statuses(master, "r2")[-1] == "cancelled"


def test_what_waits_is_asked_of_nobody(kit: Kit, sid: str) -> None:
    link = kit.extension(X)
    guest = kit.connect("gue")
    kit.group("lounge", "web1", gue=Role.GUEST)
    kit.submit(guest, "host", "r1", room="lounge")
    kit.submit(sid, "first", "r2")
    kit.submit(sid, "turn", "r3")
    assert cancel(kit, guest, "r1") == Cancelled(request_id="r1", state="cancelled")
    assert cancel(kit, sid, "r3") == Cancelled(request_id="r3", state="cancelled")
    kit.submit(sid, "mine", "r4", room="lounge")
    kit.streams.answered(Said(X), "so")
    assert names(link) == ["r2", "r4"]
    assert "originalRequestIds" not in link.forwarded[1]["currentRequest"]
    assert (result_of(kit.request_store.load_requests())[0].request_id, link.stops) == ("r4", [])


def test_who_waits_for_an_extension_that_is_away_waits_no_more(kit: Kit, sid: str) -> None:
    kit.extension(X, features=("cancel",))
    kit.submit(sid, "q", "r1")
    kit.disconnect_all(X)
    kit.submit(sid, "q", "r2")
    cancel(kit, sid, "r1")
    cancel(kit, sid, "r2")
    link = kit.extension(X, features=("cancel",))
    kit.clock.pump([1] * 3)
    say(kit, "what it was at")
    assert (names(link), kit.responses("web1")) == ([], [])


def test_done_when_it_is_stored(kit: Kit, sid: str) -> None:
    kit.extension(X)
    kit.submit(sid, "q", "r1")
    say(kit, "half")
    kit.gate.shut = kit.request_gate.shut = True
    done = Deferred.fromCoroutine(kit.cancelling.cancel(kit.caller(sid), Which(request_id="r1")))
    assert not done.called
    kit.request_gate.open()
    assert not done.called
    kit.gate.open()
    assert result_of(done).outputs == ("o1",)


@pytest.mark.parametrize("why", ["cancelled", "failed"])
@pytest.mark.parametrize("how", ["end", "message", "more words and an end"])
def test_its_extension_may_say_that_it_is_over_while_that_is_being_stored(
    kit: Kit, sid: str, how: str, why: str
) -> None:
    kit.extension(X)
    kit.submit(sid, "q", "r1")
    say(kit, "half an")
    kit.clock.pump([1.0] * 2)  # what there is of it is written for the case that the hub dies
    kit.gate.shut = True
    if why == "cancelled":
        Deferred.fromCoroutine(kit.cancelling.cancel(kit.caller(sid), Which(request_id="r1")))
    else:
        kit.streams.failed(Said(X, request="r1"), "no model", None)
    if how == "message":
        kit.streams.answered(Said(X, output="o1", request="r1"), "half an answer")
    if how == "more words and an end":
        say(kit, " answer", 1)
    kit.streams.stream_ended(Said(X, "so1", "o1", "r1"), final=True)
    assert kit.outbox.bodies(sid, "SERVER_STREAM_END") == []
    kit.gate.open()
    (end,) = kit.outbox.bodies(sid, "SERVER_STREAM_END")
    assert (end["data"], end.get("cancelled", False), end["stored"]) == ("half an", why == "cancelled", True)
    assert [(each.text, each.partial) for each in kit.responses("web1")] == [("half an", True)]
    assert result_of(kit.open_output_store.load_texts()) == ()


def test_the_disconnect_of_a_client_is_no_cancel(kit: Kit, sid: str) -> None:
    kit.extension(X)
    kit.submit(sid, "q", "r1")
    say(kit, "half")
    kit.disconnect_all("web1")
    kit.clock.pump([1] * 5)
    say(kit, " and half", 1)
    kit.streams.stream_ended(Said(X, "so1", "o1", "r1"), final=True)
    (stored,) = kit.responses("web1")
    assert (stored.text, stored.partial) == ("half and half", False)


def test_words_for_who_asked_are_kept_nowhere(kit: Kit, sid: str) -> None:
    kit.extension(X)
    kit.submit(sid, "", "r1", request_type="impersonate")
    say(kit, "I am")
    assert cancel(kit, sid).outputs == ("o1",)
    (end,) = kit.outbox.bodies(sid, "SERVER_STREAM_END")
    assert (end["cancelled"], end["stored"], kit.responses("web1")) == (True, False, [])
