"""Chromium and its tabs, by browser.js: what a test does and sees in a page, in words of Python."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

from harness import HERE

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 30.0  # seconds; a passing test never waits that long


class PageError(AssertionError):
    """A command failed in the browser: an exception of the page, a wait in vain."""


class Browser:
    """One Chromium process; each ``open`` is a profile of its own."""

    def __init__(self) -> None:
        node, chromium = shutil.which("node"), next(filter(None, map(shutil.which, BROWSERS)), None)
        assert node, "Node 20 is needed for the tests with SillyTavern"
        assert chromium, f"none of {', '.join(BROWSERS)} is installed; .ci/packages installs one"
        self._process = subprocess.Popen(
            [node, str(HERE / "sillytavern" / "browser.js"), chromium],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._changed = threading.Condition()
        self._answers: dict[int, dict[str, Any]] = {}
        self._problems: dict[str, list[str]] = {}
        self._numbers = itertools.count(1)
        self._over = False
        threading.Thread(target=self._read, daemon=True).start()
        self._result(0, PATIENCE)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            with self._changed:
                if "id" in said:
                    self._answers[said["id"]] = said
                else:
                    self._problems.setdefault(said["tab"], []).append(said["problem"])
                self._changed.notify_all()
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _result(self, number: int, timeout: float) -> Any:
        with self._changed:
            self._changed.wait_for(lambda: number in self._answers or self._over, timeout)
            answer = self._answers.pop(number, {"error": f"the browser did not answer within {timeout} s"})
        if "error" in answer:
            raise PageError(answer["error"])
        return answer["ok"]

    def do(self, op: str, timeout: float = PATIENCE, **given: Any) -> Any:
        """:raises PageError: what the page or the browser objected."""
        number = next(self._numbers)
        assert self._process.stdin is not None
        with self._changed:
            line = json.dumps({"id": number, "op": op, "timeout": timeout * 1000, **given})
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        return self._result(number, timeout + 5)

    def problems(self, tab: str) -> list[str]:
        with self._changed:
            return list(self._problems.get(tab, ()))

    def open(self, url: str, beside: Tab | None = None, **options: Any) -> Tab:
        """A tab with the page begun; ``beside``: in the profile of that one. Options are a new profile's."""
        name = f"tab-{next(self._numbers)}"
        self.do("open", tab=name, url=url, beside=beside.name if beside else None, options=options)
        return Tab(self, name)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Tab:
    """One page. Sources are JavaScript functions of one argument, run in it; promises are awaited."""

    def __init__(self, browser: Browser, name: str) -> None:
        self.browser = browser
        self.name = name

    def do(self, op: str, timeout: float = PATIENCE, **given: Any) -> Any:
        return self.browser.do(op, timeout, tab=self.name, **given)

    def run(self, source: str, given: Any = None, timeout: float = PATIENCE) -> Any:
        """What the function returns."""
        return self.do("evaluate", timeout, source=source, given=given)

    def wait(self, source: str, given: Any = None, timeout: float = PATIENCE) -> Any:
        """The first true value of the function."""
        return self.do("wait", timeout, source=source, given=given)

    def click(self, selector: str) -> None:
        self.do("click", selector=selector)

    def fill(self, selector: str, text: str) -> None:
        self.do("fill", selector=selector, text=text)

    def reload(self) -> None:
        self.do("reload")

    def offline(self, offline: bool) -> None:
        self.do("offline", offline=offline)

    def hide(self) -> None:
        self.do("hidden", hidden=True)

    def show(self) -> None:
        self.do("hidden", hidden=False)

    def picture(self, path: Path) -> None:
        self.do("screenshot", path=str(path))

    def close(self) -> None:
        self.do("close")

    @property
    def problems(self) -> list[str]:
        """Exceptions, errors on the console and dialogs, until now."""
        return self.browser.problems(self.name)
