"""Scenes on the hub's page in a real browser, played by Node; judged by the tests that start them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

from harness import HERE

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SCENE_SECONDS = 90


class Scene:
    """One run of a file of scenes; ``cues`` are called, in order, when it waits for the hub to do something."""

    def __init__(
        self, url: str, name: str, *cues: Callable[[], object], scenes: str = "page_scenes.js", **given: Any
    ) -> None:
        node, browser = shutil.which("node"), next(filter(None, map(shutil.which, BROWSERS)), None)
        assert node, "Node 20 is needed for the tests of the page"
        assert browser, f"none of {', '.join(BROWSERS)} is installed; .ci/packages installs one"
        command = [node, str(HERE / scenes), browser, url, name, json.dumps(given)]
        with subprocess.Popen(
            command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        ) as process:
            try:
                self._play(process, list(cues))
            finally:
                process.kill()

    def _play(self, process: subprocess.Popen[str], cues: list[Callable[[], object]]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        result: dict[str, Any] = {"failed": "the scene ended without a word", "problems": []}
        for line in process.stdout:
            result = json.loads(line)
            if "say" in result:
                cues.pop(0)()
                process.stdin.write("\n")
                process.stdin.flush()
        process.wait(SCENE_SECONDS)
        assert "failed" not in result, f"{result['failed']}\n{result['problems']}"
        assert cues == [], "the scene was over before all cues were given"
        self.seen: Any = result["seen"]
        self.problems: list[str] = result["problems"]
