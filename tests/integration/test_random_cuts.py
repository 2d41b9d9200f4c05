"""Ten people whose lines are cut at any moment: each has each answer once, in its room, byte by byte as it is stored.

``make nightly`` asks a hundred questions. NEWAGE_SEED chooses the moments.
"""

from __future__ import annotations

import os
import random
import time
from contextlib import ExitStack
from typing import Any

import pytest
from fault_proxy import FaultProxy
from harness import POLLING, WEBSOCKET, Hub, Witness
from histories import History, Stored

PEOPLE = 10
QUESTIONS = 10 if os.environ.get("NEWAGE_NIGHTLY") else 1  # of each
SEED = int(os.environ.get("NEWAGE_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
TOKENS = [f"{number} 😀é客 " for number in range(30)]
GAP = 30  # ms between two tokens
CUTTING = 1.0  # seconds after each question; then all come to their end
BETWEEN = (0.01, 0.08)  # seconds from one cut of anybody to the next
BACK = 60.0


def stored(hub: Hub, me: str) -> list[Stored]:
    """His room, asked on a sound line."""
    reply: dict[str, Any] = hub.client(me).call("GET_MESSAGES", {"roomName": me, "limit": 200})
    return [
        Stored(message["messageId"], message["data"], message["requestId"])
        if message["fromLlm"]
        else Stored(message["requestId"], message["data"])
        for message in reply["messages"]
    ]


def cut_at_random(lines: list[FaultProxy], chance: random.Random) -> None:
    """For a while, anybody; half of them cannot come back at once."""
    end = time.monotonic() + CUTTING
    while time.monotonic() < end:
        line = chance.choice(lines)
        if chance.random() < 0.5:
            line.reset()
        else:
            line.cut()
        time.sleep(chance.uniform(*BETWEEN))  # the moment of the next cut
    for line in lines:
        line.heal()


@pytest.mark.timeout(600)  # nightly: some 12 s for each question
def test_random_cuts_lose_and_double_nothing(hub: Hub) -> None:
    target, history, chance = f"SillyTavern-{hub.new_id('cuts').removeprefix('cuts-')}", History(), random.Random(SEED)
    how: dict[str, Any] = {"clientId": target, "capacity": 16}
    hub.driver.do("js_serve", name=target, url=hub.daemon.url, how=how, tokens=TOKENS, gap=GAP)
    people = [hub.new_id("cuts") for _ in range(PEOPLE)]
    witnesses = {me: Witness(hub.driver, me) for me in people}
    asked = {me: [f"{me}-{number}" for number in range(QUESTIONS)] for me in people}
    with ExitStack() as stack:
        lines = [stack.enter_context(FaultProxy(hub.daemon.port)) for _ in people]
        for number, (me, line) in enumerate(zip(people, lines, strict=True)):
            options = {"transports": list((POLLING, WEBSOCKET)[number % 2])}
            hub.driver.do("js_client", name=me, url=line.url, how={"clientId": me, "options": options})
        for number in range(QUESTIONS):
            posts = {}
            for me in people:
                key = asked[me][number]
                history.sent(me, me, key, f"question {key}")
                wish = {"requestId": key, "target": target}
                posts[key] = hub.driver.post("js_ask", name=me, text=f"question {key}", how=wish)
            cut_at_random(lines, chance)
            for key, post in posts.items():
                hub.driver.result(post, BACK)
                history.acked(key)
            for witness in witnesses.values():
                witness.wait("@answer", count=number + 1, timeout=BACK)
    final = {me: stored(hub, me) for me in people}
    for me, witness in witnesses.items():
        for record in witness.all("@answer"):
            key, text, failure = record.args
            assert failure is None, (SEED, key, failure)
            history.answered(me, me, key, text)
            pieces = [each.args[1] for each in witness.all("@piece", lambda request, _, key=key: request == key)]
            assert "".join(pieces) == text == "".join(TOKENS) + f"question {key}", (SEED, key)
    assert [len(kept) for kept in final.values()] == [2 * QUESTIONS] * PEOPLE
    assert history.violations(final) == [], SEED
