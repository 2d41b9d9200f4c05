"""What receivers outside are told: of which events, of which rooms, and what is stored of it until then."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hubkit import Kit, result_of
from logkit import Logged
from newage.domain.history import Change
from newage.domain.model import RequestMode, Role
from newage.domain.webhooks import EVENTS
from newage.domain.webhooks import Said as Replied
from newage.ports import Said
from newage.services.webhooks.line import LEFT_OUT
from webhookkit import PlayedPoster, webhook

MakeKit = Callable[..., Kit]


@pytest.fixture
def poster() -> PlayedPoster:
    return PlayedPoster()


@pytest.fixture
def hub(make_kit: MakeKit, poster: PlayedPoster) -> Kit:
    kit = make_kit(poster=poster, webhooks=(webhook(events=EVENTS[:3]),))
    kit.talk.webhooks.start()
    return kit


def people(hub: Kit, room: str = "den") -> str:
    ann = hub.connect("ann")
    hub.group(room, "ann", RequestMode.IMMEDIATE)
    return ann


def answers(hub: Kit, text: str, request_id: str, output_id: str) -> None:
    hub.streams.answered(Said("SillyTavern-8000", "", output_id, request_id), text)


def test_what_is_said_and_what_is_answered(hub: Kit, poster: PlayedPoster) -> None:
    hub.extension()
    ann = people(hub)
    hub.submit(ann, "Is it?", "r1", room="den")
    answers(hub, "Yes", "r1", "o1")
    question, answer = (each.told for each in poster.sent)
    assert (question["type"], question["data"]["room"]) == ("message.created", "den")
    assert question["data"]["message"]["text"] == "Is it?"
    assert question["timestamp"].endswith("Z")
    assert (answer["type"], answer["data"]["message"]["text"]) == ("response.completed", "Yes")
    assert answer["data"]["message"]["questionId"] == question["data"]["message"]["messageId"]
    assert len({each.id for each in poster.sent}) == 2


def test_webhook_private_room_not_sent(hub: Kit, poster: PlayedPoster) -> None:
    """Row 77: a room that it does not name is never told of, be it open, invited, or somebody's own."""
    ann = people(hub, "secret")
    hub.group("open", "ann", RequestMode.IMMEDIATE)
    for room in ("secret", "open", None):
        hub.remark(ann, "nobody's business", **({} if room is None else {"room": room}))
    hub.clock.advance(9_999)
    assert poster.sent == []
    assert hub.room_store.waiting() == []
    hub.group("den", "ann", RequestMode.IMMEDIATE)
    hub.remark(ann, "told", room="den")
    assert [each.told["data"]["room"] for each in poster.sent] == ["den"] * len(poster.sent) != []


def test_a_room_that_is_not_named_any_more_is_not_told_of(make_kit: MakeKit, poster: PlayedPoster) -> None:
    poster.answers = [Replied(500)]
    before = make_kit(poster=poster, webhooks=(webhook(), webhook("old")))
    ann = people(before)
    before.ask(ann, "secret by now", room="den")
    assert len(before.room_store.waiting()) == 2
    with Logged() as log:
        after = make_kit(with_stores_of=before, poster=poster, webhooks=(webhook(rooms=("lobby",)),))
    assert "1 events for webhooks that are not configured any more were dropped" in log()
    after.talk.webhooks.start()
    assert (poster.sent, after.room_store.waiting()) == ([], [])


def test_the_queue_forgets_deleted_messages(hub: Kit, poster: PlayedPoster) -> None:
    poster.held = True
    ann = people(hub)
    hub.remark(ann, "on its way", room="den")
    hub.remark(ann, "taken back", room="den")
    hub.remark(ann, "edited", room="den")
    first, second, third = hub.stored("den")[-3:]
    caller = hub.caller(ann)
    result_of(hub.editing.delete(caller, "den", [second.message_id]))
    result_of(hub.editing.edit(caller, "den", third.message_id, Change(text="changed")))
    poster.held = False
    poster.answer()
    said = [each.told["data"].get("message", {}).get("text") for each in poster.sent]
    assert [each for each in said if each] == ["on its way", "changed"]
    assert first.text == "on its way"


def test_what_fails_is_told_without_its_text(hub: Kit, poster: PlayedPoster) -> None:
    ann = people(hub)
    hub.remark(ann, "Anybody?", request_id="r1", room="den")
    created, failed = (each.told for each in poster.sent)
    assert (created["type"], failed["type"]) == ("message.created", "request.failed")
    about = failed["data"]
    assert about["messageId"] == created["data"]["message"]["messageId"]
    assert (about["room"], about["requestId"], about["identity"], about["state"]) == ("den", "r1", "ann", "failed")
    assert about["reason"]
    assert "Anybody" not in str(failed)


def test_an_answer_that_failed_is_no_response(hub: Kit, poster: PlayedPoster) -> None:
    hub.extension()
    ann = people(hub)
    hub.submit(ann, "Is it?", "r1", room="den")
    hub.token("Ye", "o1", request_id="r1")
    hub.streams.failed(Said("SillyTavern-8000", "", "o1", "r1"), "No model.", None)
    hub.clock.advance(600)
    assert poster.events == ["message.created", "request.failed"]


def test_what_was_asked_when_the_hub_died_has_failed(make_kit: MakeKit, poster: PlayedPoster) -> None:
    before = make_kit()
    before.extension()
    ann = people(before)
    before.submit(ann, "Is it?", "r1", room="den")
    after = make_kit(with_stores_of=before, poster=poster, webhooks=(webhook(events="request.failed"),))
    after.talk.webhooks.start()
    (sent,) = poster.sent
    assert (sent.told["data"]["requestId"], sent.told["data"]["reason"]) == ("r1", "The server was restarted.")


def test_who_comes_and_goes(make_kit: MakeKit, poster: PlayedPoster) -> None:
    hub = make_kit(poster=poster, webhooks=(webhook(rooms=(), events=EVENTS[3:]),))
    hub.talk.webhooks.start()
    hub.connect("ann", name="Anna")
    hub.disconnect_all("ann")
    hub.clock.advance(999)
    came, went = (each.told for each in poster.sent)
    assert (came["type"], went["type"]) == ("session.connected", "session.disconnected")
    assert (came["data"]["identity"], came["data"]["type"], went["data"]["clientId"]) == ("ann", "web-app", "ann")


def test_without_texts(make_kit: MakeKit, poster: PlayedPoster) -> None:
    hub = make_kit(poster=poster, webhooks=(webhook(with_texts=False),))
    hub.talk.webhooks.start()
    hub.remark(people(hub), "Only that, not what", room="den")
    (sent,) = poster.sent
    assert (sent.told["data"]["message"]["text"], sent.told["data"]["message"]["identity"]) == ("", "ann")
    assert b"Only" not in sent.body


def test_what_the_hub_notes_by_itself_is_told_nobody(hub: Kit, poster: PlayedPoster) -> None:
    people(hub)
    hub.set_role("den", "ann", Role.MASTER)
    hub.history.note("den", "[System] hello")
    assert (poster.sent, len(hub.stored("den")) > 0) == ([], True)


def test_a_full_queue_leaves_out_what_comes_then(make_kit: MakeKit, poster: PlayedPoster) -> None:
    poster.held = True
    hub = make_kit(poster=poster, webhooks=(webhook(max_queue=2), webhook("other")))
    bot, other = hub.talk.webhooks.lines
    hub.talk.webhooks.start()
    ann = people(hub)
    with Logged() as log:
        for number in range(4):
            hub.remark(ann, f"number {number}", room="den")
    assert (bot.length, bot.outcomes[LEFT_OUT], other.length, other.outcomes[LEFT_OUT]) == (2, 2, 4, 0)
    assert sum("further ones are left out" in line for line in log()) == 1
    assert len(hub.stored("den")) >= 4  # the room has them all


def test_one_that_wants_no_more_gets_no_queue(hub: Kit, poster: PlayedPoster) -> None:
    poster.answers = [Replied(410)]
    ann = people(hub)
    hub.remark(ann, "one", room="den")
    waiting = len(hub.room_store.waiting())
    hub.remark(ann, "two", room="den")
    assert (len(poster.sent), len(hub.room_store.waiting())) == (1, waiting)


def test_an_answer_that_has_grown_is_told_again(hub: Kit, poster: PlayedPoster) -> None:
    hub.extension()
    ann = people(hub)
    hub.submit(ann, "Go", "r1", room="den")
    answers(hub, "One", "r1", "o1")
    (answer,) = hub.responses("den")
    hub.submit(ann, "", "r2", room="den", request_type="continue", message_id=answer.message_id)
    answers(hub, " two", "r2", "o2")
    assert poster.events == ["message.created", "response.completed", "response.completed"]
    assert poster.sent[-1].told["data"]["message"]["text"] == "One two"
