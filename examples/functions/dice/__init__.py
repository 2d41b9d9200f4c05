"""``roll``: clients call it by FUNCTION_CALL {functionName: "roll", args: [dice, sides], target: "server"}."""

from __future__ import annotations

from secrets import randbelow

from newage.functions import BadArguments, Who, function

API = 1  # of newage.functions
MAX_DICE, MAX_SIDES = 100, 1000


@function
def roll(who: Who, dice: int = 1, sides: int = 6) -> dict[str, object]:
    """Anybody may roll. A permission would be looked at here: ``who.kind``, ``who.may_administer``."""
    if not 1 <= dice <= MAX_DICE or not 2 <= sides <= MAX_SIDES:
        raise BadArguments(f"roll takes 1 to {MAX_DICE} dice with 2 to {MAX_SIDES} sides.")
    thrown = [1 + randbelow(sides) for _ in range(dice)]
    return {"for": who.identity, "thrown": thrown, "total": sum(thrown)}
