"""Contract 13, scenario 16 in a browser: a page that asks for what the reference's monitor page asks for."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from answering import of_its_socket
from harness import HERE, Daemon, Driver, Hub

PAGE = Path(__file__).parent / "monitor"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def look(url: str) -> dict[str, Any]:
    """What the page and the browser have seen after one question."""
    node, browser = shutil.which("node"), next(filter(None, map(shutil.which, BROWSERS)), None)
    assert node, "Node 20 is needed"
    assert browser, f"none of {', '.join(BROWSERS)} is installed; .ci/packages installs one"
    command = [node, str(PAGE / "scene.js"), browser, url, str(HERE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@of_its_socket("the list of those that have connected, and the packet")
def test_scenario_16_the_page_loads_connects_and_finds_the_extension(
    make_daemon: Callable[..., Daemon], driver: Driver, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    folder = home / "exampleClient" / "monitor"
    folder.mkdir(parents=True)
    for name in ("monitor.html", "monitor.js"):
        shutil.copy(PAGE / name, folder)
    hub = Hub(make_daemon(home=home), driver)
    extension = hub.extension(kind="message", text="seen by the page")
    extension.start()
    seen = look(hub.daemon.url + "/exampleClient/monitor/monitor.html")
    assert seen["problems"] == [], "no module error, no failed request, no exception"
    assert seen["errors"] == []
    assert sorted(seen["connected"]) == ["/auth", "/function_call", "/llm"]
    assert seen["modules"] == ["object", "object", "object", "function", "function", "function"]
    assert seen["library"] == "function", "the stream library is a global (contract 9.3)"
    assert (seen["status"], seen["extensions"]) == ("ok", [extension.client_id])
    assert (seen["reply"]["status"], seen["reply"]["message"]) == ("ok", "Request received.")
    asked = extension.llm.payload("LLM_REQUEST")
    assert (asked["message"], asked["target"], asked["requestType"]) == ("hi", extension.client_id, "newMessage")
    assert seen["answers"] == ["seen by the page"]
    assert seen["settings"]["networkSafe"] is True
