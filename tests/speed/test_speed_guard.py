"""A guard of speed that no noise disturbs: what a token and an echo cost, in counts instead of times (``scenes.py``).

The counts are the same in each run, on each machine and on each CPython from 3.11 to 3.13, so a bound is the count and
less than one call more: a call, a Deferred, a log line, a copy or a write that comes to each token turns this red.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from scenes import ROOT, SCENES, TIMES, Cost, make_house, measure
from speedkit import House, HubHouse, Stream
from twisted.internet.defer import Deferred
from twisted.logger import Logger

import newage

HERE = Path(__file__).parent

SLACK = 0.5  # calls of a round that are forgiven
OTHERS = 1.05  # Twisted's own calls may change with its version
ALLOCATIONS = 1.5  # that are forgiven; a new CPython has one more or less


@pytest.fixture
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """The house of a scene."""
    house = make_house(request.param, tmp_path)
    yield house
    house.close()


def excess(cost: Cost, bound: Cost) -> dict[str, float]:
    """What is beyond the bound, and by how much."""
    over = {
        "python": cost.python - bound.python - SLACK,
        "c": cost.c - bound.c - SLACK,
        "every": cost.every - bound.every * OTHERS,
        "sends": cost.sends - bound.sends,
        "sent": cost.sent - bound.sent - SLACK,
    }
    return {name: value for name, value in over.items() if value > 0}


def spoken(calls: Counter[str]) -> str:
    return "\n".join(f"{count / TIMES:9.3f} {name}" for name, count in calls.most_common())


@pytest.mark.parametrize(("name", "house"), [(name, name) for name in SCENES], indirect=["house"], ids=list(SCENES))
def test_a_round_costs_no_more_than_it_did(name: str, house: House) -> None:
    scene = SCENES[name]
    cost, tally = measure(*scene.start(house))
    lists = f"Python:\n{spoken(tally.python(ours=True))}\nC:\n{spoken(tally.c)}"
    assert not excess(cost, scene.cost), f"{name}: {cost}, and it was {scene.cost}; calls of a round:\n{lists}"
    assert tally.system == {
        "epoll_wait": scene.turns * TIMES,
        "recvfrom": scene.turns // 2 * TIMES,
        "sendto": cost.sends * TIMES,
    }


@pytest.mark.parametrize("house", ["token"], indirect=True)
def test_a_token_leaves_nothing_behind_but_its_text(house: HubHouse) -> None:
    stream = Stream(house, 3)

    def blocks(tokens: int) -> int:
        before = sys.getallocatedblocks()
        for _ in range(tokens):
            stream.tokens(1, nullcontext())
        return sys.getallocatedblocks() - before

    blocks(100)
    assert min(blocks(200) for _ in range(3)) < 20, "objects that 200 tokens left; it were 1 to 6"


def allocations(*args: str) -> dict[str, float]:
    command = [sys.executable, str(HERE / "allocations.py"), *args]
    where = {**os.environ, "PYTHONPATH": str(Path(newage.__file__).parents[1])}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=where, timeout=100)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def test_no_round_allocates_more_than_it_did() -> None:
    found = allocations()
    bounds = {name: scene.allocations for name, scene in SCENES.items()}
    assert found.keys() == bounds.keys()
    assert {name: count for name, count in found.items() if count > bounds[name] + ALLOCATIONS} == {}, bounds


def test_the_document_says_the_same() -> None:
    text = (ROOT / "docs" / "performance.md").read_text("utf-8")

    def of(scene: str) -> list[float]:
        cost = SCENES[scene].cost
        return [cost.python, cost.c, SCENES[scene].allocations, cost.sends, cost.sent]

    told = []
    for one, ten in ((of("token"), of("token to 10")), (of("token, followed"), of("token to 10, followed"))):
        each_more = [(many - few) / 9 for few, many in zip(one, ten, strict=True)]
        told.append(" | ".join(f"{few:,.0f} (+{more:.0f})" for few, more in zip(one, each_more, strict=True)))
    told += [" | ".join(f"{value:,.0f}" for value in of(scene)) for scene in ("token, reference extension", "echo")]
    assert [line for line in told if f"| {line} |" not in text] == []


# ---------------------------------------------------------------------------------------------- the guard does guard


def test_one_copy_of_each_tokens_text_is_found() -> None:
    assert allocations("--copy", "token")["token"] > SCENES["token"].allocations + ALLOCATIONS


def spoil(house: HubHouse, extra: str) -> None:
    """Have this happen with each token, too; what it does counts as newage's."""
    streams: Any = house.core.talk.streams
    source = f"def stream_data(*args):\n    {extra}\n    return kept(*args)\n"
    names: dict[str, Any] = {"kept": streams.stream_data, "log": Logger(), "Deferred": Deferred, "hub": house.core.hub}
    exec(compile(source, str(Path(newage.__file__).parent / "spoilt.py"), "exec"), names)
    streams.stream_data = names["stream_data"]


@pytest.mark.parametrize("house", ["token"], indirect=True)
def test_one_call_more_for_each_token_is_found(house: HubHouse) -> None:
    spoil(house, "pass")
    cost, _ = measure(*SCENES["token"].start(house))
    assert excess(cost, SCENES["token"].cost) == {"python": pytest.approx(SLACK, abs=0.1)}


@pytest.mark.parametrize("house", ["token"], indirect=True)
@pytest.mark.parametrize(
    ("extra", "found"),
    [
        ("Deferred()", {"python"}),
        ("log.debug('a token')", {"python"}),
        ("len(args)", {"c"}),
        ("args = (*args[:-1], args[-1] + '.')", {"sent"}),
        ("hub.emit('nobody', 'MORE', args[-1])", {"python", "c"}),
    ],
)
def test_whatever_is_done_for_each_token_is_found(house: HubHouse, extra: str, found: set[str]) -> None:
    spoil(house, extra)
    cost, _ = measure(*SCENES["token"].start(house))
    bound = SCENES["token"].cost
    with_the_spoiler = evolve(bound, python=bound.python + 1)
    assert excess(cost, with_the_spoiler).keys() - {"every"} == found
