"""A game master: sits in the room "table", listens, rolls dice and speaks.

``!roll 2d6`` throws dice. ``!dare jump over the brook`` throws one of twenty sides and has the model tell what comes of
it: the question and its answer are seen by everybody in the room, as anybody's are.
"""

from __future__ import annotations

import re
from secrets import randbelow

from newage.functions import Hub, Message, NewAgeError

API = 1  # of newage.functions
ROOM = "table"
DICE = re.compile(r"!roll(?:\s+(\d{1,2})?[dD](\d{1,3}))?\s*\Z")
DARE = re.compile(r"!dare\s+(\S.*)", re.DOTALL)


async def setup(hub: Hub) -> None:
    """The hub calls it at its start."""

    @hub.on_message
    async def heard(message: Message) -> str | None:
        """What it returns is said in that room."""
        if dice := DICE.match(message.text):
            count, sides = int(dice[1] or 1), int(dice[2] or 6)
            return (
                rolled(message.who.identity, count, sides)
                if count and sides
                else "Dice have sides, and there are some."
            )
        if dare := DARE.match(message.text):
            return await dared(hub, message, dare[1])
        return None

    await hub.join(ROOM)  # or as soon as somebody makes a room of that name


def rolled(who: str, count: int, sides: int) -> str:
    thrown = [1 + randbelow(sides) for _ in range(count)]
    return f"{who} rolls {count}d{sides}: {' + '.join(map(str, thrown))} = {sum(thrown)}"


async def dared(hub: Hub, message: Message, deed: str) -> str | None:
    """Two things said, one after the other: the dice, then the model's tale."""
    luck = 1 + randbelow(20)
    await hub.say(message.room, f"{message.who.identity} dares to {deed}, and rolls {luck} of 20.")
    try:
        await hub.ask(message.room, f"Tell in two sentences how it goes ({luck} of 20, 20 is best): {deed}")
    except NewAgeError as error:  # nobody there who could tell it, for example
        return f"Nobody tells how it went. ({error})"
    return None
