"""The browser modules of contract 9.3, as sources and as Node runs them; and the lock of what is vendored."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from newage.web.modules import ASSETS, client_bundles, virtual_modules

LOCK = json.loads((ASSETS / "vendor.lock.json").read_text())["files"]
STRINGS = """
ERROR WARNING CLIENT_KEY_ASSIGNED CLIENT_DISCONNECTED LOGIN GET_ALL_CLIENT_KEYS GET_CLIENT_KEY GET_CLIENT_LIST
GENERATE_CLIENT_KEY REMOVE_CLIENT_KEY UPDATE_CONNECTED_CLIENTS CONNECTED_CLIENTS_UPDATE ADD_CLIENT_TO_ROOM
ASSIGN_EXTENSION_TO_CLIENT AVAILABLE_EXTENSIONS CREATE_ROOM DELETE_ROOM GET_ASSIGNMENTS GET_CLIENTS_IN_ROOM
GET_CONNECTION_POLICY GET_CONNECTED_CLIENT_ROOMS GET_CONNECTED_EXTENSIONS GET_ROOMS MEMBER_JOINED MEMBER_LEFT
KICK_MEMBER SET_MEMBER_ROLE MEMBER_ROLE_CHANGED REMOVE_CLIENT_FROM_ROOM SET_CONNECTION_POLICY
GET_ASSIGNMENTS_FOR_ROOM SET_ROOM_MESSAGE_REQUEST_MODE ROOM_MODE_CHANGED GET_OFFLINE_MESSAGES OFFLINE_MESSAGES
LLM_REQUEST LLM_RESPONSE REQUEST_STATUS_UPDATE NEW_MESSAGE SET_MESSAGE_REQUEST_MODE EDIT_MESSAGE DELETE_MESSAGE
CLEAR_MESSAGES MESSAGE_UPDATED MESSAGES_CLEARED UPDATE_CONTEXT UPDATE_CONTEXT_PAGE MEMBER_STATUS_UPDATE
START_TYPING STOP_TYPING START_PROCESSING STOP_PROCESSING MUTE_MEMBER UNMUTE_MEMBER MEMBER_MUTED MEMBER_UNMUTED
CLIENT_SETTINGS GET_SILLYTAVERN_EXTENSION IDENTIFY_SILLYTAVERN FUNCTION_CALL DEBUG_MODE_CHANGED READ_LOG
SERVER_STATUS TOGGLE_DEBUG_MODE GET_FULL_CONTEXT MESSAGES_DELETED JOIN_ROOM LEAVE_ROOM
""".split()  # noqa: SIM905
NUMBERS = {
    "NON_STREAM": 0,
    "STREAM_START": 1,
    "STREAM_DATA": 2,
    "STREAM_END": 3,
    "STREAM_DATA_FIRST": 4,
    "STREAM_DATA_MIDDLE": 5,
    "STREAM_DATA_LAST": 6,
    "STREAM_DATA_RETRY": 7,
    "STREAM_DATA_FAILED": 8,
}


@pytest.fixture(scope="module")
def node() -> str:
    path = shutil.which("node")
    assert path is not None, "Node 20 is needed"
    return path


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """The modules as a tree, with their absolute imports made relative."""
    (tmp_path / "package.json").write_text('{"type":"module"}')
    for url, file in virtual_modules().items():
        path = tmp_path / url[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        depth = "../" * url.count("/", 1)
        path.write_bytes(re.sub(rb"from '/", b"from './" + depth.encode(), file.body))
    return tmp_path


def run(node: str, served: Path, script: str) -> Any:
    done = subprocess.run(
        [node, "--input-type=module", "-e", script], cwd=served, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.integration
def test_constants_are_complete(node: str, served: Path) -> None:
    exported = run(node, served, "import * as all from './lib/constants.js'; console.log(JSON.stringify(all))")
    assert set(exported) == {"MSG_TYPE", "STREAM_EVENTS", "NAMESPACES", "EVENTS", "MEMBER_STATUS"}
    assert exported["MSG_TYPE"] == {**{name: name for name in STRINGS}, **NUMBERS}
    assert exported["STREAM_EVENTS"] == {
        "START": "CLIENT_STREAM_START",
        "DATA_FIRST": "CLIENT_STREAM_DATA_FIRST",
        "DATA_MIDDLE": "CLIENT_STREAM_DATA_MIDDLE",
        "DATA_LAST": "CLIENT_STREAM_DATA_LAST",
        "DATA_RETRY": "CLIENT_STREAM_DATA_RETRY",
        "DATA_FAILED": "CLIENT_STREAM_DATA_FAILED",
        "END": "CLIENT_STREAM_END",
        "streamed_data": "SERVER_STREAM_DATA",
        "streamed_end": "SERVER_STREAM_END",
    }
    assert exported["NAMESPACES"] == {
        "DEFAULT": "/",
        "AUTH": "/auth",
        "CLIENTS": "/clients",
        "DEBUG": "/debug",
        "FUNCTION_CALL": "/function_call",
        "LLM": "/llm",
        "ROOMS": "/rooms",
        "SILLY_TAVERN": "/sillytavern",
    }
    assert {"idle", "typing", "processing", "paused"} <= set(exported["MEMBER_STATUS"].values())
    assert exported["MEMBER_STATUS"]["THINKING_PAUSED"] == "paused"
    assert len(exported["EVENTS"]) == 81
    assert all(name == value for name, value in exported["EVENTS"].items())


@pytest.mark.integration
def test_uuids(node: str, served: Path) -> None:
    values = run(
        node,
        served,
        """import { uuidv4 } from './lib/uuid/uuid.js';
        console.log(JSON.stringify([uuidv4(), uuidv4(), uuidv4(8), uuidv4(100), uuidv4(0), uuidv4(-1)]))""",
    )
    first, second, short, whole, none, less = values
    pattern = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
    assert pattern.match(first) and pattern.match(second) and pattern.match(whole)
    assert first != second
    assert len(short) == 8
    assert none == less == ""


@pytest.mark.integration
@pytest.mark.parametrize("url", ["lib/Socket.io/socket.io.js", "public/socket.io.js"])
def test_the_client_exports_io(node: str, served: Path, url: str) -> None:
    assert run(node, served, f"import {{ io }} from './{url}'; console.log(JSON.stringify(typeof io))") == "function"


@pytest.mark.integration
def test_the_stream_library_is_a_global_and_a_default_export(node: str, served: Path) -> None:
    script = """globalThis.window = globalThis;
    const { default: ss } = await import('./lib/@sap_oss/node-socketio-stream.js');
    console.log(JSON.stringify([typeof ss, ss === window.ss, typeof ss.createStream]))"""
    assert run(node, served, script) == ["function", True, "function"]


@pytest.mark.integration
def test_function_call_runs_without_node_modules_or_a_document(node: str, served: Path) -> None:
    source = virtual_modules()["/dist/function_call.js"].body
    assert not re.search(rb"from '(node:|fs|path)", source)
    script = "import * as all from './dist/function_call.js'; console.log(JSON.stringify(Object.keys(all)))"
    assert run(node, served, script) == ["addStaticResources", "readJsonFromFile", "saveJsonToFile"]


def test_bundles_have_their_maps() -> None:
    files = client_bundles("/socket.io")
    assert len(files) == 8
    for url, file in files.items():
        if url.endswith(".map"):
            assert json.loads(file.body)["version"] == 3
        else:
            assert f"sourceMappingURL={url.rpartition('/')[2]}.map".encode() in file.body


# -------------------------------------------------------------------------------------------------------------- vendor


def test_every_vendored_file_is_locked() -> None:
    present = {path.relative_to(ASSETS).as_posix() for path in (ASSETS / "vendor").rglob("*") if path.is_file()}
    assert present == set(LOCK)


@pytest.mark.parametrize("name", sorted(LOCK))
def test_vendored_files_are_what_the_lock_says(name: str) -> None:
    entry = LOCK[name]
    assert hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() == entry["sha256"]
    assert entry["package"] and entry["version"] and entry["licence"]
    assert entry["source"].startswith("https://registry.npmjs.org/")


def test_nothing_is_loaded_from_elsewhere() -> None:
    for path in (ASSETS / "modules").glob("*.js"):
        assert not re.search(r"https?://", path.read_text())
