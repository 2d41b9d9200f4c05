"""The hub is restarted in mid-answer and away for a while (contract 5.3, 5.8; A22, A35): clients/js on both sides."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest
from harness import PATIENCE, Daemon, Driver, Hub, Witness, free_port, until
from homes import written

RESTARTED = "The server was restarted."
AWAY = 20 if os.environ.get("NEWAGE_NIGHTLY") else 1  # seconds
BACK = 10.0  # seconds after the hub, the extension is
TARGET = "SillyTavern-8000"
TOKENS = [f"{number} 😀é客 " for number in range(60)]


def served(daemon: Daemon, driver: Driver) -> tuple[Witness, Witness]:
    """An extension in the middle of its answer to ``r0``, while ``r1`` waits for its turn; and who asked."""
    extension, me = Witness(driver, "extension"), Witness(driver, "me")
    how = {"clientId": TARGET, "features": ["accept", "cancel", "reasoning", "reset", "resume"]}
    driver.do("js_serve", name="extension", url=daemon.url, how=how, tokens=TOKENS, gap=50)
    driver.do("js_client", name="me", url=daemon.url, how={"clientId": "me"})
    for key in ("r0", "r1"):
        driver.do("js_ask", name="me", text=f"question {key}", how={"requestId": key, "target": TARGET})
    me.wait("@piece", lambda _, piece: TOKENS[40] in piece)  # a second's worth is written down, a second ago at best
    until(lambda: TOKENS[5] in written(daemon.home), "what it has to keep is written down")
    return extension, me


def back(daemon: Daemon, extension: Witness) -> None:
    """The hub is there again after a while, and its extension within ``BACK`` of it."""
    time.sleep(AWAY)  # what is tested
    ups = len(extension.all("@state", lambda state, _: state == "connected"))
    daemon.start()
    extension.wait("@state", lambda state, _: state == "connected", count=ups + 1, timeout=BACK)


def answer(me: Witness, key: str) -> tuple[str, str | None]:
    """Its text and why it failed, as told to who asked."""
    _, text, failure = me.wait("@answer", lambda other, *_: other == key, timeout=PATIENCE).args
    return text, failure


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM], ids=lambda sign: sign.name)
def test_amendment_35_what_waits_is_asked_after_the_restart(
    make_daemon: Callable[..., Daemon], driver: Driver, sign: signal.Signals
) -> None:
    """A killed hub's answer under way fails in words, with its text kept; a stopped hub lets it come to its end."""
    daemon = make_daemon("--port", str(free_port()))
    extension, me = served(daemon, driver)
    killed = sign is signal.SIGKILL
    if killed:
        daemon.kill()
    else:
        daemon.stop(sign)
    back(daemon, extension)
    text, failure = answer(me, "r0")
    whole = "".join(TOKENS)
    assert failure == (RESTARTED if killed else None)
    assert text == whole + "question r0" if not killed else whole.startswith(text)
    assert answer(me, "r1") == (whole + "question r1", None)
    assert [each.first for each in extension.all("@request")] == ["r0", "r1"]
    history = Hub(daemon, driver).client("me").call("GET_MESSAGES", {})["messages"]
    first, second = (each for each in history if each["fromLlm"])
    assert (first["requestId"], first.get("failed", False), first.get("partial", False)) == ("r0", killed, killed)
    assert TOKENS[5] in first["data"]
    assert text.startswith(first["data"])
    assert (second["requestId"], second["data"]) == ("r1", whole + "question r1")
