"""The logs of a whole day in little: each fact once, with its label, without secrets and without what people say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import Daemon, Driver, Hub, request
from homes import write_settings

BODY = "what nobody but the room shall read"
PASSWORD = "correct horse battery"


def audit(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "logs" / "audit.jsonl").read_text("utf-8").splitlines()]


def everything_written(home: Path) -> str:
    return "".join(path.read_text("utf-8") for path in sorted((home / "logs").iterdir()))


def test_a_day(make_daemon: Callable[..., Daemon], driver: Driver, tmp_path: Path) -> None:
    home = tmp_path / "home"
    write_settings(home, {"phone": {"clientId": "phone", "isTrust": True, "sillyTavernPassWord": PASSWORD}})
    daemon = make_daemon(home=home)
    hub = Hub(daemon, driver)
    monitor, debug = hub.monitor("/rooms"), hub.monitor("/debug")
    assert debug.call("TOGGLE_DEBUG_MODE", {})["debugMode"] is True
    extension_key = hub.extension("8000", kind="tokens", tokens=["tick "] * 300).start()["key"]
    web, guest = hub.client("web1"), hub.client("web2", "/rooms")
    sent = web.call("LLM_REQUEST", request("r1", "SillyTavern-8000", BODY))
    web.wait("REQUEST_STATUS_UPDATE", lambda update: update["status"] == "completed")
    edited = {"roomName": "web1", "messageId": sent["messageId"], "updatedFields": {"message": BODY + " (edited)"}}
    assert web.call("EDIT_MESSAGE", edited)["status"] == "ok"
    subject = {"roomName": "lobby", "identity": "web2"}
    for event, payload in (
        ("CREATE_ROOM", {"roomName": "lobby"}),
        ("ADD_CLIENT_TO_ROOM", subject),
        ("SET_MEMBER_ROLE", {**subject, "role": "special"}),
        ("MUTE_MEMBER", {**subject, "duration": 60}),
        ("UNMUTE_MEMBER", subject),
        ("SET_ROOM_MESSAGE_REQUEST_MODE", {"roomName": "lobby", "mode": "Immediate"}),
        ("KICK_MEMBER", subject),
        ("SET_CONNECTION_POLICY", {"policy": "Broadcast"}),
    ):
        assert monitor.call(event, payload)["status"] == "ok", event
    assert guest.call("DELETE_ROOM", {"roomName": "lobby"})["status"] == "error"
    key = hub.monitor("/clients").call("GENERATE_CLIENT_KEY", {"targetClientId": "tablet"})["key"]
    calls = hub.client("web1", "/function_call")
    saved = calls.call(
        "FUNCTION_CALL", {"functionName": "saveJsonToFile", "args": ["data/web1/a.json", {"note": BODY}]}
    )
    assert saved["result"] == {"success": True}
    auth = hub.client("phone", "/auth")
    assert auth.call("LOGIN", {"clientId": "phone", "password": "wrong " + PASSWORD})["status"] == "error"
    assert auth.call("LOGIN", {"clientId": "phone", "password": PASSWORD})["status"] == "ok"
    handed_out = auth.payload("CLIENT_KEY_ASSIGNED")["key"]
    hub.open("/sillytavern", {"clientType": "web-app", "clientId": "web1"}).refusal()
    driver.reset()
    daemon.stop()

    facts = [(fact["action"], fact["outcome"]) for fact in audit(home)]
    expected = [
        ("server.start", "ok"),
        ("debug.toggle", "ok"),
        ("extension.identify", "ok"),
        ("client.trust", "ok"),
        ("extension.available", "ok"),
        ("message.edit", "ok"),
        ("room.create", "ok"),
        ("member.add", "ok"),
        ("member.role", "ok"),
        ("member.mute", "ok"),
        ("member.unmute", "ok"),
        ("mode.set", "ok"),
        ("member.kick", "ok"),
        ("policy.set", "ok"),
        ("room.delete", "refused"),
        ("key.generate", "ok"),
        ("password.login", "refused"),
        ("password.login", "ok"),
        ("connect", "refused"),
        ("server.stop", "ok"),
    ]
    assert [fact for fact in expected if fact not in facts] == []
    once = [fact for fact in expected if fact[0] not in ("key.generate", "client.trust")]
    assert {fact: facts.count(fact) for fact in once} == dict.fromkeys(once, 1)
    by_action = {fact["action"]: fact for fact in audit(home)}
    assert by_action["member.role"]["role"] == "special"
    assert by_action["function.call"]["file"] == "data/web1/a.json"
    assert {fact["identity"] for fact in audit(home) if fact["action"] == "connect" and fact["outcome"] == "ok"} >= {
        "monitor",
        "SillyTavern-8000",
        "web1",
        "web2",
        "phone",
    }

    written = everything_written(home) + daemon.output()
    for secret in (BODY, PASSWORD, key, handed_out, extension_key):
        assert secret not in written
    combined = (home / "logs" / "combined.log").read_text("utf-8")
    labels = set(re.findall(r"\[llm-server\](?: \[\d+\])? \[([A-Z_]+)\]: ", combined))
    assert labels >= {
        "SERVER_START", "SERVER_STOP", "CLIENT_CONNECTED", "CLIENT_AUTH_FAILED", "CLIENT_AUTHENTICATED",
        "CLIENT_KEY_GENERATED", "CLIENT_KEY_ASSIGNED", "EXTENSION_IDENTIFIED", "EXTENSION_CONNECTED",
        "EXTENSION_DISCONNECTED", "LLM_REQUEST_RECEIVED", "LLM_RESPONSE_SENT", "ROOM_CREATED", "ROOM_ERROR",
        "MEMBER_ROLE_CHANGED", "MEMBER_MUTED", "MEMBER_UNMUTED", "MEMBER_KICKED", "MESSAGE_REQUEST_MODE_SET",
        "CONNECTION_POLICY_SET", "MESSAGE_EDITED", "FUNCTION_CALL_RESPONSE", "DEBUG_MODE_ENABLED",
    }  # fmt: skip
    entries = [line for line in combined.splitlines() if " [llm-server]" in line]
    assert len(entries) < 150, "300 tokens are 300 entries too many"


def test_it_goes_on_after_sigkill(make_daemon: Callable[..., Daemon], driver: Driver) -> None:
    daemon = make_daemon()
    Hub(daemon, driver).client("web1").fence()
    daemon.kill()
    driver.reset()
    daemon.start()
    actions = [fact["action"] for fact in audit(daemon.home)]
    assert actions == ["server.start", "connect", "server.start"]


def test_who_hammers_does_not_fill_the_disk(make_daemon: Callable[..., Daemon], driver: Driver) -> None:
    daemon = make_daemon()
    hub = Hub(daemon, driver)
    web = hub.client("web1", "/rooms")
    pending = [web.post_call("DELETE_ROOM", {"roomName": "web1"}) for _ in range(500)]
    pending += [web.post_call("JOIN_ROOM", {"roomName": f"room-{n}"}) for n in range(500)]
    for number in pending:
        driver.result(number)
    facts = [fact for fact in audit(daemon.home) if fact["action"].startswith("room.")]
    seconds = {fact["at"][:19] for fact in facts}
    assert 0 < len(facts) <= 2 * 20 * (len(seconds) + 1)
    driver.reset()
