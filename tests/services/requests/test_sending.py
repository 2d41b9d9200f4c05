"""What waits is a reference: it is sent as it is stored when it is sent, or not at all (contract 5.4, A18)."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from hubkit import OPERATOR, Kit, Link, failure_of, faults, result_of
from newage.domain.history import Change
from newage.domain.model import ConnectionPolicy, RequestMode, Role
from newage.ports import Said
from newage.services.history.limits import HistorySettings
from newage.services.requests.limits import RequestSettings
from newage.services.requests.sending import TAKEN_BACK

X, Y = "SillyTavern-8000", "SillyTavern-8001"
Sids = dict[str, str]


@pytest.fixture
def link(kit: Kit) -> Link:
    """It declares nothing, so it gets one request at a time."""
    return kit.extension(X)


@pytest.fixture
def den(kit: Kit, link: Link) -> Sids:
    """A room in Default mode: a host, two guests, one of them with a second identity, which is a member, too."""
    sids = {who: kit.connect(who.partition("-")[0], identity=who) for who in ("host", "ann", "bob", "bob-2")}
    kit.group("den", "host", ann=Role.GUEST, bob=Role.GUEST, bob_2=Role.GUEST)
    return sids


def say(kit: Kit, sids: Sids, who: str, text: str, **ask: Any) -> dict[str, Any]:
    return kit.submit(sids[who], text, f"{who}:{text}", room="den", **ask)


def edit(kit: Kit, sids: Sids, who: str, message_id: str, text: str) -> None:
    result_of(Deferred.fromCoroutine(kit.editing.edit(kit.caller(sids[who]), "den", message_id, Change(text=text))))


def delete(kit: Kit, sids: Sids, who: str, *message_ids: str) -> None:
    result_of(Deferred.fromCoroutine(kit.editing.delete(kit.caller(sids[who]), "den", message_ids)))


def clear(kit: Kit, sids: Sids, who: str, *, requests: bool = True) -> None:
    result_of(Deferred.fromCoroutine(kit.editing.clear(kit.caller(sids[who]), "den", requests, True)))


def told(kit: Kit, sids: Sids, who: str, text: str) -> list[tuple[Any, ...]]:
    """The course of a request: status, what it waits for, and as which."""
    request_id = f"{who}:{text}"
    bodies = [b for b in kit.outbox.bodies(sids[who], "REQUEST_STATUS_UPDATE") if b["requestId"] == request_id]
    return [tuple(b[k] for k in ("status", "waitsFor", "position") if k in b) for b in bodies]


def sent(link: Link) -> list[str]:
    return [payload["message"] for payload in link.forwarded]


def answer(kit: Kit, request_id: str, extension: str = X) -> None:
    kit.streams.answered(Said(extension, request=request_id), "an answer")


def mute_for_a_while(kit: Kit, identity: str) -> None:
    kit.mute("den", identity, 5)
    kit.clock.advance(5)


# ------------------------------------------------------------------------------------------------------- for the host

TAKES_BACK: dict[str, Callable[[Kit, Sids, str], object]] = {
    "deleted by its author": lambda kit, sids, said: delete(kit, sids, "bob", said),
    "deleted by staff": lambda kit, sids, said: delete(kit, sids, "host", said),
    "cleared": lambda kit, sids, said: clear(kit, sids, "host"),
    "kicked": lambda kit, sids, said: result_of(kit.rooms.remove("den", "bob", "kick")),
    "left": lambda kit, sids, said: result_of(kit.rooms.remove("den", "bob", "leave")),
    "left and back": lambda kit, sids, said: [
        result_of(kit.rooms.remove("den", "bob", "leave")),
        result_of(kit.rooms.add("den", "bob")),
    ],
    "muted": lambda kit, sids, said: kit.mute("den", "bob", inf),
    "muted for a while": lambda kit, sids, said: mute_for_a_while(kit, "bob"),
    "muted as another identity": lambda kit, sids, said: kit.mute("den", "bob-2", inf),
}


@pytest.mark.parametrize("way", TAKES_BACK)
def test_what_was_taken_back_reaches_no_model(kit: Kit, link: Link, den: Sids, way: str) -> None:
    said = say(kit, den, "bob", "regretted")["messageId"]
    TAKES_BACK[way](kit, den, said)
    say(kit, den, "host", "go")
    assert sent(link) == ["go"]
    assert "isMerged" not in link.forwarded[0]["currentRequest"]
    assert told(kit, den, "bob", "regretted") == [("queued", "host", 1), ("expired",)]
    assert kit.outbox.bodies(den["bob"], "REQUEST_STATUS_UPDATE")[-1]["message"] == TAKEN_BACK


def test_the_others_words_stay(kit: Kit, link: Link, den: Sids) -> None:
    assert say(kit, den, "bob", "one")["position"] == 1
    second = say(kit, den, "ann", "two")
    assert (second["state"], second["waitsFor"], second["position"]) == ("queued", "host", 2)
    delete(kit, den, "ann", second["messageId"])
    clear(kit, den, "host", requests=False)
    result_of(kit.rooms.remove("den", "bob-2", "kick"))
    say(kit, den, "host", "go")
    assert sent(link) == ["one\n\ngo"]
    assert told(kit, den, "bob", "one") == [("queued", "host", 1), ("merged",)]


def test_an_edit_counts_and_so_does_what_else_was_said_with_it(kit: Kit, link: Link, den: Sids) -> None:
    first = say(kit, den, "ann", "wrong")["messageId"]
    edit(kit, den, "ann", first, "right")
    say(kit, den, "host", "go")
    assert sent(link) == ["right\n\ngo"]
    assert [m["message"] for m in link.forwarded[0]["context"] if not m.get("isSystem")] == ["right", "go"]


def test_a_queue_that_is_released_is_sent_as_it_is_stored(kit: Kit, link: Link, den: Sids) -> None:
    first = say(kit, den, "ann", "wrong")["messageId"]
    gone = say(kit, den, "bob", "regretted")["messageId"]
    say(kit, den, "bob", "third")
    edit(kit, den, "ann", first, "right")
    delete(kit, den, "bob", gone)
    kit.set_mode("den", RequestMode.IMMEDIATE)
    answer(kit, "ann:wrong")
    assert sent(link) == ["right", "third"]
    assert told(kit, den, "bob", "third") == [("queued", "host", 3), ("queued", "turn", 1), ("forwarded",)]


def test_what_the_room_no_longer_keeps_is_not_sent(make_kit: Callable[..., Kit]) -> None:
    """Evicted by newer messages: nobody deleted it, and yet it is stored no more."""
    kit = make_kit(history=HistorySettings(max_messages_per_room=2))
    link = kit.extension(X)
    sids = {who: kit.connect(who) for who in ("host", "ann")}
    kit.group("den", "host", ann=Role.GUEST)
    say(kit, sids, "ann", "old")
    say(kit, sids, "ann", "newer")
    say(kit, sids, "host", "go")
    assert sent(link) == ["newer\n\ngo"]
    assert link.forwarded[0]["currentRequest"]["originalRequestIds"] == ["ann:newer", "host:go"]
    assert told(kit, sids, "ann", "old")[-1] == ("expired",)


def test_who_left_while_it_was_stored_has_not_asked(kit: Kit, link: Link, den: Sids) -> None:
    kit.set_mode("den", RequestMode.IMMEDIATE)
    kit.gate.shut = True
    asking = kit.ask(den["bob"], "bye", "bob:bye", room="den")
    leaving = Deferred.fromCoroutine(kit.rooms.remove("den", "bob", "leave"))
    kit.gate.waiting.insert(0, kit.gate.waiting.pop())
    kit.gate.open()
    result_of(leaving)
    assert result_of(asking)["state"] == "expired"
    assert link.forwarded == []


# -------------------------------------------------------------------------------------------------------- for a turn


@pytest.fixture
def busy(kit: Kit, link: Link, den: Sids) -> Sids:
    """The room is open to all, and the extension works on something of the host."""
    kit.set_mode("den", RequestMode.IMMEDIATE)
    say(kit, den, "host", "long")
    return den


def test_who_waits_is_told_so_and_as_which(kit: Kit, link: Link, busy: Sids) -> None:
    ack = say(kit, busy, "ann", "one")
    assert (ack["state"], ack["waitsFor"], ack["position"]) == ("queued", "turn", 1)
    assert say(kit, busy, "bob", "two")["position"] == 2
    assert told(kit, busy, "ann", "one") == [("queued", "turn", 1)]
    answer(kit, "host:long")
    assert told(kit, busy, "ann", "one") == [("queued", "turn", 1), ("forwarded",)]
    assert told(kit, busy, "host", "long") == [("forwarded",), ("completed",)]


def test_turns_go_round(kit: Kit, link: Link, busy: Sids) -> None:
    for text in ("1", "2", "3"):
        say(kit, busy, "ann", text)
    assert say(kit, busy, "bob", "4")["position"] == 2
    say(kit, busy, "host", "5")
    for asked in ("host:long", "ann:1", "bob:4", "host:5", "ann:2", "ann:3"):
        answer(kit, asked)
    assert sent(link) == ["long", "1", "4", "5", "2", "3"]


@pytest.mark.parametrize("way", TAKES_BACK)
def test_what_is_taken_back_has_no_turn(kit: Kit, link: Link, busy: Sids, way: str) -> None:
    said = say(kit, busy, "bob", "regretted")["messageId"]
    TAKES_BACK[way](kit, busy, said)
    assert told(kit, busy, "bob", "regretted") == [("queued", "turn", 1), ("expired",)]
    say(kit, busy, "ann", "next")
    answer(kit, "host:long")
    assert sent(link) == ["long", "next"]
    assert kit.ledger.live_count == 1


def test_words_for_who_asks_need_him_there_and_no_message(kit: Kit, link: Link, busy: Sids) -> None:
    kit.set_mode("den", RequestMode.IMMEDIATE)
    for who in ("ann", "bob"):
        say(kit, busy, who, "be brief", request_type="impersonate")
    clear(kit, busy, "host")
    result_of(kit.rooms.remove("den", "bob", "leave"))
    answer(kit, "host:long")
    answer(kit, "ann:be brief")
    assert sent(link) == ["long", "be brief"]
    assert told(kit, busy, "ann", "be brief")[-1] == ("completed",)
    assert told(kit, busy, "bob", "be brief") == [("queued", "turn", 2), ("expired",)]


def test_time_begins_with_the_turn(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(requests=RequestSettings(llm_request_timeout_seconds=100, extension_first_sign_seconds=90))
    link, sid = kit.extension(X), kit.connect("web1")
    kit.submit(sid, "first", "r1")
    kit.submit(sid, "second", "r2")
    kit.streams.stream_started(Said(X, "s", "o", "r1"))
    for number in range(5):
        kit.clock.pump([1] * 80)
        kit.streams.stream_data(Said(X, "s", "o", "r1"), number, "word ")
    kit.streams.stream_ended(Said(X, "s", "o", "r1"), True)
    assert sent(link) == ["first", "second"]
    kit.clock.advance(80)
    assert kit.statuses(sid, "r2") == ["queued", "forwarded"]


def test_in_its_turn_it_is_sent_as_it_is_stored_then(kit: Kit, link: Link, busy: Sids) -> None:
    said = say(kit, busy, "ann", "wrong", extra={"temperature": 1})["messageId"]
    other = say(kit, busy, "bob", "secret")["messageId"]
    change = Change(text="right", extra={"temperature": 2})
    result_of(Deferred.fromCoroutine(kit.editing.edit(kit.caller(busy["ann"]), "den", said, change)))
    delete(kit, busy, "bob", other)
    answer(kit, "host:long")
    payload = link.forwarded[-1]
    assert (payload["message"], payload["data"], payload["temperature"]) == ("right", "right", 2)
    assert payload["currentRequest"]["message"] == "right"
    assert "secret" not in str(payload)
    assert [m["message"] for m in payload["context"] if not m.get("isSystem")] == ["long", "right"]


def test_merged_words_may_be_taken_back_until_they_are_sent(kit: Kit, link: Link, den: Sids) -> None:
    say(kit, den, "host", "long")
    gone = say(kit, den, "ann", "regretted")["messageId"]
    wrong = say(kit, den, "bob", "wrong")["messageId"]
    assert say(kit, den, "host", "go")["state"] == "queued"
    assert told(kit, den, "ann", "regretted") == [("queued", "host", 1), ("merged",)]
    delete(kit, den, "ann", gone)
    edit(kit, den, "bob", wrong, "right")
    answer(kit, "host:long")
    assert sent(link) == ["long", "right\n\ngo"]
    assert link.forwarded[-1]["currentRequest"]["mergedFromCount"] == 2
    assert told(kit, den, "ann", "regretted")[-1] == ("expired",)
    answer(kit, "host:go")
    assert told(kit, den, "bob", "wrong")[-1] == ("completed",)
    assert kit.ledger.live_count == 0


def test_what_is_taken_back_while_it_is_read_is_not_sent(kit: Kit, link: Link, busy: Sids) -> None:
    """Its turn had come; the extension owes nothing for it, so the next one is sent at once."""
    say(kit, busy, "bob", "regretted")
    say(kit, busy, "ann", "next")
    kit.gate.shut = True
    answer(kit, "host:long")
    reads = kit.gate.waiting[:]
    result = Deferred.fromCoroutine(kit.rooms.remove("den", "bob", "kick"))
    kit.gate.waiting[:] = [*kit.gate.waiting[len(reads) :], *reads]
    kit.gate.open()
    result_of(result)
    assert sent(link) == ["long", "next"]
    assert told(kit, busy, "bob", "regretted")[-1] == ("expired",)


def test_what_cannot_be_read_in_its_turn_fails_and_the_next_goes(kit: Kit, link: Link, busy: Sids) -> None:
    say(kit, busy, "bob", "unlucky")
    say(kit, busy, "ann", "next")
    kit.gate.shut = True
    answer(kit, "host:long")
    (logged,) = faults(lambda: kit.gate.waiting.pop(0).errback(ValueError("broken")))
    kit.gate.open()
    assert "could not be sent" in logged["log_format"]
    assert told(kit, busy, "bob", "unlucky")[-1] == ("failed",)
    assert kit.outbox.bodies(busy["bob"], "ERROR")[-1]["message"] == "Internal error."
    assert sent(link) == ["long", "next"]


def test_waiting_has_an_end(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(requests=RequestSettings(queue_ttl_seconds=10, llm_request_timeout_seconds=3600))
    kit.extension(X)
    sid = kit.connect("web1")
    kit.submit(sid, "first", "r1")
    kit.submit(sid, "second", "r2")
    kit.clock.pump([5] * 3)
    assert kit.statuses(sid, "r2") == ["queued", "expired"]
    assert kit.statuses(sid, "r1") == ["forwarded"]


@pytest.mark.parametrize("why", ["deleted by its author", "kicked", "left", "muted"])
def test_of_two_extensions_the_first_may_have_it_and_the_second_not_any_more(
    kit: Kit, link: Link, den: Sids, why: str
) -> None:
    other = kit.extension(Y)
    result_of(kit.assignments.set_policy(OPERATOR, ConnectionPolicy.BROADCAST))
    kit.set_mode("den", RequestMode.IMMEDIATE)
    say(kit, den, "host", "busy", targets=(Y,))
    ack = say(kit, den, "bob", "told")
    assert ack["state"] == "forwarded"
    TAKES_BACK[why](kit, den, ack["messageId"])
    answer(kit, "host:busy", Y)
    assert (sent(link), sent(other)) == (["told"], ["busy"])
    answer(kit, "bob:told")
    assert told(kit, den, "bob", "told") == [("forwarded",), ("completed",)]


@pytest.mark.parametrize("why", ["deleted by its author", "kicked", "left", "muted"])
def test_and_so_with_what_is_merged_into_it(kit: Kit, link: Link, den: Sids, why: str) -> None:
    other = kit.extension(Y)
    result_of(kit.assignments.set_policy(OPERATOR, ConnectionPolicy.BROADCAST))
    say(kit, den, "host", "busy", targets=(Y,))
    say(kit, den, "ann", "one")
    gone = say(kit, den, "bob", "two")["messageId"]
    say(kit, den, "host", "go")
    TAKES_BACK[why](kit, den, gone)
    answer(kit, "host:busy", Y)
    assert (sent(link), sent(other)) == (["one\n\ntwo\n\ngo"], ["busy", "one\n\ngo"])
    assert other.forwarded[-1]["currentRequest"]["originalRequestIds"] == ["ann:one", "host:go"]
    for extension in (X, Y):
        answer(kit, "host:go", extension)
    assert [told(kit, den, *each)[-1] for each in (("ann", "one"), ("bob", "two"))] == [("completed",)] * 2


def test_of_two_extensions_each_gets_it_as_it_is_stored_in_its_turn(kit: Kit, link: Link, den: Sids) -> None:
    other = kit.extension(Y)
    result_of(kit.assignments.set_policy(OPERATOR, ConnectionPolicy.BROADCAST))
    say(kit, den, "host", "busy", targets=(Y,))
    kept, gone = (say(kit, den, who, "wrong")["messageId"] for who in ("ann", "bob"))
    assert say(kit, den, "host", "go")["state"] == "forwarded"
    edit(kit, den, "ann", kept, "right")
    delete(kit, den, "bob", gone)
    answer(kit, "host:busy", Y)
    assert (sent(link), sent(other)) == (["wrong\n\nwrong\n\ngo"], ["busy", "right\n\ngo"])
    assert told(kit, den, "bob", "wrong")[-1] == ("merged",)


# ---------------------------------------------------------------------------------------------------------- thinking


@pytest.fixture
def talk(kit: Kit, link: Link, den: Sids) -> Sids:
    """Somebody said something in a room in Conversational mode, and the extension is busy elsewhere."""
    kit.set_mode("den", RequestMode.CONVERSATIONAL)
    say(kit, den, "ann", "one")
    kit.submit(den["host"], "elsewhere", "r1")
    kit.thinking._begin(kit.rooms.require("den"), X, "Go on.")
    assert sent(link) == ["elsewhere"]
    return den


def test_a_thought_sees_what_is_stored_in_its_turn(kit: Kit, link: Link, talk: Sids) -> None:
    clear(kit, talk, "host")
    say(kit, talk, "bob", "two")
    answer(kit, "r1")
    assert [m["message"] for m in link.forwarded[-1]["context"] if not m.get("isSystem")] == ["two"]


@pytest.mark.parametrize("why", ["muted", "deleted", "unreadable"])
def test_a_thought_that_may_not_be_had_any_more_is_none(kit: Kit, link: Link, talk: Sids, why: str) -> None:
    if why == "muted":
        result_of(kit.rooms.add("den", X))
        kit.mute("den", X, inf)
    elif why == "deleted":
        result_of(kit.rooms.delete("den"))
    kit.gate.broken = why == "unreadable"
    faults(lambda: answer(kit, "r1"))
    kit.gate.broken = False
    assert sent(link) == ["elsewhere"]
    kit.submit(talk["host"], "next", "r2")
    assert sent(link)[-1] == "next"


def test_a_request_that_cannot_be_read_at_once_fails_in_words(kit: Kit, link: Link, den: Sids) -> None:
    kit.gate.shut = True
    asking = kit.ask(den["host"], "go", "r1", room="den")
    kit.gate.step()
    kit.gate.broken = True
    kit.gate.waiting.pop(0).errback(ValueError("broken"))
    kit.gate.broken = kit.gate.shut = False
    assert isinstance(failure_of_any(asking), ValueError)
    assert kit.statuses(den["host"], "r1") == ["failed"]
    kit.submit(den["host"], "again", "r2", room="den")
    assert sent(link) == ["again"]


def failure_of_any(d: Deferred[Any]) -> BaseException:
    failed: list[Any] = []
    d.addErrback(failed.append)
    error: BaseException = failed[0].value
    return error


def test_a_refusal_by_the_store_is_the_requesters_to_know(kit: Kit, link: Link, den: Sids) -> None:
    kit.gate.shut = True
    asking = kit.ask(den["host"], "go", "r1", room="den")
    kit.gate.step()
    kit.gate.shut, kit.gate.broken = False, True
    kit.gate.step()
    assert str(failure_of(asking)) == "The disk is full."
