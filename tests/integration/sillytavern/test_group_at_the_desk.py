"""A group answers its room while somebody at the desk of a real SillyTavern closes, sends, continues or stops.

Between two members SillyTavern unlocks its page; a test holds it there by the ping that comes before each of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from asking import end_of
from desk import Desk
from fake_model import FakeModel, Script
from harness import Hub
from linked import HALF_TYPED, Linked, untouched
from tavern import SillyTavern

NIGHTLY = bool(os.environ.get("NEWAGE_NIGHTLY"))
NEW_GROUP_CHAT = """async () => {
    const [script, groups] = [await import('/script.js'), await import('/scripts/group-chats.js')];
    await groups.openGroupById('Both');
    await script.doNewChat();
}"""
PING = "api/ping"
CLICKS = """(ids) => {
    for (const id of ids) document.getElementById(id).click();
}"""
STOPS = "() => document.getElementById('mes_stop').click()"
SPEAKS = "() => document.querySelector('#rm_group_members .group_member [data-action=speak]').click()"
ONE, TWO = Script(tokens=("one ", "is ", "here"), held_after=1), Script(tokens=("two ", "is ", "here"))
CLOSED = "The chat was closed in SillyTavern in the middle of the answer."


@pytest.fixture
def both(served: tuple[Hub, Desk], tavern: SillyTavern) -> Iterator[Linked]:
    """In a new chat of a group, with something half typed."""
    hub, desk = served
    desk.at_rest()
    desk.run(NEW_GROUP_CHAT)
    desk.wait_context("context.groupId === 'Both' && context.chat.length === 2")
    desk.fill("#send_textarea", HALF_TYPED)
    yield Linked(hub, desk, tavern)
    desk.let_go()


def over(both: Linked, request_id: str, status: str) -> None:
    both.who.wait("REQUEST_STATUS_UPDATE", lambda body: (body["requestId"], body["status"]) == (request_id, status))


def ends(both: Linked, request_id: str, count: int) -> list[tuple[str, str, bool]]:
    """Who has said what, and whether it broke; so many at least are waited for."""
    end_of(both.who, request_id, count)
    found = both.who.payloads("SERVER_STREAM_END", lambda body: body["requestId"] == request_id)
    return [(end["character"]["name"], end["data"].strip(), end["failed"]) for end in found]


def between(both: Linked, model: FakeModel) -> str:
    """It is asked, the first member has answered, and the second one is about to be asked."""
    model.answers(ONE, TWO)
    asked = both.begun("Who is there?")
    both.desk.hold(PING)
    model.release()
    both.desk.wait_held()
    return asked


def goes_on(both: Linked, model: FakeModel) -> None:
    """The next question is answered by both, once."""
    model.reset()
    model.answers(Script(tokens=("next",)))
    asked = both.ask("And now?")
    over(both, asked, "completed")
    assert ends(both, asked, 2) == [("Ann", "next", False), ("Bob", "next", False)]
    assert both.shown[-3:] == [(both.room, "And now?"), ("Ann", "next"), ("Bob", "next")]


def test_between_two_members_the_desk_is_locked_and_who_is_made_to_speak_waits(both: Linked, model: FakeModel) -> None:
    both.desk.fill("#send_textarea", "")  # SillyTavern's own way says what stands there
    asked = between(both, model)
    first = end_of(both.who, asked)
    assert (first["data"], first["failed"]) == ("one is here", False)  # it is whole before the next one has said a word
    both.desk.run(CLICKS, ["option_close_chat", "option_regenerate", "option_continue", "send_but"])
    model.answers(Script(tokens=("I was told to",)), to="two is here")
    both.desk.run(SPEAKS)
    both.desk.let_go()
    over(both, asked, "completed")
    assert ends(both, asked, 2) == [("Ann", "one is here", False), ("Bob", "two is here", False)]
    both.desk.wait_text("I was told to")
    both.desk.at_rest()
    texts = [text for _, text in both.shown[2:]]
    assert texts == ["Who is there?", "one is here", "two is here", "I was told to"]
    assert [one["message"] for one in both.history][:3] == ["Who is there?", "one is here", "two is here"]
    assert len(model.requests) == 3
    goes_on(both, model)


def test_stopped_between_two_members_it_ends_with_what_was_said(both: Linked, model: FakeModel) -> None:
    asked = between(both, model)
    both.desk.run(STOPS)
    both.desk.let_go()
    over(both, asked, "completed")
    assert ends(both, asked, 1) == [("Ann", "one is here", False)]
    assert both.shown[2:] == [(both.room, "Who is there?"), ("Ann", "one is here")]
    assert [one["message"] for one in both.history] == ["Who is there?", "one is here"]
    assert untouched(both, model)
    goes_on(both, model)


CLOSES: dict[str, str] = {
    "begins another chat": "import('/script.js').then((it) => it.doNewChat())",
    "deletes the chat": "context.executeSlashCommandsWithOptions('/delchat')",
}


@pytest.mark.parametrize("member", [1, 2] if NIGHTLY else [2])
@pytest.mark.parametrize("what", CLOSES if NIGHTLY else ["begins another chat"])
def test_closed_while_a_member_speaks_what_was_whole_is_kept_and_the_rest_fails_in_words(
    both: Linked, model: FakeModel, tavern: SillyTavern, what: str, member: int
) -> None:
    linked = both.desk.context("context.getCurrentChatId()")
    chats = {path: path.read_bytes() for path in (tavern.user / "chats").glob("*/*.jsonl")}
    scripts = [Script(tokens=("one ", "is ", "here")), Script(tokens=("two ", "is ", "here"))]
    scripts[member - 1] = Script(tokens=scripts[member - 1].tokens, held_after=1)
    model.answers(*scripts)
    asked = both.ask("Who is there?")
    both.who.wait("SERVER_STREAM_DATA", lambda body: body["data"].startswith(["one", "two"][member - 1]))
    both.desk.context(CLOSES[what])
    over(both, asked, "failed")
    model.wait_idle()
    assert both.who.payload("ERROR")["message"] == CLOSED
    whole: list[tuple[str, str, bool]] = [("Ann", "one is here", False)]
    assert ends(both, asked, member) == [
        *whole[: member - 1],
        (["Ann", "Bob"][member - 1], ["one", "two"][member - 1], True),
    ]
    assert {path: path.read_bytes() for path in chats} == chats
    shown = both.desk.texts
    assert "Who is there?" not in shown
    assert untouched(both, model)
    if what == "begins another chat":
        both.desk.at_rest()
        both.desk.context("context.openGroupChat('Both', given)", linked)
        goes_on(both, model)
    else:
        both.desk.wait_context("!context.extensionSettings.newage.link")


if NIGHTLY:

    @pytest.mark.parametrize("member", [1, 2])
    def test_nothing_that_is_clicked_while_a_member_speaks_changes_its_answer(
        both: Linked, model: FakeModel, member: int
    ) -> None:
        scripts: list[Any] = (
            [ONE, TWO] if member == 1 else [Script(tokens=ONE.tokens), Script(TWO.tokens, held_after=1)]
        )
        model.answers(*scripts)
        asked = both.ask("Who is there?")
        both.who.wait("SERVER_STREAM_DATA", lambda body: body["data"].startswith(["one", "two"][member - 1]))
        both.desk.run(CLICKS, ["option_close_chat", "option_regenerate", "option_continue", "send_but"])
        both.desk.context("void context.swipe?.right?.(null, {})")
        both.desk.context("void context.executeSlashCommandsWithOptions('/closechat')")
        both.desk.context("void context.selectCharacterById(context.characters.findIndex((one) => one.name === 'Bob'))")
        model.release()
        over(both, asked, "completed")
        assert ends(both, asked, 2) == [("Ann", "one is here", False), ("Bob", "two is here", False)]
        assert [text for _, text in both.shown[2:]] == ["Who is there?", "one is here", "two is here"]
        assert untouched(both, model)
        goes_on(both, model)

    @pytest.mark.parametrize("member", [1, 2])
    def test_stopped_while_a_member_speaks_it_ends_there(both: Linked, model: FakeModel, member: int) -> None:
        scripts: list[Any] = (
            [ONE, TWO] if member == 1 else [Script(tokens=ONE.tokens), Script(TWO.tokens, held_after=1)]
        )
        model.answers(*scripts)
        asked = both.ask("Who is there?")
        both.who.wait("SERVER_STREAM_DATA", lambda body: body["data"].startswith(["one", "two"][member - 1]))
        both.desk.stop()
        over(both, asked, "completed")
        said = [("Ann", "one is here", False), ("Bob", "two", False)] if member == 2 else [("Ann", "one", False)]
        assert ends(both, asked, member) == said
        assert [text.strip() for _, text in both.shown[2:]] == ["Who is there?", *(text for _, text, _ in said)]
        assert untouched(both, model)
        goes_on(both, model)
