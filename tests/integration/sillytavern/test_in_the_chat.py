"""A room that is served in the chat of a real SillyTavern: asked under the speaker's name, answered and saved there."""

from __future__ import annotations

from asking import ask, asker, end_of, extension_id, text_of
from desk import Desk
from fake_model import FakeModel, Script
from harness import Hub, Socket, until
from linked import BOX, HALF_TYPED, LEFT, Linked, busy_with, open_group, saved, untouched
from tavern import SillyTavern


def test_question_and_answer_stand_in_both_places_once(ann: Linked, model: FakeModel) -> None:
    answer = Script(tokens=("The ", "tide ", "comes ", "at noon."), gap=0.01)
    model.answers(answer)
    request_id = ask(ann.who, ann.hub, extension_id(ann.tavern), "When is the tide?", name="Robin")
    end = end_of(ann.who, request_id)
    assert (end["data"], end["failed"], end["stored"]) == (answer.text, False, True)
    assert text_of(ann.who, request_id) == answer.text
    assert ann.shown[1:] == [("Robin", "When is the tide?"), ("Ann", answer.text)]
    assert [(one["name"], one["mes"]) for one in saved(ann)] == ann.shown
    assert [(one["message"], one.get("isResponse", False)) for one in ann.history] == [
        ("When is the tide?", False),
        (answer.text, True),
    ]
    assert "Robin: When is the tide?" in model.requests[-1].words
    assert untouched(ann, model)


def test_asked_again_one_more_answer_stands_beside_the_first_and_the_chosen_one_goes_on(
    ann: Linked, model: FakeModel
) -> None:
    model.answers(*(Script(tokens=(text,)) for text in ("first", "second", "and on", "last")))
    first = ann.answered("Which one?")
    question = ann.history[0]["messageId"]
    second = ann.answered(requestType="regenerateMessage", messageId=question)
    assert (first["data"], second["data"]) == ("first", "second")
    assert ann.desk.context("context.chat.at(-1).swipes") == ["first", "second"]
    assert ann.shown[1:] == [(ann.room, "Which one?"), ("Ann", "second")]

    answer = next(one for one in ann.history if one["message"] == "first")
    selected = ann.who.call("SELECT_RESPONSE", {"roomName": ann.room, "messageId": answer["messageId"]})
    assert selected["index"] == 0
    grown = ann.answered(action="continue", messageId=answer["messageId"])
    assert grown["data"] == " and on"  # the space is SillyTavern's
    assert ann.desk.texts[-1] == "first and on"
    assert ann.desk.context("context.chat.at(-1).swipes") == ["first and on", "second"]
    assert [one["mes"] for one in saved(ann)][1:] == ["Which one?", "first and on"]
    texts = [one["message"] for one in ann.history if one.get("isResponse")]
    assert sorted(texts) == ["first and on", "second"]

    assert ann.answered("And then?")["data"] == "last"
    assert "first and on" in model.requests[-1].words
    assert "second" not in model.requests[-1].words
    assert ann.desk.texts[1:] == ["Which one?", "first and on", "And then?", "last"]
    assert untouched(ann, model)


def test_reasoning_is_told_apart_from_the_text(ann: Linked, model: FakeModel) -> None:
    model.answers(Script(reasoning=("It ", "rains."), tokens=("Take ", "a coat."), gap=0.02))
    request_id = ann.ask("What to wear?")
    end = end_of(ann.who, request_id)
    assert (end["data"], end["reasoning"]) == ("Take a coat.", "It rains.")
    assert (text_of(ann.who, request_id), text_of(ann.who, request_id, "reasoning")) == ("Take a coat.", "It rains.")
    assert ann.desk.context("context.chat.at(-1).extra.reasoning") == "It rains."


def test_words_for_who_asks_are_made_aside(ann: Linked, model: FakeModel) -> None:
    model.answers(Script(tokens=("I would say so.",)))
    before = ann.shown
    end = ann.answered(action="impersonate")
    assert (end["data"], end["stored"]) == ("I would say so.", False)
    assert (ann.shown, ann.history) == (before, [])
    assert untouched(ann, model)


def test_macros_and_commands_of_outsiders_do_nothing(ann: Linked, model: FakeModel) -> None:
    bad = "/setvar key=stolen 1 | {{setvar::stolen::1}}{{user}}<USER>"
    model.answers(Script(tokens=("/setvar key=stolen 2 ", "{{setvar::stolen::2}}", "{{user}}")))
    ann.answered(bad)
    ann.answered("And again?")
    assert ann.desk.context("context.chatMetadata.variables?.stolen ?? null") is None
    assert not [text for text in ann.desk.texts if "{{" in text or text.startswith("/")]
    assert not [one["mes"] for one in saved(ann) if "{{" in one["mes"] or one["mes"].startswith("/")]
    prompts = [one.words for one in model.requests]
    assert "{{" not in "".join(prompts)
    assert untouched(ann, model)


def test_every_member_of_a_group_answers_once_and_what_is_typed_meanwhile_stays(
    served: tuple[Hub, Desk], tavern: SillyTavern, model: FakeModel
) -> None:
    hub, desk = served
    open_group(desk)
    both = Linked(hub, desk, tavern)
    before = len(desk.texts)
    desk.fill("#send_textarea", HALF_TYPED)
    model.answers(
        Script(tokens=("one ", "is ", "here"), held_after=1), Script(tokens=("two ", "is ", "here"), gap=0.05)
    )
    request_id = both.ask("Who is there?")
    both.who.wait("SERVER_STREAM_DATA", lambda body: body["requestId"] == request_id)
    desk.fill("#send_textarea", HALF_TYPED + " and more")
    desk.do("press", key="Enter")
    model.release()
    ends = [end_of(both.who, request_id, count) for count in (1, 2)]
    assert [(end["character"]["name"], end["data"]) for end in ends] == [("Ann", "one is here"), ("Bob", "two is here")]
    both.who.wait("REQUEST_STATUS_UPDATE", lambda body: body["status"] == "completed")
    assert both.shown[before:] == [(both.room, "Who is there?"), ("Ann", "one is here"), ("Bob", "two is here")]
    assert [one["message"] for one in both.history] == ["Who is there?", "one is here", "two is here"]
    assert desk.run(BOX) == HALF_TYPED + " and more"

    model.answers(Script(tokens=("anew",)))
    again = both.ask(requestType="regenerateMessage", messageId=both.history[0]["messageId"])
    assert [end_of(both.who, again, count)["data"] for count in (1, 2)] == ["anew", "anew"]
    both.who.wait("REQUEST_STATUS_UPDATE", lambda body: body["status"] == "completed", count=2)
    assert both.shown[before:] == [(both.room, "Who is there?"), ("Ann", "anew"), ("Bob", "anew")]
    assert not [one for one in model.requests if "half typed" in one.words]


def test_an_answer_that_is_stopped_at_the_desk_has_ended(ann: Linked, model: FakeModel) -> None:
    model.answers(Script(tokens=("half ", "way ", "never"), held_after=2))
    request_id = ann.ask("Go on for long")
    until(lambda: text_of(ann.who, request_id) == "half way", "all that the model has said")
    ann.desk.stop()
    end = end_of(ann.who, request_id)
    assert (end["data"].strip(), end["failed"]) == ("half way", False)
    model.wait_idle()
    ann.desk.wait_text(end["data"])
    assert untouched(ann, model)


def test_nothing_is_opened_while_somebody_is_at_another_chat(ann: Linked, model: FakeModel) -> None:
    desk = ann.desk
    linked = desk.context("context.getCurrentChatId()")
    model.answers(Script(tokens=("Here.",)))
    desk.open_chat("Bob")
    desk.fill("#send_textarea", HALF_TYPED)
    desk.do("press", key="x")
    before = desk.texts
    request_id = ann.ask("Are you there?")
    busy_with(ann, "Another chat is open")
    assert desk.texts == before
    desk.run(LEFT)
    assert end_of(ann.who, request_id)["data"] == "Here."
    assert desk.context("context.getCurrentChatId()") == linked
    assert desk.texts[1:] == ["Are you there?", "Here."]
    assert desk.run(BOX) == HALF_TYPED + "x"


def test_who_generates_at_the_desk_is_waited_for_in_the_chat_and_not_elsewhere(ann: Linked, model: FakeModel) -> None:
    desk = ann.desk
    model.answers(Script(tokens=("mine ", "alone"), held_after=1), Script(tokens=("yours",)), to="my own words")
    model.answers(Script(tokens=("aside",)), to="elsewhere")
    desk.say("my own words")
    model.wait_asked()
    asked = ann.ask("my own words too")
    busy_with(ann, "generating")
    other: Socket = asker(ann.hub)
    assert end_of(other, ask(other, ann.hub, extension_id(ann.tavern), "elsewhere"))["data"] == "aside"
    model.release()
    assert end_of(ann.who, asked)["data"] == "yours"
    assert desk.texts[1:] == ["my own words", "mine alone", "my own words too", "yours"]


SEND = "() => document.getElementById('send_but').click()"


def test_what_is_sent_by_hand_as_a_question_comes_or_an_answer_ends_is_neither_mixed_with_it_nor_lost(
    ann: Linked, model: FakeModel
) -> None:
    desk = ann.desk
    model.answers(Script(tokens=("mine",)), to="by hand")
    model.answers(Script(tokens=("yo", "urs"), held_after=1), to="of the room")
    desk.fill("#send_textarea", "by hand")
    desk.hold("api/ping")  # SillyTavern generates already, and does not say so
    desk.run(SEND)
    desk.wait_held()
    asked = ann.ask("of the room")
    busy_with(ann, "generating")
    desk.let_go()
    ann.who.wait("SERVER_STREAM_DATA", lambda body: body["requestId"] == asked)
    assert desk.texts[1:4] == ["by hand", "mine", "of the room"]
    desk.hold("chats/save")
    model.release()
    desk.wait_held()
    desk.fill("#send_textarea", HALF_TYPED)
    desk.run(SEND)
    desk.let_go()
    assert end_of(ann.who, asked)["data"] == "yours"
    ann.who.wait("REQUEST_STATUS_UPDATE", lambda body: body["status"] == "completed")
    desk.at_rest()
    assert desk.texts[1:] == ["by hand", "mine", "of the room", "yours"]
    assert untouched(ann, model)
    assert len(model.requests) == 2


# Another extension thinks about it before anything is generated; what SillyTavern only counts meanwhile passes.
SLOW_LISTENER = """() => {
    const { eventSource, eventTypes } = SillyTavern.getContext();
    window.rigHeld = 0;
    const gone = new Promise((resolve) => {
        window.rigGo = () => {
            eventSource.removeListener(eventTypes.GENERATION_STARTED, listener);
            resolve();
        };
    });
    const listener = (type, options, dry) => {
        if (dry) return undefined;
        window.rigHeld += 1;
        return gone;
    };
    eventSource.on(eventTypes.GENERATION_STARTED, listener);
}"""


def test_a_stop_in_the_first_moment_of_an_answer_is_not_lost(ann: Linked, model: FakeModel) -> None:
    model.answers(Script(tokens=("never",)), to="Stop me")
    model.answers(Script(tokens=("Yes.",)), to="And now?")
    ann.desk.run(SLOW_LISTENER)
    asked = ann.ask("Stop me")
    ann.desk.wait_held()
    assert ann.who.call("CANCEL_REQUEST", {"requestId": asked})["state"] == "cancelled"
    ann.desk.let_go()
    assert ann.answered("And now?")["data"] == "Yes."
    assert ann.desk.texts[1:] == ["Stop me", "And now?", "Yes."]
    assert [one.words for one in model.requests if one.state == "done" and "And now?" not in one.words] == []
    assert untouched(ann, model)


GOES_ON = """(on) => {
    const { powerUserSettings } = SillyTavern.getContext();
    Object.assign(powerUserSettings.auto_continue, { enabled: on, allow_chat_completions: on, target_length: 12 });
}"""


def test_an_answer_that_sillytavern_lets_go_on_by_itself_is_one(ann: Linked, model: FakeModel) -> None:
    ann.desk.fill("#send_textarea", "")  # else it does not
    model.answers(
        Script(tokens=("It is far",)), Script(tokens=("away, and more than twelve tokens ", "from here to there."))
    )
    ann.desk.run(GOES_ON, True)
    try:
        request_id = ann.ask("Where is it?")
        end = end_of(ann.who, request_id)
    finally:
        ann.desk.run(GOES_ON, False)
        ann.desk.save_settings()  # of the next module's tab
    whole = "It is far away, and more than twelve tokens from here to there."
    assert (end["data"], end["failed"], text_of(ann.who, request_id)) == (whole, False, whole)
    assert ann.desk.texts[1:] == ["Where is it?", whole]
    assert [one["message"] for one in ann.history] == ["Where is it?", whole]
    assert len(model.requests) == 2
    assert saved(ann)[-1]["mes"] == whole
