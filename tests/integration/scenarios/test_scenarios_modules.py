"""Contract 13, scenario 16 without a browser: every module that the monitor page and documented clients import."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from harness import Daemon

MODULES = (
    *("/lib/constants.js", "/lib/uuid/uuid.js", "/lib/Socket.io/socket.io.js", "/public/socket.io.js"),
    *("/lib/@sap_oss/node-socketio-stream.js", "/dist/function_call.js"),
)
BUNDLES = tuple(f"/socket.io/socket.io{kind}.js" for kind in ("", ".min", ".esm.min", ".msgpack.min"))


@pytest.mark.parametrize("path", MODULES)
def test_scenario_16_the_modules_are_served_and_browser_safe(daemon: Daemon, path: str) -> None:
    answer = daemon.get(path)
    assert answer.status == 200
    assert answer.headers["content-type"].lower() == "application/javascript; charset=utf-8"
    assert "access-control-allow-origin" not in answer.headers
    text = answer.body.decode("utf-8")
    for server_side in ("from 'fs", 'from "fs', "from 'node:", 'from "node:', "fs/promises"):
        assert server_side not in text


@pytest.mark.parametrize("path", BUNDLES)
def test_the_client_bundles_are_served(daemon: Daemon, path: str) -> None:
    answer = daemon.get(path)
    assert answer.status == 200
    assert answer.headers["content-type"].lower() == "application/javascript; charset=utf-8"
    assert len(answer.body) > 10_000


def evaluate(folder: Path, expression: str) -> object:
    """JSON of an expression over the module's exports, evaluated by Node."""
    code = f"import * as m from './module.mjs'; console.log(JSON.stringify({expression}))"
    done = subprocess.run(
        ["node", "--input-type=module", "-e", code], cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_scenario_16_constants_are_what_clients_expect(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "module.mjs").write_bytes(daemon.get("/lib/constants.js").body)
    names = evaluate(tmp_path, "Object.keys(m).sort()")
    assert names == ["EVENTS", "MEMBER_STATUS", "MSG_TYPE", "NAMESPACES", "STREAM_EVENTS"]
    messages = evaluate(tmp_path, "m.MSG_TYPE")
    assert isinstance(messages, dict)
    assert all(value == key for key, value in messages.items() if isinstance(value, str))
    for name in (
        "LLM_REQUEST",
        "GET_FULL_CONTEXT",
        "MESSAGES_DELETED",
        "JOIN_ROOM",
        "LEAVE_ROOM",
        "DEBUG_MODE_CHANGED",
    ):
        assert messages[name] == name
    assert (messages["NON_STREAM"], messages["STREAM_END"], messages["STREAM_DATA_FAILED"]) == (0, 3, 8)
    streams = evaluate(tmp_path, "m.STREAM_EVENTS")
    assert isinstance(streams, dict)
    assert (streams["START"], streams["streamed_data"]) == ("CLIENT_STREAM_START", "SERVER_STREAM_DATA")
    assert evaluate(tmp_path, "m.NAMESPACES.LLM") == "/llm"


def test_scenario_16_uuid_and_io(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "module.mjs").write_bytes(daemon.get("/lib/uuid/uuid.js").body)
    assert evaluate(tmp_path, "[m.uuidv4().length, m.uuidv4(8).length, m.uuidv4(0)]") == [36, 8, ""]
    for path in ("/lib/Socket.io/socket.io.js", "/public/socket.io.js"):
        (tmp_path / "module.mjs").write_bytes(daemon.get(path).body)
        assert evaluate(tmp_path, "typeof m.io") == "function"


def test_nothing_private_is_served(daemon: Daemon) -> None:
    for path in (
        *("/settings/server_settings.json", "/keys/clients.json", "/logs/combined.log", "/src/newage/tap.py"),
        *("/lib/../settings/server_settings.json", "/public/..%2fsettings/server_settings.json", "/%2e%2e/etc/passwd"),
        *("/lib/.hidden", "/data/", "/newage.sqlite", "/nothing-here"),
    ):
        answer = daemon.get(path)
        assert answer.status == 404, path
    assert daemon.get("/nothing-here").body == b"Not Found"
    assert daemon.get("/", method="DELETE").status == 405
