"""``/api/v1`` against its own document: what schemathesis thinks of, always the same, asked of the real daemon."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Daemon, daemon_environment

SEED = "20261127"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("api")
    settings = (
        "[server]\ndemo = true\n[rooms]\nclients_may_create_rooms = true\n[requests]\nrequest_rate = 1000\n"
        "[api]\nvisits_per_minute = 100000\nrequests_per_minute = 100000\nrequests_at_once = 1000\n"
        "[rates]\nevent_rate = 1000\nevent_burst = 1000\nedit_rate = 1000\n"
    )
    with Daemon.configured(folder, settings) as running:
        yield running


@pytest.fixture(scope="module")
def key(daemon: Daemon) -> str:
    """As the operator makes one."""
    command = [sys.executable, "-m", "newage.cli", "--home", str(daemon.home), "keys", "new", "bot"]
    made = subprocess.run(command, env=daemon_environment(), capture_output=True, text=True, timeout=60, check=True)
    return next(word for word in made.stdout.split() if word.startswith("sk-newage-"))


def ask(daemon: Daemon, key: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{daemon.url}/api/v1{path}", data, {"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def test_a_room_is_made_and_talked_in(daemon: Daemon, key: str) -> None:
    assert ask(daemon, key, "/status")["rooms"] >= 0
    assert ask(daemon, key, "/rooms", {"name": "den"})["role"] == "master"
    taken = ask(daemon, key, "/rooms/den/messages", {"text": "hello"})
    messages = ask(daemon, key, "/rooms/den/messages")["messages"]
    assert taken["messageId"] in [each["messageId"] for each in messages]
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(daemon, "sk-newage-none", "/status")
    assert refused.value.code == 401


def test_whatever_is_asked_is_answered_as_the_document_says(daemon: Daemon, key: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{daemon.url}/api/v1/openapi.json"]
    command += ["--header", f"Authorization: Bearer {key}", "--seed", SEED, "--checks", CHECKS]
    command += ["--max-examples", "15", "--phases", "examples,coverage,fuzzing", "--generation-database", "none"]
    command += ["--request-timeout", "20", "--workers", "1", "--suppress-health-check", "too_slow"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stdout[:12_000] + done.stderr[-2000:]
