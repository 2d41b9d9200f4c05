"""Rooms that are answered aside by a real SillyTavern: each from its own words, by both APIs (contract 16.1, B17)."""

from __future__ import annotations

import os

import pytest
from asking import ask, asker, end_of, extension_id, newcomer, text_of
from desk import Desk
from fake_model import FakeModel, Script
from harness import Hub, Socket
from linked import HALF_TYPED, Linked, new_chat, untouched
from model_api import CHAT_COMPLETION, TEXT_COMPLETION, model_api
from tavern import SillyTavern

NIGHTLY = bool(os.environ.get("NEWAGE_NIGHTLY"))
APIS = [CHAT_COMPLETION, TEXT_COMPLETION]
HARBOUR, LANTERN = "The harbour is closed.", "The lantern is green."


def test_two_rooms_aside_and_one_in_the_chat_have_card_book_and_history_and_nothing_of_each_other(
    served: tuple[Hub, Desk], tavern: SillyTavern, model: FakeModel
) -> None:
    hub, desk = served
    new_chat(desk, "Ann")
    model.answers(Script(tokens=("chat answer one",)))
    desk.say("desk says lantern")
    desk.wait_text("chat answer one")
    desk.at_rest()
    desk.fill("#send_textarea", HALF_TYPED)
    chat = Linked(hub, desk, tavern)
    rooms = {"red": asker(hub), "blue": asker(hub)}
    places = {"red": "harbour", "blue": "lantern"}

    def asks(name: str, words: str) -> str:
        return ask(rooms[name], hub, extension_id(tavern), words, character="Cara.png")

    for name, who in rooms.items():
        model.answers(Script(tokens=(f"{name} answer one",)), to=f"{name} question one")
        end_of(who, asks(name, f"{name} question one, of the {places[name]}"))
    for words in ("red question two", "blue question two", "chat question two"):
        model.answers(Script(tokens=(words.replace("question", "answer"), "."), held_after=1), to=words)
    begun = len(model.requests)
    ids = {name: asks(name, f"{name} question two, of the {places[name]}") for name in rooms}
    asked = chat.begun("chat question two")
    model.wait(lambda all_: sum(one.sent for one in all_[begun:]) == 3, "three answers at once")
    assert model.busy == 3
    model.release()
    assert end_of(chat.who, asked)["data"] == "chat answer two."
    for name, who in rooms.items():
        end = end_of(who, ids[name])
        assert (end["data"], end["character"]["name"]) == (f"{name} answer two.", "Cara")

    prompts = {
        name: next(one for one in model.requests if f"{name} question two" in one.words) for name in (*rooms, "chat")
    }
    card = {"red": "Cara is brief.", "blue": "Cara is brief.", "chat": "Ann is brief."}
    for name, prompt in prompts.items():
        mine = [card[name], f"{name} answer one", f"{name} question two"]
        mine += {"red": [HARBOUR, "red question one"], "blue": [LANTERN, "blue question one"]}.get(name, [])
        assert [words for words in mine if words not in prompt.words] == []
        others = [f"{other} {what}" for other in prompts if other != name for what in ("question", "answer")]
        others += {"red": [LANTERN, "desk says"], "blue": [HARBOUR, "desk says"]}.get(name, [HARBOUR, LANTERN])
        assert [words for words in others if words in prompt.raw] == [], name
    assert untouched(chat, model)


def history(who: Socket) -> list[str]:
    return [one["message"] for one in who.call("GET_MESSAGES", {})["messages"]]


@pytest.mark.parametrize("api", APIS)
def test_asked_again_swiped_and_continued_aside_each_answer_is_in_its_place_once(
    served: tuple[Hub, Desk], tavern: SillyTavern, model: FakeModel, api: str
) -> None:
    hub, desk = served
    shown = desk.texts
    target = extension_id(tavern)
    with model_api(api, desk, model):
        me, who = newcomer(hub)
        reasoning = ("It ", "depends.") if api == CHAT_COMPLETION else ()
        first = Script(reasoning=reasoning, tokens=("the ", "first"), gap=0.01)
        model.answers(first, *(Script(tokens=(text,)) for text in ("the second", "the third", " and on", "the last")))

        def answer(words: str | None = None, **more: object) -> str:
            request_id = ask(who, hub, target, words, **more)
            end = end_of(who, request_id)
            assert end["data"] == text_of(who, request_id)
            assert end["failed"] is False
            if words == "Which one?":
                assert end.get("reasoning") or "" == "".join(reasoning) == text_of(who, request_id, "reasoning")
            found: str = end["data"]
            return found

        assert answer("Which one?") == "the first"
        question = who.call("GET_MESSAGES", {})["messages"][0]["messageId"]
        assert answer(requestType="regenerateMessage", messageId=question) == "the second"
        assert answer(action="swipe", messageId=question) == "the third"
        for prompt in model.requests[1:3]:
            assert "Which one?" in prompt.words
            assert "the first" not in prompt.words and "the second" not in prompt.words
        stored = who.call("GET_MESSAGES", {})["messages"]
        chosen = next(one["messageId"] for one in stored if one["message"] == "the first")
        assert who.call("SELECT_RESPONSE", {"roomName": me, "messageId": chosen})["index"] == 0
        assert answer(action="continue", messageId=chosen).strip() == "and on"
        assert (
            model.requests[3].words.rstrip().rpartition("the first")[1] and "the third" not in model.requests[3].words
        )
        assert history(who) == ["Which one?", "the first and on", "the second", "the third"]

        assert answer("And then?") == "the last"
        assert "the first and on" in model.requests[4].words
        assert "the second" not in model.requests[4].words and "the third" not in model.requests[4].words
        assert sum(one.words.count("Which one?") for one in model.requests) == 5
    assert desk.texts == shown
