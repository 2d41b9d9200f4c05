"""The panel on a narrow screen, in the languages that it knows: nothing is cut, nothing stays English."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from desk import Desk
from panel import Panel
from tab import Browser
from tavern import SillyTavern

WIDTH = 360  # CSS pixels of a small phone
# Elements that stand out of the screen or of the panel, or hold what is wider than they are.
TOO_WIDE = """() => {
  const drawer = document.getElementById('newage_drawer');
  const edge = drawer.getBoundingClientRect().right + 0.5;
  const elements = [drawer, ...drawer.querySelectorAll('*')].filter((one) => one.getClientRects().length > 0);
  const out = (one) => one.getBoundingClientRect().right > Math.min(edge, innerWidth);
  const cut = (one) => !['INPUT', 'SELECT', 'I'].includes(one.tagName) && one.scrollWidth > one.clientWidth + 1
    && getComputedStyle(one).display !== 'inline';
  return elements.filter((one) => out(one) || cut(one)).map((one) => `${one.className}: ${one.textContent}`);
}"""
# Every word of the panel, also of what is hidden now; characters' names and what was entered are others'.
WORDS = """() => {
  const panel = document.getElementById('newage_settings');
  const words = [];
  const walker = document.createTreeWalker(panel, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const at = walker.currentNode.parentElement;
    if (!at.closest('.newage-characters, .newage-foot, option:not([value=""])')) words.push(walker.currentNode.data);
  }
  for (const option of panel.querySelectorAll('select option')) {
    if (!option.value.endsWith('.png')) words.push(option.textContent);
  }
  for (const one of panel.querySelectorAll('[title], [placeholder]')) words.push(one.title, one.placeholder ?? '');
  return [...new Set(words.map((one) => one.trim()))];
}"""
# Of all that is hidden now, what a state shows: laid open at once, so that the widest is seen.
ALL_SHOWN = """() => {
  for (const one of document.querySelectorAll('#newage_settings [hidden]')) one.hidden = false;
}"""
CHINESE = "\u4e00", "\u9fff"
NOT_WORDS = {"newage", "monitor, my-script", "000000"}


@pytest.fixture
def narrow(request: pytest.FixtureRequest, tavern: SillyTavern, browser: Browser) -> Iterator[Panel]:
    """On a phone, in the language of the test, which is chosen in SillyTavern."""
    chosen = [{"name": "language", "value": request.param}]
    stored = {"cookies": [], "origins": [{"origin": tavern.url.rstrip("/"), "localStorage": chosen}]}
    size = {"width": WIDTH, "height": 800}
    with closing(Desk.sit_down(browser, tavern.url, viewport=size, storageState=stored)) as desk:
        yield Panel(desk).open()


@pytest.mark.parametrize("narrow", ["en", "zh-cn", "zh-tw"], indirect=True, ids=lambda language: str(language))
def test_nothing_is_wider_than_a_phone_and_all_is_translated(narrow: Panel, request: pytest.FixtureRequest) -> None:
    language = request.node.callspec.params["narrow"]
    desk = narrow.desk
    desk.wait("() => document.querySelector('#newage_settings .newage-light').dataset.state === 'on'")
    words = [word for word in desk.run(WORDS) if word and word not in NOT_WORDS]
    words = [word for word in words if not word.startswith(("http://", "SillyTavern-"))]
    assert len(words) > 30
    english = [word for word in words if not any(CHINESE[0] <= letter <= CHINESE[1] for letter in word)]
    assert english == (words if language == "en" else [])
    desk.run(ALL_SHOWN)
    assert desk.run(TOO_WIDE) == []
