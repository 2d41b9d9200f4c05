"""Lines, tabs, hubs and models that go while a real SillyTavern answers (contract 5.3, 5.8; A22, A35)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asking import ask, bind, end_of, extension_id, newcomer, text_of, wait_available
from desk import Desk
from fake_model import FOR_EVER, FakeModel, Script
from fault_proxy import FaultProxy
from harness import PATIENCE, POLLING, WEBSOCKET, Daemon, Driver, Hub, Witness, free_port
from tavern import SillyTavern

NIGHTLY = bool(os.environ.get("NEWAGE_NIGHTLY"))
CUT_OFF = 5.0 if NIGHTLY else 1.0  # seconds
AWAY = (0, 20) if NIGHTLY else (0,)  # seconds
LOST = (1, 10, 60) if NIGHTLY else (1,)  # seconds
BACK = 10.0  # seconds after the hub, the extension is
TOKENS = ("Kept ", "too ", "客😀 ", "then ", "more, ", "end.")
WHOLE = "".join(TOKENS)
HALF = Script(tokens=TOKENS, held_after=3)
# What a browser does to a page whose tab is behind another: Chromium without a window keeps all of them in front.
BEHIND = """() => {
  const real = globalThis.newageTimeout = globalThis.setTimeout;
  globalThis.setTimeout = (run, ms = 0, ...given) => real(run, Math.ceil(Math.max(ms, 1) / 1000) * 1000, ...given);
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => true });
  Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => 'hidden' });
  document.dispatchEvent(new Event('visibilitychange'));
}"""
IN_FRONT = """() => {
  globalThis.setTimeout = globalThis.newageTimeout;
  delete document.hidden;
  delete document.visibilityState;
  document.dispatchEvent(new Event('visibilitychange'));
}"""
PATIENT = "context.extensionSettings.newage.patience = given"


class Question:
    """Somebody who asks, once, in a room of his own; in the chat that stands open when he is ``linked``."""

    def __init__(self, hub: Hub, desk: Desk, target: str) -> None:
        self.me, self.who = newcomer(hub)
        self._hub, self._desk, self._target = hub, desk, target

    def linked(self) -> Question:
        self._desk.open_chat("Ann")
        bind(self._desk, self.me)
        return self

    def asks(self, words: str) -> str:
        return ask(self.who, self._hub, self._target, words)

    def half(self, key: str) -> None:
        """Its answer has begun."""
        self.who.wait("SERVER_STREAM_DATA", lambda body: body["requestId"] == key and "Kept" in body["data"])

    def error(self, key: str) -> str:
        found: str = self.who.payload("ERROR", lambda body: body["requestId"] == key)["message"]
        return found

    @property
    def history(self) -> list[Any]:
        found: list[Any] = self.who.call("GET_MESSAGES", {})["messages"]
        return found


@pytest.fixture
def question(served: tuple[Hub, Desk], tavern: SillyTavern) -> Callable[[], Question]:
    hub, desk = served
    return lambda: Question(hub, desk, extension_id(tavern))


@pytest.fixture
def patience(served: tuple[Hub, Desk]) -> Iterator[Callable[..., None]]:
    """For how many milliseconds the extension waits for its model."""
    yield lambda **limits: served[1].context(PATIENT, limits)
    served[1].context(PATIENT, {})


MODES = pytest.mark.parametrize("chat", [False, True], ids=["headless", "chat"])


@MODES
def test_a_line_that_is_cut_off_in_mid_answer_costs_no_token(
    served: tuple[Hub, Desk],
    question: Callable[[], Question],
    tavern_line: FaultProxy,
    model: FakeModel,
    chat: bool,
) -> None:
    model.answers(HALF)
    one = question().linked() if chat else question()
    key = one.asks("Go on")
    one.half(key)
    tavern_line.cut()
    model.release()
    model.wait_idle()
    time.sleep(CUT_OFF)  # what is tested
    tavern_line.heal()
    end = end_of(one.who, key)
    assert (end["data"], end["failed"], end["stored"]) == (WHOLE, False, True)
    assert text_of(one.who, key) == WHOLE
    assert [message["data"] for message in one.history if message["fromLlm"]] == [WHOLE]
    if chat:
        assert served[1].texts[-1] == WHOLE


@MODES
def test_a_hidden_tab_answers(
    served: tuple[Hub, Desk], question: Callable[[], Question], model: FakeModel, chat: bool
) -> None:
    desk = served[1]
    model.answers(Script(tokens=TOKENS, gap=0.02))
    one = question().linked() if chat else question()
    desk.run(BEHIND)
    try:
        key = one.asks("Behind the curtain?")
        assert end_of(one.who, key)["data"] == text_of(one.who, key) == WHOLE
    finally:
        desk.run(IN_FRONT)


SILENCES = {
    "before the first token": (Script(first_after=FOR_EVER), "The model did not begin to answer."),
    "between tokens": (HALF, "The model fell silent."),
    "cut": (Script(tokens=TOKENS[:3], then="cut"), ""),
}


@MODES
@pytest.mark.parametrize("name", SILENCES)
def test_who_asked_hears_that_the_model_is_silent(
    question: Callable[[], Question], patience: Callable[..., None], model: FakeModel, name: str, chat: bool
) -> None:
    script, words = SILENCES[name]
    model.answers(script)
    patience(first=1500 if script.first_after else 60_000, next=1500, stop=1000)
    one = question().linked() if chat else question()
    key = one.asks("Anything?")
    heard = one.error(key)
    assert heard == words if words else heard
    model.wait_idle()
    if script.first_after == 0:
        assert end_of(one.who, key)["failed"] is True
        (answer,) = (message for message in one.history if message["fromLlm"])
        assert (answer["data"].strip(), answer["failed"], answer["partial"]) == ("Kept too 客😀", True, True)


if NIGHTLY:

    @MODES
    @pytest.mark.timeout(400)
    def test_the_limits_are_120_and_45_seconds(question: Callable[[], Question], model: FakeModel, chat: bool) -> None:
        for script, seconds in ((SILENCES["before the first token"][0], 120), (HALF, 45)):
            model.answers(script)
            one = question().linked() if chat else question()
            begun = time.monotonic()
            key = one.asks("Anything?")
            one.who.wait("ERROR", lambda body, key=key: body["requestId"] == key, timeout=seconds + 20)
            assert seconds - 1 < time.monotonic() - begun < seconds + 15


def test_a_stopped_answer_in_the_chat_frees_the_model(
    served: tuple[Hub, Desk], question: Callable[[], Question], model: FakeModel
) -> None:
    model.answers(HALF)
    one = question().linked()
    key = one.asks("Go on for long")
    one.half(key)
    assert one.who.call("CANCEL_REQUEST", {"requestId": key})["status"] == "ok"
    model.wait_idle()
    assert [asked.state for asked in model.requests] == ["gone"]
    end = end_of(one.who, key)
    assert (end["cancelled"], end["partial"]) == (True, True)
    assert served[1].texts[-1].startswith("Kept")


@MODES
def test_an_answer_is_kept_for_who_went_away(
    served: tuple[Hub, Desk], question: Callable[[], Question], model: FakeModel, chat: bool
) -> None:
    model.answers(HALF)
    one = question().linked() if chat else question()
    key = one.asks("I have to go")
    one.half(key)
    one.who.close_engine()
    model.release()
    model.wait_idle()
    one.who = served[0].client(one.me, auth={"outputs": True})
    if one.history[-1]["data"] != WHOLE:
        end_of(one.who, key)
    assert one.history[-1]["data"] == WHOLE


def test_a_tab_that_is_loaded_again_fails_what_it_began_and_answers_what_waits(
    served: tuple[Hub, Desk], question: Callable[[], Question], model: FakeModel
) -> None:
    desk = served[1]
    model.answers(HALF, Script(tokens=("The second.",)))
    one = question().linked()
    desk.save_settings()
    first, second = one.asks("First?"), one.asks("Second?")
    one.half(first)
    desk.reload()
    assert one.error(first) == "SillyTavern was closed, or loaded again."
    desk.ready()
    end = one.who.payload("SERVER_STREAM_END", lambda body: body["requestId"] == second, timeout=60)
    assert (end["data"], end["failed"]) == ("The second.", False)
    answers = {message["requestId"]: message for message in one.history if message["fromLlm"]}
    assert answers[first]["data"].startswith("Kept")
    assert (answers[first]["failed"], answers[first]["partial"]) == (True, True)
    assert desk.texts.count("Second?") == 1
    assert sum("Second?" in asked.words for asked in model.requests) == 1


AWAY_TABS = [0.0, *([5.0] * NIGHTLY)]  # seconds; 0: it is loaded again


@pytest.mark.parametrize("away", AWAY_TABS)
def test_a_tab_that_goes_before_the_first_token_is_asked_again_and_answers_once(
    served: tuple[Hub, Desk], question: Callable[[], Question], tavern: SillyTavern, model: FakeModel, away: float
) -> None:
    desk = served[1]
    model.answers(Script(first_after=FOR_EVER), Script(tokens=TOKENS, gap=0.02))
    one = question().linked()
    desk.save_settings()
    words = f"Are you there, {one.me}?"
    key = one.asks(words)
    model.wait_asked()
    if away:
        desk.close()
        time.sleep(away)  # what is tested
        desk.come_back(tavern.url)
    else:
        desk.reload()
        desk.ready()
    end = one.who.payload("SERVER_STREAM_END", lambda body: body["requestId"] == key, timeout=60)
    assert (end["data"], end["failed"], end["stored"]) == (WHOLE, False, True)
    assert text_of(one.who, key) == WHOLE
    assert one.who.all("ERROR") == []
    assert [message["data"] for message in one.history] == [words, WHOLE]
    assert desk.texts[-2:] == [words, WHOLE]
    assert desk.texts.count(words) == 1
    model.wait_idle()
    assert [asked.state for asked in model.requests] == ["gone", "done"]


@pytest.fixture
def own_hub(
    served: tuple[Hub, Desk], make_daemon: Callable[..., Daemon], tavern_hub: Daemon, tavern_line: FaultProxy
) -> Iterator[Daemon]:
    """A hub that a test may end and start; the shared SillyTavern is connected to it meanwhile."""
    daemon = make_daemon("--port", str(free_port()))
    aim(tavern_line, daemon)
    yield daemon
    aim(tavern_line, tavern_hub)


def aim(line: FaultProxy, daemon: Daemon) -> None:
    assert daemon.log is not None
    since = len(daemon.log.lines)
    line.aim(daemon.port)
    wait_available(daemon, since)


@pytest.mark.parametrize("away", AWAY)
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM], ids=lambda sign: sign.name)
def test_a_hub_that_is_restarted_fails_what_was_begun_and_asks_what_waits_once(
    own_hub: Daemon, driver: Driver, tavern: SillyTavern, model: FakeModel, sign: signal.Signals, away: int
) -> None:
    hub, target = Hub(own_hub, driver), extension_id(tavern)
    me, who = newcomer(hub)
    tokens = [f"{number} 😀é客 " for number in range(60)]
    killed = sign is signal.SIGKILL
    model.answers(Script(tokens=tokens, gap=0.05 if killed else 0, held_after=50))
    begun = [ask(who, hub, target, f"Begun {number}") for number in range(4)]  # as many as it answers at once
    for key in begun:  # of the killed hub: a second's worth was written down, a second ago
        who.wait(
            "SERVER_STREAM_DATA", lambda body, key=key: body["requestId"] == key and tokens[40].strip() in body["data"]
        )
    model.answers(Script(tokens=("Late.",)), to="Waiting")
    waiting = [ask(who, hub, target, "Waiting 0")]
    who.wait("REQUEST_STATUS_UPDATE", lambda body: (body["requestId"], body["status"]) == (waiting[0], "queued"))
    waiting.append(ask(who, hub, target, "Waiting 1"))
    if killed:
        own_hub.kill()
    else:
        own_hub.stop(sign)
    time.sleep(away)  # what is tested
    own_hub.start()
    again = Hub(own_hub, driver).client(me, auth={"outputs": True})
    wait_available(own_hub, within=BACK)
    for key in begun:
        error = (again if killed else who).payload("ERROR", lambda body, key=key: body["requestId"] == key)
        assert error["message"] == ("The server was restarted." if killed else "The server is stopping.")
    for key in waiting:
        assert (end_of(again, key)["data"], text_of(again, key)) == ("Late.", "Late.")
    model.wait_idle()  # nobody wants the rest of what was begun
    asked = [each.words.splitlines()[-1] for each in model.requests]
    assert sorted(asked) == [*(f"Begun {number}" for number in range(4)), "Waiting 0", "Waiting 1"]
    history = again.call("GET_MESSAGES", {})["messages"]
    answers = {message["requestId"]: message for message in history if message["fromLlm"]}
    assert sorted(answers) == sorted([*begun, *waiting])
    for key in begun:
        assert (answers[key]["failed"], answers[key]["partial"]) == (True, True)
        assert "".join(tokens).startswith(answers[key]["data"]) and tokens[5] in answers[key]["data"]


@pytest.mark.parametrize("transports", [POLLING, WEBSOCKET], ids="-".join)
@pytest.mark.parametrize("seconds", LOST)
def test_a_client_that_lost_its_line_has_every_word(
    served: tuple[Hub, Desk],
    tavern: SillyTavern,
    model: FakeModel,
    patience: Callable[..., None],
    seconds: int,
    transports: tuple[str, ...],
) -> None:
    hub, _ = served
    patience(next=(seconds + PATIENCE) * 2000)  # the model is held for as long as the line is cut
    tokens = [f"{number} 😀é客 " for number in range(60)]
    model.answers(Script(tokens=[*tokens, "end."], held_after=50, gap=0.01))
    me = Witness(hub.driver, hub.new_id("lost"))
    with FaultProxy(hub.daemon.port) as line:
        how: dict[str, Any] = {"clientId": me.name, "options": {"transports": list(transports)}}
        hub.driver.do("js_client", name=me.name, url=line.url, how=how)
        wish = {"requestId": me.name, "target": extension_id(tavern)}
        hub.driver.do("js_ask", name=me.name, text="Go on", how=wish)
        me.wait("@piece", lambda _, piece: tokens[9][:3] in piece)
        line.cut()
        time.sleep(seconds)  # what is tested
        line.heal()
        me.wait("@piece", lambda _, piece: tokens[48][:3] in piece, timeout=30)
        model.release()
        assert me.wait("@answer", timeout=PATIENCE).args[1:] == ["".join(tokens) + "end.", None]
    assert "".join(record.args[1] for record in me.all("@piece")) == "".join(tokens) + "end."
