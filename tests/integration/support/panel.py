"""The extension's drawer in SillyTavern, as its user works with it.

What moves is clicked by script, which dispatches the events of a pointer's click.
"""

from __future__ import annotations

from typing import Any

from desk import Desk

ROOT = "document.getElementById('newage_settings')"

# Opened by script, one drawer after the other: while extensions still come, the page moves and a pointer would miss.
# What stays shut for two seconds is clicked again.
OPENED = """() => {
  const panel = document.getElementById('newage_drawer');
  if (!panel) return false;
  for (const [drawer, toggle] of [
    [panel, document.querySelector('#extensions-settings-button .drawer-toggle')],
    [panel.querySelector('.inline-drawer-content'), panel.querySelector('.inline-drawer-toggle')],
  ]) {
    if (drawer.getBoundingClientRect().height > 0) continue;
    const now = performance.now();
    if (now - (toggle.clickedAt ?? -Infinity) > 2000) {
      toggle.clickedAt = now;
      toggle.click();
    }
    return false;
  }
  return true;
}"""
# The input, select or box that a label is of; the words that stand before it name it.
FIELD = """const field = (label) => [...panel.querySelectorAll('label')]
  .find((one) => one.querySelector('span').textContent === label).querySelector('input, select')"""
NAMED = f"(label) => {{ const panel = {ROOT}; {FIELD}; return (field(label).id ||= `test-${{Math.random()}}`); }}"
VALUE = f"""(label) => {{
  const panel = {ROOT};
  {FIELD};
  const it = field(label);
  return it.type === 'checkbox' ? it.checked : it.value;
}}"""
CHOSEN = f"""([label, words]) => {{
  const panel = {ROOT};
  {FIELD};
  const select = field(label);
  select.value = [...select.options].find((one) => one.textContent === words).value;
  select.dispatchEvent(new Event('change', {{ bubbles: true }}));
}}"""
TICKED = f"""([label, on]) => {{
  const panel = {ROOT};
  {FIELD};
  if (field(label).checked !== on) field(label).click();
}}"""
# One that is seen, which may have to be waited for.
PRESSED = f"""(words) => {{
  const buttons = [...{ROOT}.querySelectorAll('button')];
  const button = buttons.find((one) => (one.textContent.trim() || one.title) === words);
  if (!button?.getClientRects().length) return false;
  button.click();
  return true;
}}"""
SHOWN = """(words) => [...document.querySelectorAll('#newage_settings .newage-status, #newage_settings .newage-note')]
  .some((one) => one.textContent.includes(words))"""
JOBS = """() => [...document.querySelectorAll('#newage_settings .newage-job')].map((one) => {
  const words = ['span', 'small'].map((name) => one.querySelector(name).textContent);
  return [...words, one.querySelector('i').title];
})"""


class Panel:
    """The drawer of the extension on a desk. Fields and buttons are called by what stands on them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def open(self) -> Panel:
        self.desk.wait(OPENED)
        return self

    def reload(self) -> Panel:
        """SillyTavern is loaded again, with what it has stored until now."""
        self.desk.save_settings()
        self.desk.reload()
        self.desk.ready()
        return self.open()

    @property
    def address(self) -> str:
        """Of the hub that it is at."""
        found: str = self.desk.context("context.extensionSettings.newage.address")
        return found

    def enter(self, label: str, text: str, key: str = "Tab") -> None:
        """Type into a field and leave it, or press another key in it."""
        name = self.desk.run(NAMED, label)
        self.desk.fill(f'[id="{name}"]', text)
        self.desk.do("press", key=key)

    def value(self, label: str) -> Any:
        """Of a field; whether a box is ticked."""
        return self.desk.run(VALUE, label)

    def choose(self, label: str, words: str) -> None:
        self.desk.run(CHOSEN, [label, words])

    def tick(self, label: str, on: bool = True) -> None:
        self.desk.run(TICKED, [label, on])

    def press(self, button: str) -> None:
        self.desk.wait(PRESSED, button)

    def shows(self, words: str) -> None:
        self.desk.wait(SHOWN, words)

    @property
    def linked(self) -> str:
        """Which room is served in which chat."""
        return str(self.desk.run("() => document.querySelector('#newage_settings .newage-linked').textContent"))

    @property
    def jobs(self) -> list[tuple[str, str, str]]:
        """What is answered, and what waits: the room, where, and which of both."""
        return [tuple(row) for row in self.desk.run(JOBS)]

    def wait_jobs(self, *rows: tuple[str, str, str]) -> None:
        wanted = f"(rows) => JSON.stringify(({JOBS})()) === JSON.stringify(rows)"
        self.desk.wait(wanted, [list(row) for row in rows])
