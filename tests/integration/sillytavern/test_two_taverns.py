"""Two SillyTaverns at one hub, one of which dies before or after its first token (contract 5.8, 6.2).

A hub of their own: the policy is the whole hub's. Once for each policy; ``make nightly`` plays all deaths.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from asking import ask, end_of, extension_id, newcomer, text_of
from desk import Desk
from fake_model import FakeModel, Script
from fault_proxy import FaultProxy
from harness import Daemon, Driver, Hub, Socket
from tab import Browser
from tavern import SillyTavern

GRACE = "[sessions]\nextension_grace_ms = 1000\nextension_resume_grace_ms = 1000\n"
SERVES = "() => document.querySelector('.newage-state')?.textContent === 'Connected'"
AT_ONCE = 4  # questions that one extension answers aside
LATE = 60.0  # seconds: clients/js tries every 1-5 s

NIGHTLY = bool(os.environ.get("NEWAGE_NIGHTLY"))


@dataclass(eq=False)
class Seat:
    """A SillyTavern with a model of its own, on a line of its own to the hub, in its tab."""

    tavern: SillyTavern
    model: FakeModel
    line: FaultProxy
    browser: Browser
    desk: Desk | None = None

    @property
    def id(self) -> str:
        return extension_id(self.tavern)

    def close_tab(self) -> None:
        assert self.desk is not None
        self.desk.close()
        self.desk = None

    def kill(self) -> None:
        """SillyTavern's server; its page stays, and hears of it by what it asks of that."""
        assert self.tavern.process is not None
        self.tavern.process.kill()
        self.tavern.process.wait()

    def cut(self) -> None:
        self.line.cut()

    def revive(self) -> None:
        """Whatever it died of, it serves."""
        self.line.heal()
        if self.tavern.process is None or self.tavern.process.poll() is not None:
            self.tavern.start()
            if self.desk is not None:
                self.close_tab()
        if self.desk is None:
            self.desk = Desk.sit_down(self.browser, self.tavern.url)
        self.desk.wait(SERVES, timeout=LATE)


DEATHS = {"tab-closed": Seat.close_tab, "killed": Seat.kill, "line-cut": Seat.cut}


@pytest.fixture(scope="module")
def pair_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("pair-hub")
    (folder / "newage.toml").write_text(GRACE, "utf-8")
    with Daemon(folder / "home", "--config", str(folder / "newage.toml")) as daemon:
        yield daemon


def seat(stack: ExitStack, data: Path, hub: Daemon, browser: Browser) -> Seat:
    model = stack.enter_context(closing(FakeModel()))
    line = stack.enter_context(FaultProxy(hub.port))
    address = {"extension_settings": {"newage": {"address": line.url}}}
    tavern = SillyTavern(data, model.url, settings=address)
    tavern.add_character("Ann")
    tavern.add_extension()
    stack.callback(tavern.stop)
    return Seat(tavern, model, line, browser)


@pytest.fixture(scope="module")
def seats(pair_hub: Daemon, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Seat]]:
    """In the order in which they came to the hub."""
    with ExitStack() as stack:
        seats = [seat(stack, tmp_path_factory.mktemp("pair") / "data", pair_hub, browser) for _ in range(2)]
        with ThreadPoolExecutor() as pool:
            list(pool.map(SillyTavern.start, [one.tavern for one in seats]))
        for one in seats:
            one.revive()
        yield seats
        for one in seats:
            if one.desk is not None:
                one.close_tab()


@pytest.fixture
def pair(seats: list[Seat], pair_hub: Daemon, driver: Driver) -> Iterator[tuple[Hub, Seat, Seat]]:
    """Both serve, and know nothing of earlier tests."""
    for one in seats:
        one.model.reset()
        one.revive()
    first, second = seats
    yield Hub(pair_hub, driver), first, second
    for one in seats:
        one.model.reset()
    driver.reset()
    pair_hub.check_log()


def under(policy: str, hub: Hub) -> Socket:
    """An administrator, who has set it."""
    chief = hub.monitor("/rooms")
    assert chief.call("SET_CONNECTION_POLICY", {"policy": policy})["policy"] == policy
    return chief


def serving(chief: Socket, room: str) -> list[str]:
    """Which extensions a room has."""
    found: list[str] = chief.call("GET_ASSIGNMENTS", {})["assignments"][room]
    return found


def words_of(who: Socket) -> list[str]:
    return [message["data"] for message in who.call("GET_MESSAGES", {})["messages"]]


def chosen(chief: Socket, room: str, first: Seat, second: Seat) -> tuple[Seat, Seat]:
    """Who is asked of a room, and the other."""
    return (first, second) if serving(chief, room)[0] == first.id else (second, first)


def test_balanced_rooms_are_spread_and_under_failover_the_first_answers_all(pair: tuple[Hub, Seat, Seat]) -> None:
    hub, *both = pair
    for number, one in enumerate(both):
        one.model.answers(Script(tokens=("It is ", f"{number}.")))
    chief = under("Balanced", hub)
    people = [newcomer(hub) for _ in both]
    assert sorted(serving(chief, me)[0] for me, _ in people) == sorted(one.id for one in both)
    for me, who in people:
        number = [one.id for one in both].index(serving(chief, me)[0])
        assert end_of(who, ask(who, hub, None, "Which?"))["data"] == f"It is {number}."
    under("Failover", hub)
    for _, who in people:
        assert end_of(who, ask(who, hub, None, "And now?"))["data"] == "It is 0."
    assert [len(one.model.requests) for one in both] == [3, 1]


BEFORE = [
    ("Failover", "line-cut"),
    *(
        [("Failover", "killed"), ("Failover", "tab-closed"), ("Balanced", "tab-closed"), ("Balanced", "line-cut")]
        * NIGHTLY
    ),
]


@pytest.mark.parametrize(("policy", "death"), BEFORE, ids=map("-".join, BEFORE))
def test_who_dies_before_the_first_token_is_replaced_by_the_other(
    pair: tuple[Hub, Seat, Seat], policy: str, death: str
) -> None:
    hub, *both = pair
    chief = under(policy, hub)
    me, who = newcomer(hub)
    dying, other = chosen(chief, me, *both)
    dying.model.answers(Script(tokens=("never",), held_after=0))
    other.model.answers(Script(tokens=("The ", "other ", "one.")))
    wish = {"failover": True} if policy == "Balanced" else {}  # Failover moves it by itself
    request_id = ask(who, hub, None, "Are you there?", **wish)
    dying.model.wait_asked()
    DEATHS[death](dying)
    moved = who.payload(
        "REQUEST_STATUS_UPDATE", lambda body: (body["requestId"], body["status"]) == (request_id, "rerouted")
    )
    assert (moved["from"], moved["to"]) == (dying.id, other.id)
    end = end_of(who, request_id)
    assert (end["data"], end["failed"], end["identity"]) == ("The other one.", False, other.id)
    dying.model.release()  # where only its line was down, it answers after all
    dying.revive()
    dying.model.wait_idle()
    assert text_of(who, request_id) == "The other one."
    assert words_of(who) == ["Are you there?", "The other one."]
    assert len(other.model.requests) == 1


AFTER = [
    ("Balanced", "line-cut"),
    *([("Balanced", "killed"), ("Balanced", "tab-closed")] * NIGHTLY),
    *([("Failover", death) for death in DEATHS] * NIGHTLY),
]


@pytest.mark.parametrize(("policy", "death"), AFTER, ids=map("-".join, AFTER))
def test_who_dies_after_the_first_token_leaves_what_it_said_and_nothing_else(
    pair: tuple[Hub, Seat, Seat], policy: str, death: str
) -> None:
    hub, *both = pair
    chief = under(policy, hub)
    me, who = newcomer(hub)
    dying, other = chosen(chief, me, *both)
    dying.model.answers(Script(tokens=("kept", " never"), held_after=1))
    request_id = ask(who, hub, None, "Go on for long", failover=True)
    who.wait("SERVER_STREAM_DATA", lambda body: body["data"] == "kept")
    DEATHS[death](dying)
    end = end_of(who, request_id)
    assert (end["data"], end["failed"], end["partial"], end["identity"]) == ("kept", True, True, dying.id)
    dying.model.release()
    dying.revive()
    dying.model.wait_idle()
    assert text_of(who, request_id) == "kept"
    assert words_of(who) == ["Go on for long", "kept"]
    assert other.model.requests == []


if NIGHTLY:

    def test_balanced_one_that_is_at_its_limit_says_so_and_rooms_of_the_other_do_not_wait(
        pair: tuple[Hub, Seat, Seat],
    ) -> None:
        hub, full, free = pair
        chief = under("Balanced", hub)
        people = [newcomer(hub) for _ in range(2 * AT_ONCE + 2)]  # one room more each than it answers at once
        mine = [who for me, who in people if serving(chief, me)[0] == full.id]
        others = [who for me, who in people if serving(chief, me)[0] == free.id]
        assert len(mine) == len(others) == AT_ONCE + 1
        full.model.answers(Script(tokens=("held ", "back"), held_after=1))
        free.model.answers(Script(tokens=("at once",)))
        waiting = [ask(who, hub, None, "Which star is that?") for who in mine]
        full.model.wait_asked(AT_ONCE)
        for who in others:
            assert end_of(who, ask(who, hub, None, "And that one?"))["data"] == "at once"
        late = mine[-1]
        told = late.payload("REQUEST_STATUS_UPDATE", lambda body: body["status"] == "queued")
        assert told["message"] == "Too much at once."
        assert len(full.model.requests) == AT_ONCE
        full.model.release()
        full.model.answers(Script(tokens=("at last",)))
        for who, request_id in zip(mine, waiting, strict=True):
            assert end_of(who, request_id)["data"] == ("at last" if who is late else "held back")
