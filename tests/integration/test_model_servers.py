"""Rooms that a model server answers, with no SillyTavern there: the real daemon, a server that does as it is told."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from asking import ask, end_of, newcomer, text_of
from expect import of_request, wait_status
from fake_model import FakeModel, Script
from harness import CHECKOUT, Daemon, Driver, Hub, Response, daemon_environment, new_key, until

KEY = "sk-upstream-integration-0123456789"


@pytest.fixture(scope="module")
def model() -> Iterator[FakeModel]:
    with closing(FakeModel()) as model:
        yield model


@pytest.fixture(scope="module")
def spare() -> Iterator[FakeModel]:
    with closing(FakeModel()) as model:
        yield model


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, model: FakeModel, spare: FakeModel) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("upstreams")
    (folder / "home").mkdir()
    key = folder / "home" / "model.key"
    key.write_text(KEY + "\n")
    key.chmod(0o600)
    (folder / "card.json").write_text('{"name": "Guide", "description": "{{char}} knows {{user}}."}')
    home = ["--home", str(folder / "home")]
    run = [sys.executable, "-m", "newage.cli", *home, "character", "add", str(folder / "card.json")]
    added = subprocess.run(run, env=daemon_environment(), check=True, capture_output=True, text=True, timeout=60)
    assert added.stdout == "guide\n"
    settings = f"""
[server]
demo = true
[upstream.first]
url = "{model.url}"
model = "fake"
key_file = "model.key"
system_prompt = "You are brief."
options = {{ temperature = 0.5 }}
wait_seconds = 2
[upstream.second]
url = "{spare.url}"
local_keyless = true
pictures = true
character = "guide"
"""
    with Daemon.configured(folder, settings) as daemon:
        yield daemon


@pytest.fixture
def hub(served: Daemon, driver: Driver, model: FakeModel, spare: FakeModel) -> Iterator[Hub]:
    yield Hub(served, driver)
    driver.reset()
    for each in (model, spare):
        each.reset()
    served.check_log()
    assert "ClientFactory" not in served.output()


def error_of(who: Any, request_id: str) -> Any:
    return who.payload("ERROR", lambda body: body["requestId"] == request_id)


def test_a_room_is_answered(hub: Hub, model: FakeModel) -> None:
    model.answers(Script(reasoning=("They ", "greet."), tokens=("Hello", ", ", "you 🌍.")))
    name, who = newcomer(hub)
    request_id = ask(who, hub, None, "Who is there?")
    end = end_of(who, request_id)
    assert (text_of(who, request_id), text_of(who, request_id, "reasoning")) == ("Hello, you 🌍.", "They greet.")
    assert end["stored"] is True
    wait_status(who, request_id, "completed")
    asked = model.wait_asked()
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body["messages"] == [
        {"role": "system", "content": "You are brief."},
        {"role": "user", "content": "Who is there?"},
    ]
    assert (asked.body["model"], asked.body["stream"], asked.body["max_tokens"]) == ("fake", True, 1024)
    assert asked.body["temperature"] == 0.5
    again = ask(who, hub, None, "And now?")
    end_of(who, again)
    assert [each["content"] for each in model.wait_asked(2).body["messages"]] == [
        "You are brief.",
        "Who is there?",
        "Hello, you 🌍.",
        "And now?",
    ]
    kept = who.call("GET_MESSAGES", {"roomName": name})["messages"]
    assert (kept[1]["finishReason"], kept[1]["usage"]["completion_tokens"]) == ("stop", 3)


def test_cancelling_frees_the_server(hub: Hub, model: FakeModel) -> None:
    model.answers(Script(held_after=2))
    _, who = newcomer(hub)
    request_id = ask(who, hub, None, "Talk!")
    who.wait("SERVER_STREAM_DATA", lambda body: body["requestId"] == request_id)
    assert who.call("CANCEL_REQUEST", {"requestId": request_id})["status"] == "ok"
    model.wait(lambda asked: asked[0].state == "gone", "the end of the connection")
    model.answers(Script(first_after=3600.0), to="Once more!")
    early = ask(who, hub, None, "Once more!")
    model.wait_asked(2)
    assert who.call("CANCEL_REQUEST", {"requestId": early})["status"] == "ok"
    model.wait_idle()


FAULTS = {
    "The model server refuses the hub's key.": Script(status=401),
    "The model server has no such model, or no such address.": Script(status=404),
    "The model server has moved elsewhere, where the hub does not follow.": Script(
        status=307, headers={"Location": "http://127.0.0.1:1/"}
    ),
    "What answers at {where} is no model server.": Script(raw=b"<html>", headers={"Content-Type": "text/html"}),
    "The model said nothing.": Script(tokens=()),
}


def test_faults_are_told_in_words(hub: Hub, model: FakeModel) -> None:
    _, who = newcomer(hub)
    for words, script in FAULTS.items():
        model.answers(script)
        request_id = ask(who, hub, None, "Well?")
        where = model.url.removesuffix("/v1")
        assert error_of(who, request_id)["message"] == words.format(where=where)
        wait_status(who, request_id, "failed")


def test_what_breaks_off_is_kept_and_has_failed(hub: Hub, model: FakeModel) -> None:
    for then in ("cut", "undone", "error"):
        model.answers(Script(then=then))
        name, who = newcomer(hub)
        request_id = ask(who, hub, None, "Well?")
        broke = "failed in the middle of" if then == "error" else "broke off"
        assert error_of(who, request_id)["message"] == f"The model server {broke} its answer."
        assert text_of(who, request_id) == Script().text
        end_of(who, request_id)
        kept = who.call("GET_MESSAGES", {"roomName": name})["messages"]
        assert [each.get("message") for each in kept] == ["Well?", Script().text]
        assert kept[1]["failed"] is True


def test_the_next_one_is_asked_before_the_first_token(hub: Hub, model: FakeModel, spare: FakeModel) -> None:
    chief = hub.monitor("/rooms")
    chief.call("SET_CONNECTION_POLICY", {"policy": "Failover"})
    try:
        model.answers(Script(status=429, headers={"Retry-After": "1"}))
        spare.answers(Script(tokens=("By the second.",)))
        name, who = newcomer(hub)
        request_id = ask(who, hub, None, "Well?")
        wait_status(who, request_id, "completed")
        answer = who.call("GET_MESSAGES", {"roomName": name})["messages"][1]
        assert (answer["message"], answer["character"]["name"]) == ("By the second.", "Guide")
        asked = spare.wait_asked()
        assert asked.body["messages"][0]["content"] == f"Guide knows {name}."
        assert "authorization" not in asked.headers, "a key goes to its own server alone"
    finally:
        chief.call("SET_CONNECTION_POLICY", {"policy": "Free"})


def test_who_is_alone_waits_as_long_as_the_server_says(hub: Hub, model: FakeModel) -> None:
    model.answers(Script(status=429, headers={"Retry-After": "1"}), Script())
    _, who = newcomer(hub)
    request_id = ask(who, hub, None, "Well?")
    wait_status(who, request_id, "completed")
    assert len(model.requests) == 2


def test_a_sillytavern_that_is_there_is_asked_first(hub: Hub, model: FakeModel) -> None:
    extension = hub.extension(kind="message", text="From the desk.").start_quickly()
    _, who = newcomer(hub)
    request_id = ask(who, hub, None, "Well?")
    wait_status(who, request_id, "completed")
    assert who.payload("LLM_RESPONSE", of_request(request_id))["message"] == "From the desk."
    assert not model.requests
    extension.stop()


def chat(served: Daemon, model: str, key: str = "", **more: Any) -> Response:
    """One question to /v1 as a program asks it."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}, *more.pop("messages", ())], **more}
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    return served.get("/v1/chat/completions", headers, "POST", json.dumps(body).encode())


def test_chat_programs_ask_a_model_server_by_name(hub: Hub, served: Daemon, model: FakeModel) -> None:
    key = new_key(served, hub.new_id("program"), "--scope", "api")
    talk = [{"role": "assistant", "content": "Ho"}, {"role": "user", "content": "Well?"}]
    told = chat(served, "llm:first", key, messages=talk, max_tokens=7, seed=3, custom_url="http://evil.test")
    assert told.status == 200
    answer = told.json()
    assert answer["choices"][0]["message"]["content"] == Script().text
    assert (answer["choices"][0]["finish_reason"], answer["usage"]["completion_tokens"]) == ("stop", 4)
    asked = model.wait_asked().body
    assert [each["content"] for each in asked["messages"]] == ["You are brief.", "Hi", "Ho", "Well?"]
    assert (asked["max_tokens"], asked["seed"], asked["temperature"]) == (7, 3, 0.5)
    assert "custom_url" not in asked


def test_v1_keyless_cannot_upstream_unless_that_says_so(hub: Hub, served: Daemon, spare: FakeModel) -> None:
    assert chat(served, "llm:first").status == 403
    assert chat(served, "llm:second").status == 200
    assert spare.wait_asked().body["messages"][-1]["content"] == "Hi"


def test_pictures_reach_who_takes_them(hub: Hub, served: Daemon, spare: FakeModel) -> None:
    shown = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgoAAAAN"}}
    look = {"role": "user", "content": [{"type": "text", "text": "What is it?"}, shown]}
    assert chat(served, "llm:second", messages=[look]).status == 200
    assert shown in spare.wait_asked().body["messages"][-1]["content"]
    key = new_key(served, hub.new_id("program"), "--scope", "api")
    assert chat(served, "llm:first", key, messages=[look]).json()["error"]["message"] == "This model takes no pictures."
    shown["image_url"] = {"url": served.url}
    refused = chat(served, "llm:second", messages=[look])
    assert (refused.status, "the hub fetches none" in refused.json()["error"]["message"]) == (400, True)


def test_characters_are_offered_and_chosen(hub: Hub, served: Daemon, model: FakeModel) -> None:
    name, who = newcomer(hub)
    offered = who.call("LIST_CHARACTERS", {"target": "llm-first"})
    assert [(each["id"], each["name"]) for each in offered["characters"]] == [("guide", "Guide")]
    assert who.call("GET_AVATAR", {"target": "llm-first", "id": "guide"})["error"]["code"] == "not_found"
    wait_status(who, ask(who, hub, None, "Well?", character="guide"), "completed")
    assert model.wait_asked().body["messages"][0]["content"].endswith(f"Guide knows {name}.")
    key = new_key(served, hub.new_id("program"), "--scope", "api")
    assert chat(served, "llm-first/Guide", key).status == 200
    assert "Guide knows" in model.wait_asked(2).body["messages"][0]["content"]


def test_the_key_is_nowhere(hub: Hub, served: Daemon, model: FakeModel) -> None:
    told = {"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}}
    model.answers(Script(status=400, error=told))
    _, who = newcomer(hub)
    request_id = ask(who, hub, None, "Well?")
    assert error_of(who, request_id)["message"] == "The model server does not take the request."
    status = str(hub.monitor("/debug").call("SERVER_STATUS", {}))
    assert "llm-first" in status
    files = [path for path in served.home.rglob("*") if path.is_file() and path.name != "model.key"]
    for text in (served.output(), status, str(who.records), *(path.read_bytes().decode("latin-1") for path in files)):
        assert KEY not in text
    assert "(secret)" in served.output(), "what the server said is told to the operator"


def test_make_run_answers_by_a_model_server_that_the_environment_names(
    tmp_path: Path, driver: Driver, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one the demo answers: test_readme.py."""
    assert "twistd -n newage --demo\n" in (CHECKOUT / "Makefile").read_text("utf-8")
    monkeypatch.setenv("NEWAGE_UPSTREAM_LOCAL_URL", model.url)
    with Daemon(tmp_path / "home", "--demo") as daemon:
        who = Hub(daemon, driver).client("ann", auth={"outputs": True})
        request_id = ask(who, Hub(daemon, driver), None, "Who is there?")
        assert end_of(who, request_id)["data"] == text_of(who, request_id) == Script().text
        driver.reset()
    model.reset()


def spent(home: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(home / "data" / "newage.sqlite3")) as store:
        return store.execute("SELECT who, requests FROM spent").fetchall()


def test_a_ceiling_outlasts_a_kill(tmp_path: Path, driver: Driver, model: FakeModel) -> None:
    settings = f'[upstream.first]\nurl = "{model.url}"\nrequests_per_day_each = 1\n'
    daemon = Daemon.configured(tmp_path, settings).start()
    try:
        who = Hub(daemon, driver).client("ann", auth={"outputs": True})
        wait_status(who, ask(who, Hub(daemon, driver), None, "Once?"), "completed")
        until(lambda: ("client/ann", 1) in spent(daemon.home), "it is written down")
        daemon.kill()
        driver.reset()
        daemon.start()
        who = Hub(daemon, driver).client("ann", auth={"outputs": True})
        told = error_of(who, ask(who, Hub(daemon, driver), None, "Twice?"))["message"]
        assert told.startswith("You have used up today's questions of this model")
        assert len(model.requests) == 1
        daemon.stop()
    finally:
        driver.reset()
        daemon.kill()
        model.reset()
