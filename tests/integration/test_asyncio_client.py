"""The client in Python (clients/python), end to end: what it is shown is what the hub stores, with cut lines too."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asyncio_scenes import LINES, Reader, asker, away, failure_of, played
from fault_proxy import FaultProxy, Line
from harness import ALL_TRANSPORTS, Daemon, Driver, Hub, free_port
from homes import STRICT_CLIENTS
from live_outputs import Speaker

from newage_client import Answer, Failure, StateChange, connect
from newage_client import Hub as Client

pytestmark = pytest.mark.integration

WORDS = [f"{number} 😀é客 " for number in range(60)]
STORY = "".join(WORDS)


@pytest.fixture
def line(hub: Hub) -> Iterator[FaultProxy]:
    with FaultProxy(hub.daemon.port) as line:
        yield line


async def stored(me: Client, answer: Answer, text: str = STORY) -> Any:
    """What the hub has stored is what we were shown."""
    assert answer.text == text
    page = await me.own.history()
    mine = [message for message in page["messages"] if message.get("requestId") == answer.request_id]
    assert [message["fromClient"] for message in mine] == [True, False]
    assert mine[1]["message"] == text
    assert answer.message_ids == [mine[1]["messageId"]]
    return mine[1]


@pytest.mark.parametrize("transports", ALL_TRANSPORTS, ids="-".join)
def test_it_asks_and_reads_what_is_stored(hub: Hub, transports: tuple[str, ...]) -> None:
    async def scene() -> None:
        speaker = Speaker(hub)
        async with asker(hub.daemon.url, hub, transports) as me:
            assert me.transport == transports[-1]
            answer = await me.ask("a story", target=speaker.id, request_id=speaker.request_id)
            reader = Reader(answer)
            speaker.starts()
            speaker.socket.emit(*speaker.data("because", "reasoning"))
            speaker.says(WORDS)
            speaker.ends()
            assert await reader.all() == STORY
            assert (await answer.done()).reasoning == "because"
            assert (answer.state, answer.outputs[0].state, answer.outputs[0].identity) == (
                "completed",
                "ended",
                speaker.id,
            )
            assert (await stored(me, answer))["reasoning"] == "because"
            assert [each["identity"] for each in await me.extensions()].count(speaker.id) == 1

    played(scene())


@pytest.mark.parametrize("transports", LINES, ids="-".join)
def test_a_line_that_is_cut_in_mid_answer_costs_no_byte(
    hub: Hub, line: FaultProxy, transports: tuple[str, ...]
) -> None:
    async def scene() -> None:
        speaker = Speaker(hub)
        async with asker(line.url, hub, transports) as me:
            answer = await me.ask("a story", target=speaker.id, request_id=speaker.request_id)
            resets: list[Any] = []
            answer.on("reset", lambda *said: resets.append(said))
            reader = Reader(answer)
            speaker.starts()
            speaker.says(WORDS[:20])
            await reader.has(WORDS[19])
            await away(me, line.cut)
            speaker.says(WORDS[20:40])
            line.heal()
            await me.ready()
            speaker.says(WORDS[40:])
            speaker.ends()
            assert (await reader.all(), resets) == (STORY, [])
            await stored(me, answer)

    played(scene())


@pytest.mark.parametrize("transports", LINES, ids="-".join)
def test_lines_that_are_cut_at_any_moment_lose_and_double_nothing(hub: Hub, transports: tuple[str, ...]) -> None:
    chance = random.Random(7)

    async def asks(proxy: FaultProxy, name: str, target: str) -> None:
        async with asker(proxy.url, hub, transports, client_id=name) as me:
            answer = await me.ask(f"question {name}", target=target)
            reader = Reader(answer)
            assert await reader.all() == STORY + f"question {name}"
            await stored(me, answer, STORY + f"question {name}")

    async def scene() -> None:
        target = f"SillyTavern-{hub.new_id('cuts').removeprefix('cuts-')}"
        how = {"clientId": target, "capacity": 16}
        hub.driver.do("js_serve", name=target, url=hub.daemon.url, how=how, tokens=WORDS, gap=30)
        proxies = [FaultProxy(hub.daemon.port, Line(slice_bytes=size)) for size in (5, 100, None)]
        names = [hub.new_id("cuts") for _ in proxies]
        for proxy in proxies:
            proxy.__enter__()
        try:
            asking = [asyncio.create_task(asks(*each, target)) for each in zip(proxies, names, strict=True)]
            for _ in range(12):
                await asyncio.sleep(chance.uniform(0.05, 0.3))  # the moment of the next cut
                proxy = chance.choice(proxies)
                chance.choice([proxy.reset, proxy.cut])()
            for proxy in proxies:
                proxy.heal()
            await asyncio.gather(*asking)
        finally:
            for proxy in proxies:
                proxy.__exit__(None, None, None)

    played(scene())


@pytest.mark.parametrize("transports", LINES, ids="-".join)
def test_an_answer_that_ended_while_the_line_was_down_is_there_at_the_return(
    hub: Hub, line: FaultProxy, transports: tuple[str, ...]
) -> None:
    async def scene() -> None:
        speaker = Speaker(hub)
        async with asker(line.url, hub, transports) as me:
            answer = await me.ask("a story", target=speaker.id, request_id=speaker.request_id)
            reader = Reader(answer)
            speaker.starts()
            speaker.says(["Once upno"])
            await reader.has("upno")
            await away(me, line.cut)
            speaker.socket.emit("CLIENT_STREAM_RESET", {**speaker.ids, "kind": "text", "at": len("Once up")})
            speaker.says(["on a time"])
            speaker.ends()
            line.heal()
            assert await reader.all() == "Once upno" + "on a time"  # what is void was read
            await stored(me, answer, "Once upon a time")

    played(scene())


def test_a_request_that_failed_while_the_line_was_down_has_failed_in_its_words(hub: Hub, line: FaultProxy) -> None:
    async def scene() -> None:
        speaker = Speaker(hub)
        async with asker(line.url, hub) as me:
            answer = await me.ask("a story", target=speaker.id, request_id=speaker.request_id)
            reader = Reader(answer)
            speaker.starts()
            speaker.says(["half"])
            await reader.has("half")
            await away(me, line.cut)
            failed = {"type": "ERROR", "requestId": speaker.request_id, "message": "no model", "error": "no model"}
            speaker.socket.emit("ERROR", failed)
            speaker.socket.fence()
            line.heal()
            assert (await failure_of(answer.done())).message == "no model"
            assert (await failure_of(reader.all())).message == "no model"
            assert answer.text == "half"

    played(scene())


def test_a_question_on_a_line_that_is_down_is_asked_once_it_is_back(hub: Hub, line: FaultProxy) -> None:
    async def scene() -> None:
        speaker = Speaker(hub)
        async with asker(line.url, hub) as me:
            await away(me, line.cut)
            asking = asyncio.create_task(me.ask("a story", target=speaker.id, request_id=speaker.request_id).done())
            line.heal()
            await me.ready()
            await asyncio.to_thread(speaker.starts)
            speaker.says(WORDS)
            speaker.ends()
            await stored(me, await asking)

    played(scene())


@pytest.mark.parametrize("how", ["stop", "block", "cancelled"])
def test_who_wants_no_more_stops_the_extension(hub: Hub, how: str) -> None:
    async def reads(me: Client, speaker: Speaker, seen: list[Answer]) -> None:
        async with me.ask("a long one", target=speaker.id, request_id=speaker.request_id) as answer:
            seen.append(answer)
            speaker.starts()
            speaker.says(["half"])
            async for _ in answer:
                if how == "stop":
                    assert (await answer.stop())["state"] == "cancelled"
                elif how == "block":
                    break

    async def scene() -> None:
        speaker = Speaker(hub)
        seen: list[Answer] = []
        has_text = asyncio.Event()
        async with asker(hub.daemon.url, hub) as me:
            me.on("output", lambda output: output.on("text", lambda _: has_text.set()))
            reading = asyncio.create_task(reads(me, speaker, seen))
            if how == "cancelled":
                await has_text.wait()
                reading.cancel()
            await asyncio.wait({reading})
            assert reading.cancelled() == (how == "cancelled")
            assert (seen[0].state, seen[0].over) == ("cancelled", True)
            assert (await stored(me, seen[0], "half"))["partial"] is True
            assert (await me.standings([speaker.request_id]))[0]["status"] == "cancelled"

    played(scene())


def test_rooms_members_and_what_was_missed(hub: Hub, line: FaultProxy) -> None:
    async def scene() -> None:
        name = hub.new_id("club")
        speaker = Speaker(hub)
        ids = {who: hub.new_id(who) for who in ("ann", "bob")}
        async with (
            asker(hub.daemon.url, hub, client_id="monitor", client_type="monitor") as host,
            asker(line.url, hub, client_id=ids["ann"], name="Ann") as ann,
            asker(hub.daemon.url, hub, client_id=ids["bob"]) as bob,
        ):
            created = await host.create(name)
            room = await ann.join(name)
            assert (created.role, room.role) == ("master", "guest")
            heard = ann.events("joined", "message", "missed", "presence")
            theirs = await bob.join(name)
            assert (await told(heard, "joined"))["identity"] == ids["bob"]
            members = {each["clientId"]: each for each in await room.members()}
            assert set(members) == {"monitor", *ids.values()}
            assert (members[ids["ann"]]["role"], members[ids["ann"]].get("name")) == ("guest", "Ann")
            assert name in [each["name"] for each in await bob.rooms()]
            assert await theirs.typing()
            assert (await told(heard, "presence"))["status"] in ("typing", "online")

            answer = await created.ask("a story", target=speaker.id, request_id=speaker.request_id)
            outputs = ann.events("output")
            speaker.starts()
            speaker.says(["Once."])
            speaker.ends()
            await answer.done()
            output = (await anext(outputs)).said
            assert (output.room_name, output.identity) == (name, speaker.id)
            while (message := await told(heard, "message"))["text"] != "Once.":
                pass
            await away(ann, line.cut)
            with pytest.raises(Failure, match=r"No connected|not found|not allowed"):
                await created.ask("Anybody?", target="SillyTavern-nobody")
            line.heal()
            await ann.ready()
            await told(heard, "missed")
            missed = await room.missed(since=message["seq"])
            assert [each["message"] for each in missed["messages"]][-1] == "Anybody?"
            pages = [[each["seq"] for each in page] async for page in room.pages(limit=2)]
            assert [seq for page in reversed(pages) for seq in page] == list(range(1, missed["seq"] + 1))
            await theirs.leave()
            assert isinstance((await failure_of(theirs.history())).code, int)

    async def told(events: Any, name: str) -> Any:
        while (event := await anext(events)).name != name:
            pass
        return event.said

    played(scene())


def test_what_the_hub_refuses_is_said_in_its_words(strict_hub: Hub) -> None:
    async def scene() -> None:
        told: list[StateChange] = []
        me = connect(strict_hub.daemon.url, client_id=STRICT_CLIENTS[0], key="sk-newage-wrong")
        me.on("state", told.append)
        failure = await failure_of(me.open())
        assert (failure.code, failure.message) == (5, "Invalid key.")
        assert [change.state for change in told] == ["refused", "closed"]

    played(scene())


def test_nobody_at_the_address_is_said_in_time() -> None:
    async def scene() -> None:
        me = connect(f"http://127.0.0.1:{free_port()}", client_id="me", timeout=0.5)
        told: list[StateChange] = []
        me.on("state", told.append)
        assert (await failure_of(me.open())).code == "timeout"
        assert told[0].state == "reconnecting"
        assert "cannot be reached" in told[0].message

    played(scene())


def test_a_line_that_goes_silent_at_the_door_is_left_clean(hub: Hub, line: FaultProxy) -> None:
    async def scene() -> None:
        for transports in LINES:
            line.black_hole()
            me = asker(line.url, hub, transports, timeout=0.3)
            assert (await failure_of(me.open())).code == "timeout"
            line.heal()
            async with asker(line.url, hub, transports) as me:
                line.black_hole()
            line.heal()

    played(scene())


def test_a_hub_that_is_killed_in_mid_answer_tells_what_it_kept(
    make_daemon: Callable[..., Daemon], driver: Driver
) -> None:
    async def scene() -> None:
        daemon = make_daemon("--port", str(free_port()))
        speaker = Speaker(Hub(daemon, driver))
        async with connect(daemon.url, client_id="me") as me:
            answer = await me.ask("a story", target=speaker.id, request_id=speaker.request_id)
            reader = Reader(answer)
            await asyncio.to_thread(speaker.starts)
            await asyncio.to_thread(speaker.says, WORDS[:40], 50)  # a second's worth is written down
            await reader.has(WORDS[39])
            await away(me, daemon.kill)
            await asyncio.to_thread(daemon.start)
            failure = await failure_of(reader.all())
            assert failure.message == "The server was restarted."
            assert STORY.startswith(answer.text)
            assert answer.text

    played(scene())
