"""How the client in Python is used, for mypy: each member that people have, with its type."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from newage_client import (
    Answer,
    Character,
    Event,
    Extension,
    Failure,
    Hub,
    Member,
    Message,
    Outlet,
    Output,
    Reasoning,
    Room,
    Standing,
    StateChange,
    Task,
    connect,
    serve,
)

extension: Extension = serve("http://localhost:4000", client_id="SillyTavern-1", key_file="a.key", capacity=4)
cast: list[Character] = [{"id": "ann.png", "name": "Ann"}]


@extension.answer
async def streams(task: Task) -> AsyncGenerator[str, None]:
    yield Reasoning("because")
    outlet: Outlet = task.output(character=cast[0])
    outlet.finish_reason = "length"
    yield task.text + str(task.messages[-1]["content"]) + str(task.options.get("temperature"))


@extension.answer
async def whole(task: Task) -> str | None:
    task.busy(5.0, "later")
    return None


@extension.reply("LIST_CHARACTERS")
def characters(said: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"characters": cast}


def count(change: StateChange) -> int:
    return len(change.state) + len(change.message)


async def asks(hub: Hub) -> str:
    answer: Answer = await hub.ask("Hello?", room="club", target=["SillyTavern-8000"], failover=True, more={"top_p": 1})
    async for token in answer:
        print(token.upper())
    async with hub.ask("And?", room=hub.room("club")) as other:
        other.on("text", lambda piece, output: print(piece, output.text))
        stopped: list[str] = (await other.stop())["outputs"]
    whole = await hub.own.ask("All?").done()
    outputs: list[Output] = whole.outputs
    return whole.text + whole.reasoning + whole.finish_reason + outputs[0].identity + "".join(stopped)


async def looks(room: Room) -> int:
    seen: list[Message] = []
    async for page in room.pages(limit=5):
        seen += page
    members: list[Member] = await room.members()
    missed = await room.missed(since=seen[0]["seq"])
    return missed["nextSince"] + len(members) + len(seen[0].get("reasoning", ""))


async def main() -> None:
    hub = connect("http://localhost:4000", client_id="me", key="k", timeout=None, transports=["websocket"])
    hub.on("state", count)
    try:
        async with hub as entered:
            standings: list[Standing] = await entered.standings(["r1"])
            print(standings[0]["status"], await asks(entered), await looks(await entered.join("club")))
            events = entered.events("message")
            event: Event = await anext(events)
            print(event.said)
    except Failure as failure:
        code: int | str = failure.code
        print(code, failure.lost, failure.message)
