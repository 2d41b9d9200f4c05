"""SillyTavern in a tab, as the person at its desk uses and sees it."""

from __future__ import annotations

from typing import Any

from tab import PATIENCE, Browser, Tab

# It is ready for its visitor when its characters are there and the curtain is gone.
READY = "() => globalThis.SillyTavern?.getContext?.().characters?.length > 0 && !document.getElementById('preloader')"


class Desk(Tab):
    """A tab whose page is SillyTavern; ``ready`` waits until it can be used."""

    @classmethod
    def sit_down(cls, browser: Browser, url: str, beside: Tab | None = None, **options: Any) -> Desk:
        return cls(browser, browser.open(url, beside, **options).name).ready()

    def ready(self) -> Desk:
        self.wait(READY, timeout=60)
        return self

    def context(self, expression: str, given: Any = None) -> Any:
        """An expression over SillyTavern's ``context`` (and ``given``); promises are awaited."""
        return self.run(f"(given) => {{ const context = SillyTavern.getContext(); return {expression}; }}", given)

    def wait_context(self, condition: str, given: Any = None, timeout: float = PATIENCE) -> Any:
        source = f"(given) => {{ const context = SillyTavern.getContext(); return {condition}; }}"
        return self.wait(source, given, timeout)

    def open_chat(self, character: str) -> None:
        """The chat of that character, loaded."""
        self.context(
            "void context.selectCharacterById(context.characters.findIndex((one) => one.name === given))", character
        )
        self.wait_context("context.name2 === given && context.chat.length > 0 && !context.groupId", character)

    def say(self, text: str) -> None:
        """Typed and sent by hand."""
        self.fill("#send_textarea", text)
        self.click("#send_but")

    @property
    def texts(self) -> list[str]:
        """The messages of the open chat."""
        found: list[str] = self.context("context.chat.map((message) => message.mes)")
        return found

    @property
    def names(self) -> list[str]:
        """Who said them."""
        found: list[str] = self.context("context.chat.map((message) => message.name)")
        return found

    def wait_text(self, text: str, timeout: float = PATIENCE) -> None:
        """The last message of the open chat is this."""
        self.wait_context("context.chat.at(-1)?.mes === given", text, timeout)

    def stop(self) -> None:
        """The button that stops a generation."""
        self.click("#mes_stop")
