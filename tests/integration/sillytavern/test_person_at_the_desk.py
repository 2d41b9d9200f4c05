"""The person at the desk of a real SillyTavern is not disturbed by what is answered there, whatever he does."""

from __future__ import annotations

import os
from typing import Any

import pytest
from asking import end_of
from desk import Desk
from fake_model import FakeModel, Script
from harness import Hub
from linked import HALF_TYPED, Linked, new_chat, untouched
from tavern import SillyTavern

LONG = "many words " * 300
# Reading above, with an earlier message half edited and a question of SillyTavern's open.
AT_WORK = """() => {
    document.querySelector('#chat .mes[mesid="1"] .mes_edit').click();
    document.querySelector('#curEditTextarea').value = 'half edited';
    void SillyTavern.getContext().Popup.show.confirm('Really?', 'It waits');
    document.getElementById('chat').scrollTop = 0;
}"""
STILL_AT_WORK = """() => [
    document.querySelector('#chat .mes[mesid="1"] .edit_textarea')?.value,
    document.querySelectorAll('dialog[open]').length,
    document.getElementById('chat').scrollTop,
]"""
AT_THE_END = """() => {
    const chat = document.getElementById('chat');
    return chat.scrollTop + chat.clientHeight > chat.scrollHeight - 5;
}"""
LET_GO = """() => {
    document.querySelector('dialog[open] .popup-button-cancel').click();
    document.querySelector('#chat .mes[mesid="1"] .mes_edit_cancel').click();
    const chat = document.getElementById('chat');
    chat.scrollTo(0, chat.scrollHeight);
}"""


def test_who_reads_and_edits_above_is_disturbed_by_no_kind_of_answer(ann: Linked, model: FakeModel) -> None:
    desk = ann.desk
    model.answers(Script(tokens=(LONG,)))
    ann.answered(LONG)
    desk.run(AT_WORK)
    desk.wait("() => document.querySelector('dialog[open]')")

    def disturbed() -> Any:
        now = desk.run(STILL_AT_WORK)
        return now if now != ["half edited", 1, 0] else not untouched(ann, model)

    model.answers(*(Script(tokens=(f"{word} ", LONG), gap=0.02) for word in ("first", "second", "third", "fourth")))
    assert ann.answered("Which?")["data"].startswith("first")
    assert not disturbed()
    question = ann.history[-2]["messageId"]
    assert ann.answered(requestType="regenerateMessage", messageId=question)["data"].startswith("second")
    assert not disturbed()
    assert ann.answered(action="swipe", messageId=question)["data"].startswith("third")
    assert not disturbed()
    assert "fourth" in ann.answered(action="continue", messageId=question)["data"]
    assert not disturbed()
    model.answers(Script(tokens=("begun ", "never"), held_after=1))
    begun = ann.begun("And on?")
    assert ann.who.call("CANCEL_REQUEST", {"requestId": begun})["status"] == "ok"
    model.wait_idle()
    assert ann.who.call("CHAT_SNAPSHOT", {"roomName": ann.room})["status"] == "ok"
    assert not disturbed()
    desk.run(LET_GO)
    model.answers(Script(tokens=("The end ", LONG)))
    ann.answered("Follow it?")
    desk.wait(AT_THE_END)


WHOLE = ("begun and ended.", False)
BROKEN = ("begun", True)
CLOSED = "The chat was closed in SillyTavern in the middle of the answer."
DELETED = "The answer was deleted in SillyTavern in the middle."
Middle = tuple[str, tuple[str, bool], str]
MIDDLES: dict[str, Middle] = {
    "opens the chat of before": ("context.openCharacterChat(given)", BROKEN, CLOSED),
    "deletes the question": ("context.executeSlashCommandsWithOptions('/cut ' + (context.chat.length - 2))", WHOLE, ""),
}
OTHERS: dict[str, Middle] = {
    "begins another chat": ("import('/script.js').then((it) => it.doNewChat())", BROKEN, CLOSED),
    "deletes the answer": ("import('/script.js').then((it) => it.deleteLastMessage())", BROKEN, DELETED),
    # SillyTavern does nothing of the kind while it generates
    "chooses another character": (
        "context.selectCharacterById(context.characters.findIndex((one) => one.name === 'Bob'))",
        WHOLE,
        "",
    ),
}
if os.environ.get("NEWAGE_NIGHTLY"):
    MIDDLES |= OTHERS


@pytest.mark.parametrize("what", MIDDLES)
def test_what_the_person_does_in_the_middle_of_an_answer_harms_no_chat_and_is_told_in_words(
    served: tuple[Hub, Desk], tavern: SillyTavern, model: FakeModel, what: str
) -> None:
    hub, desk = served
    deed, (text, failed), words = MIDDLES[what]
    new_chat(desk, "Ann")
    model.answers(Script(tokens=("private answer",)))
    desk.say("private words")
    desk.wait_text("private answer")
    desk.at_rest()
    desk.context("context.saveChat()")  # its own comes a moment after it is idle, and may find the next chat
    before = desk.context("context.getCurrentChatId()")
    new_chat(desk, "Ann")
    desk.fill("#send_textarea", HALF_TYPED)
    ann = Linked(hub, desk, tavern)
    model.answers(Script(tokens=("begun ", "and ", "ended."), held_after=1))
    asked = ann.begun("Go on")
    desk.context(deed, before)
    model.release()
    end = end_of(ann.who, asked)
    assert (end["data"].strip(), end["failed"]) == (text, failed)
    model.wait_idle()
    if words:
        assert ann.who.payload("ERROR")["message"] == words
    else:
        desk.wait_text(text)
    assert untouched(ann, model)
    private = tavern.read_chat(tavern.user / "chats" / "Ann" / f"{before}.jsonl")
    assert [one["mes"] for one in private][1:] == ["private words", "private answer"]
    if desk.context("context.getCurrentChatId()") == before:
        assert desk.texts[1:] == ["private words", "private answer"]
    assert "private" not in str([record.args for record in ann.who.records])
