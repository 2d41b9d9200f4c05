"""Receivers outside that fail in every way: each event arrives, signed, under one id, also when the hub is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Daemon, Lines, Response, free_port, new_key, until
from receiver import (
    SECRET,
    Answer,
    Receiver,
    closes,
    closes_in_the_middle,
    hangs,
    is_slow,
    says_more_than_anybody_reads,
    status,
)
from snippets import snippets

DOCUMENT = Path(__file__).parents[2] / "docs" / "webhooks.md"
QUICK = "retry_first_seconds = 0.05\nretry_most_seconds = 0.2\ntimeout_seconds = 1\n"
ROOMS = "[rooms]\nclients_may_create_rooms = true\n[requests]\nrequest_rate = 1000\n"


def table(name: str, url: str, more: str = "") -> str:
    return f'[webhook.{name}]\nurl = "{url}"\nsecret_file = "hook.secret"\nrooms = ["den"]\n{QUICK}{more}'


def configured(folder: Path, *tables: str) -> Daemon:
    (folder / "home").mkdir()
    secret = folder / "home" / "hook.secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    return Daemon.configured(folder, "[server]\ndemo = true\n" + ROOMS + "".join(tables))


class Bot:
    """Somebody with a key who talks over HTTP."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.key = new_key(daemon, "bot")

    def ask(self, path: str, body: Any = None, method: str = "") -> Response:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        return self.daemon.get(f"/api/v1{path}", headers, method or ("GET" if body is None else "POST"), data)

    def room(self, name: str) -> None:
        assert self.ask("/rooms", {"name": name}).status == 201
        assert self.ask(f"/rooms/{name}/mode", {"mode": "Conversational"}, "PUT").status == 200

    def say(self, text: str, room: str = "den") -> str:
        said = self.ask(f"/rooms/{room}/messages", {"text": text})
        assert said.status == 202, said.body
        return str(said.json()["messageId"])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    assert receiver.strange == []


FAILURES: dict[str, Answer] = {
    "an error": status(500),
    "it hangs": hangs,
    "a redirect": status(307, Location="/elsewhere"),
    "a redirect by GET": status(303, Location="/elsewhere"),
    "it asks for patience": status(429, Retry_After="1"),
    "it closes": closes,
    "it closes in the middle": closes_in_the_middle,
}


def test_each_event_arrives_whatever_the_receiver_does(tmp_path: Path, receiver: Receiver) -> None:
    with configured(tmp_path, table("bot", receiver.url)) as daemon:
        bot = Bot(daemon)
        bot.room("den")
        bot.say("while nobody listens")
        until(lambda: "does not run: the connection was refused" in daemon.output(), "a try in vain")
        with receiver.listening():
            receiver.wait("while nobody listens")
            for words, failure in FAILURES.items():
                receiver.plan = [failure]
                before = len(receiver.told)
                bot.say(words)
                receiver.wait(words)
                ids = [each.id for each in receiver.told[before:] if each.body["data"]["message"]["text"] == words]
                assert (len(ids), len(set(ids))) == (2, 1), words
            for words, strange in (("slow", is_slow), ("huge", says_more_than_anybody_reads)):
                receiver.plan = [strange]
                bot.say(words)
                receiver.wait(words)
            bot.say("the last")
            receiver.wait("the last")
        order = [each.text for each in receiver.taken]
        assert order == ["while nobody listens", *FAILURES, "slow", "huge", "the last"]
        assert SECRET not in daemon.output()


def test_each_event_arrives_though_the_hub_is_killed(tmp_path: Path, receiver: Receiver) -> None:
    """At least once, under one id; what was deleted, or said elsewhere, never (row 77)."""
    daemon = configured(tmp_path, table("bot", receiver.url))
    with daemon:
        bot = Bot(daemon)
        bot.room("den")
        bot.room("secret")
        bot.say("nobody's business", "secret")
        said = [f"number {number}" for number in range(5)]
        for text in said[:3]:
            bot.say(text)
        daemon.kill()
        daemon.start()
        for text in said[3:]:
            bot.say(text)
        receiver.plan = [hangs]
        with receiver.listening():
            until(lambda: receiver.told, "the first try")
            daemon.kill()
            daemon.start()
            receiver.wait(*said)
    assert [each.text for each in receiver.taken] == said
    by_text: dict[str, set[str]] = {}
    for each in receiver.told:
        by_text.setdefault(each.text, set()).add(each.id)
    assert {text: len(ids) for text, ids in by_text.items()} == dict.fromkeys(said, 1)


def test_one_that_wants_no_more_and_one_that_hangs_hold_up_nobody(tmp_path: Path, receiver: Receiver) -> None:
    gone, stuck = Receiver(), Receiver()
    gone.plan, stuck.plan = [status(410)], [hangs] * 99
    tables = [table(name, each.url) for name, each in (("gone", gone), ("stuck", stuck), ("bot", receiver))]
    with receiver.listening(), gone.listening(), stuck.listening(), configured(tmp_path, *tables) as daemon:
        bot = Bot(daemon)
        bot.room("den")
        said = [f"number {number}" for number in range(5)]
        for text in said:
            bot.say(text)
        receiver.wait(*said)
        until(lambda: stuck.told, "a try")
        assert {each.text for each in stuck.told} == {"number 0"}
        assert [each.text for each in gone.told] == ["number 0"]
        assert "it wants no more" in daemon.output()
        stuck.plan = []


def test_the_receiver_of_the_document(tmp_path: Path) -> None:
    ((program,),) = snippets(DOCUMENT, "python").values()
    port = free_port()
    environment = {**os.environ, "SECRET": SECRET, "PORT": str(port)}
    run = [sys.executable, "-u", "-c", program]
    with (
        configured(tmp_path, table("bot", f"http://127.0.0.1:{port}/hook")) as daemon,
        subprocess.Popen(run, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process,
    ):
        try:
            assert process.stdout is not None
            printed = Lines(process.stdout)
            bot = Bot(daemon)
            bot.room("den")
            bot.say("Is it signed?")
            until(lambda: any("Is it signed?" in line for line in printed.lines), "the receiver to say so")
        finally:
            process.kill()
