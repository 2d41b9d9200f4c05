"""SillyTavern in a tab, as the person at its desk uses and sees it."""

from __future__ import annotations

import itertools
from typing import Any

from tab import PATIENCE, Browser, Tab

# Its last word while it starts. Its curtain is gone before that, and then it still moves its page for a moment: what a
# pointer goes down on is elsewhere when it goes up.
READY = """() => {
  const context = globalThis.SillyTavern?.getContext?.();
  return context?.characters?.length > 0 && context.eventSource.autoFireLastArgs.has(context.eventTypes.APP_READY);
}"""
# It hears no click while it still finishes something; what was sent is gone from the box. Two clicks in a row may be
# two messages (1.13): who was heard has no need of the next one, which is late.
SENT = """([text, turn]) => {
  const box = document.getElementById('send_textarea');
  const button = document.getElementById('send_but');
  if (box.value !== text) return true;
  const busy = document.body.dataset.generating || button.getBoundingClientRect().width === 0;
  const now = performance.now();
  if (busy || (button.turn === turn && now - button.clickedAt < 5000)) return false;
  Object.assign(button, { turn, clickedAt: now });
  button.click();
  return false;
}"""
# The chat is loaded, and its last message drawn.
DRAWN = "context.chat.length > 0 && document.querySelector(`#chat .mes[mesid='${context.chat.length - 1}']:last-child`)"
SCRIPT = "async () => void (window.rigScript = await import('/script.js'))"
# What has streamed is saved into the chat that is open then, a moment after SillyTavern says that it generates no more.
AT_REST = """() => {
  const { is_send_press: sends, isChatSaving: saves, streamingProcessor: streams } = window.rigScript;
  const unsaved = streams?.isFinished && !streams.isStopped && !streams.abortController.signal.aborted;
  return !sends && !saves && !unsaved && !document.body.dataset.generating;
}"""
HOLD = """(part) => {
  const { fetch } = window;
  window.rigHeld = 0;
  const gone = new Promise((resolve) => {
    window.rigGo = () => {
      window.fetch = fetch;
      resolve();
    };
  });
  window.fetch = async (...args) => {
    if (String(args[0]).includes(part)) {
      window.rigHeld += 1;
      await gone;
    }
    return fetch(...args);
  };
}"""
_turns = itertools.count(1)


class Desk(Tab):
    """A tab whose page is SillyTavern; ``ready`` waits until it can be used."""

    @classmethod
    def sit_down(cls, browser: Browser, url: str, beside: Tab | None = None, **options: Any) -> Desk:
        return cls(browser, browser.open(url, beside, **options).name).ready()

    def come_back(self, url: str) -> Desk:
        """The tab was closed: another one is opened for the same person."""
        self.name = self.browser.open(url).name
        return self.ready()

    def ready(self) -> Desk:
        self.wait(READY, timeout=120)
        return self

    def context(self, expression: str, given: Any = None) -> Any:
        """An expression over SillyTavern's ``context`` (and ``given``); promises are awaited."""
        return self.run(f"(given) => {{ const context = SillyTavern.getContext(); return {expression}; }}", given)

    def wait_context(self, condition: str, given: Any = None, timeout: float = PATIENCE) -> Any:
        source = f"(given) => {{ const context = SillyTavern.getContext(); return {condition}; }}"
        return self.wait(source, given, timeout)

    def open_chat(self, character: str) -> None:
        """The chat of that character, loaded; SillyTavern opens none while it generates or saves."""
        self.at_rest()
        self.context(
            "void context.selectCharacterById(context.characters.findIndex((one) => one.name === given))", character
        )
        self.wait_drawn("context.name2 === given && !context.groupId", character)

    def wait_drawn(self, condition: str, given: Any = None) -> None:
        """The chat of which that is true is there, and seen."""
        self.wait_context(f"{condition} && Boolean({DRAWN})", given)

    def at_rest(self) -> None:
        """It neither generates nor saves."""
        self.run(SCRIPT)
        self.wait(AT_REST)

    def say(self, text: str) -> None:
        """Typed and sent by hand."""
        self.at_rest()
        self.fill("#send_textarea", text)
        self.wait(SENT, [text, next(_turns)])

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

    def hold(self, part: str) -> None:
        """What the page asks of an address with this in it is kept until ``let_go``."""
        self.run(HOLD, part)

    def wait_held(self) -> None:
        self.wait("() => window.rigHeld > 0")

    def let_go(self) -> None:
        self.run("() => window.rigGo?.()")

    def save_settings(self) -> None:
        """What a reload finds."""
        self.run("async () => (await import('/script.js')).saveSettings()")

    def stop(self) -> None:
        """The button that stops a generation."""
        self.click("#mes_stop")
