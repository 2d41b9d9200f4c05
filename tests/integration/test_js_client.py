"""The client in JavaScript (clients/js), end to end: what it is shown is what the hub stores, with cut lines too.

``client_scenes.mjs`` holds the scenes; the line that a scene asks to be cut is a proxy before the daemon.
"""

from __future__ import annotations

import subprocess

import pytest
from fault_proxy import FaultProxy
from harness import HERE, PATIENCE, POLLING, WEBSOCKET, Hub

from nodekit import node_program

SCENES = (
    "tokens",
    "rooms",
    "revised",
    "stopped",
    "asker-cut",
    "asker-away-at-the-end",
    "request-failed-while-away",
    "rerouted-while-away",
    "extension-cut",
    "extension-away-at-the-end",
)


@pytest.mark.parametrize("transport", [*WEBSOCKET, *POLLING])
@pytest.mark.parametrize("scene", SCENES)
def test_scene(hub: Hub, scene: str, transport: str) -> None:
    with FaultProxy(hub.daemon.port) as proxy:
        command = [node_program(), str(HERE / "client_scenes.mjs"), scene, hub.daemon.url, proxy.url, transport]
        changes = {"cut\n": proxy.cut, "heal\n": proxy.heal}
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            for asked in process.stdout:
                changes[asked]()
                process.stdin.write("done\n")
                process.stdin.flush()
            said = process.stderr.read()
            assert process.wait(PATIENCE) == 0, said
