"""Chromium and its tabs, by browser.js: what a test does and sees in a page, in words of Python."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import HERE
from remote import Remote

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60.0  # seconds; a passing test never waits that long
STARTED = 130.0  # seconds; from a slow disk, beside others


class PageError(AssertionError):
    """A command failed in the browser: an exception of the page, a wait in vain."""


class Browser(Remote):
    """One Chromium process; each ``open`` is a profile of its own."""

    def __init__(self) -> None:
        chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
        assert chromium, f"none of {', '.join(BROWSERS)} is installed; .ci/packages installs one"
        self._problems: dict[str, list[str]] = {}
        self._tabs = itertools.count(1)
        super().__init__(HERE / "sillytavern" / "browser.js", chromium, error=PageError)
        self.result(0, STARTED)

    def _told(self, said: Mapping[str, Any]) -> None:
        self._problems.setdefault(said["tab"], []).append(said["problem"])

    def do(self, op: str, timeout: float = PATIENCE, **given: Any) -> Any:
        """:raises PageError: what the page or the browser objected."""
        return self.result(self.post(op, timeout=timeout * 1000, **given), timeout + 5)

    def problems(self, tab: str) -> list[str]:
        with self._changed:
            return list(self._problems.get(tab, ()))

    def open(self, url: str, beside: Tab | None = None, **options: Any) -> Tab:
        """A tab with the page begun; ``beside``: in the profile of that one. Options are a new profile's."""
        name = f"tab-{next(self._tabs)}"
        self.do("open", tab=name, url=url, beside=beside.name if beside else None, options=options)
        return Tab(self, name)


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
