"""``roll``: clients call it by FUNCTION_CALL {functionName: "roll", args: [dice, sides], target: "server"}."""

from __future__ import annotations

from collections.abc import Sequence
from secrets import randbelow
from typing import Any

from newage.functions import BadArguments, Caller, Function

MAX_DICE, MAX_SIDES = 100, 1000


def parse(args: Sequence[Any]) -> tuple[int, int]:
    """Up to two whole numbers: how many dice (1), with how many sides (6).

    What ``run`` gets has been checked; what cannot be used is refused here, in words the caller can act upon.
    """
    given = [*args, *[1, 6][len(args) :]]
    if len(given) != 2 or any(type(number) is not int for number in given):
        raise BadArguments("roll takes up to two whole numbers: dice and sides.")
    dice, sides = given
    if not 1 <= dice <= MAX_DICE or not 2 <= sides <= MAX_SIDES:
        raise BadArguments(f"roll takes 1 to {MAX_DICE} dice with 2 to {MAX_SIDES} sides.")
    return dice, sides


def run(caller: Caller, asked: tuple[int, int]) -> dict[str, Any]:
    """Anybody may roll. A permission would be looked at here: ``caller.kind``, ``caller.sensitive``.

    It runs in the hub's reactor: be quick, or return an awaitable (``twisted.internet.threads.deferToThread``).
    """
    dice, sides = asked
    thrown = [1 + randbelow(sides) for _ in range(dice)]
    return {"for": caller.identity, "thrown": thrown, "total": sum(thrown)}


roll = Function(parse, run)
