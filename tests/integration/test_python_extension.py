"""The side of the client in Python that answers, end to end: what is said is what people read and the hub stores."""

from __future__ import annotations

import asyncio
import random
import re
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from asyncio_scenes import LINES, Reader, asker, failure_of, played
from fake_model import FakeModel, Script
from fault_proxy import FaultProxy
from harness import ALL_TRANSPORTS, CHECKOUT, PATIENCE, WEBSOCKET, Daemon, Hub, free_port
from python_package import environment, extension

from newage_client import Extension, Failure, Reasoning, Task, connect, serve

pytestmark = pytest.mark.integration

WORDS = [f"{number} 😀é客 " for number in range(60)]
STORY = "".join(WORDS)


@pytest.fixture
def line(hub: Hub) -> Iterator[FaultProxy]:
    with FaultProxy(hub.daemon.port) as line:
        yield line


def speaker(url: str, hub: Hub, transports: Sequence[str] = WEBSOCKET, **how: Any) -> Extension:
    name = how.pop("client_id", f"SillyTavern-{hub.new_id('python')}")
    return serve(url, client_id=name, transports=transports, **how)


class Teller:
    """An answer of which a test says the next piece."""

    def __init__(self, extension: Extension) -> None:
        self.pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self.reasons: asyncio.Queue[str] = asyncio.Queue()
        extension.answer(self.answer)

    async def answer(self, task: Task) -> AsyncGenerator[str, None]:
        try:
            while (piece := await self.pieces.get()) is not None:
                yield piece
        finally:
            self.reasons.put_nowait(task.reason)

    def say(self, *pieces: str | None) -> None:
        for piece in pieces:
            self.pieces.put_nowait(piece)


async def lost(extension: Extension, cut: Callable[[], object]) -> None:
    """Its line is cut, and it knows."""
    gone = asyncio.Event()
    forget = extension.on("state", lambda change: gone.set() if change.state == "reconnecting" else None)
    cut()
    await gone.wait()
    forget()


@pytest.mark.parametrize("transports", ALL_TRANSPORTS, ids="-".join)
def test_what_a_generator_yields_is_read_and_stored(hub: Hub, transports: tuple[str, ...]) -> None:
    async def scene() -> None:
        extension = speaker(hub.daemon.url, hub, transports, capacity=2)
        heard: list[Task] = []

        @extension.answer
        async def story(task: Task) -> AsyncGenerator[str, None]:
            heard.append(task)
            yield Reasoning("because")
            for word in WORDS:
                yield word
            task.outlet.finish_reason = "length"

        async with extension, asker(hub.daemon.url, hub, name="Ann") as me:
            answer = await me.ask("a story", target=extension.client_id)
            assert await Reader(answer).all() == STORY
            whole = await answer.done()
            assert (whole.reasoning, whole.finish_reason) == ("because", "length")
            said: Any = (await me.own.history())["messages"][1]
            assert (said["message"], said["reasoning"], said["finishReason"]) == (STORY, "because", "length")
            await me.ask("And then?", target=extension.client_id).done()
            assert [(each["role"], each["content"]) for each in heard[1].messages] == [
                ("user", "Ann: a story"),
                ("assistant", STORY),
                ("user", "And then?"),
            ]

    played(scene())


@pytest.mark.parametrize("transports", LINES, ids="-".join)
def test_a_line_that_is_cut_in_mid_answer_costs_no_byte(
    hub: Hub, line: FaultProxy, transports: tuple[str, ...]
) -> None:
    async def scene() -> None:
        extension = speaker(line.url, hub, transports)
        teller = Teller(extension)
        async with extension, asker(hub.daemon.url, hub) as me:
            answer = await me.ask("a story", target=extension.client_id)
            reader = Reader(answer)
            teller.say(*WORDS[:20])
            await reader.has(WORDS[19])
            await lost(extension, line.cut)
            teller.say(*WORDS[20:40])
            line.heal()
            teller.say(*WORDS[40:], None)
            assert await reader.all() == STORY
            assert (await answer.done()).state == "completed"
            assert (await me.own.history())["messages"][-1]["message"] == STORY

    played(scene())


@pytest.mark.parametrize("transports", LINES, ids="-".join)
def test_lines_that_are_cut_at_any_moment_lose_and_double_nothing(
    hub: Hub, line: FaultProxy, transports: tuple[str, ...]
) -> None:
    chance = random.Random(3)

    async def scene() -> None:
        extension = speaker(line.url, hub, transports, capacity=4)

        @extension.answer
        async def story(task: Task) -> AsyncGenerator[str, None]:
            for word in WORDS:
                await asyncio.sleep(0.02)
                yield word
            yield task.text

        async with extension, asker(hub.daemon.url, hub) as me:
            answers = [await me.ask(f"question {n}", target=extension.client_id, room=me.own) for n in range(3)]
            asking = [asyncio.create_task(Reader(answer).all()) for answer in answers]
            for _ in range(8):
                await asyncio.sleep(chance.uniform(0.05, 0.5))  # the moment of the next cut
                chance.choice([line.reset, line.cut])()
                line.heal()
            assert await asyncio.gather(*asking) == [f"{STORY}question {n}" for n in range(3)]

    played(scene())


def test_a_hub_that_is_killed_in_mid_answer_stops_the_work_and_is_served_again(
    make_daemon: Callable[..., Daemon], tmp_path: Path
) -> None:
    async def scene() -> None:
        daemon = make_daemon("--port", str(free_port()))
        extension = serve(daemon.url, client_id="SillyTavern-1", key_file=tmp_path / "a.key")
        teller = Teller(extension)
        async with extension, connect(daemon.url, client_id="me") as me:
            answer = await me.ask("a story", target=extension.client_id)
            reader = Reader(answer)
            teller.say(*WORDS[:5])
            await reader.has(WORDS[4])
            await lost(extension, daemon.kill)
            await asyncio.to_thread(daemon.start)
            assert (await failure_of(reader.all())).message == "The server was restarted."
            assert await teller.reasons.get() == "gone"  # so both are there again
            again = await me.ask("a story", target=extension.client_id)
            teller.say(*WORDS, None)
            assert await Reader(again).all() == STORY

    played(scene())


def test_who_stops_an_answer_stops_the_work_and_who_fails_says_why(hub: Hub) -> None:
    async def scene() -> None:
        extension = speaker(hub.daemon.url, hub)
        teller = Teller(extension)
        async with extension, asker(hub.daemon.url, hub) as me:
            answer = await me.ask("a story", target=extension.client_id)
            reader = Reader(answer)
            teller.say("Once ")
            await reader.has("Once ")
            await answer.stop()
            assert (await teller.reasons.get(), answer.text, answer.state) == ("cancelled", "Once ", "cancelled")

            @extension.answer
            async def fails(task: Task) -> str:
                raise Failure("The model is asleep.")

            failed = await me.ask("Hello?", target=extension.client_id)
            assert (await failure_of(failed.done())).message == "The model is asleep."
            extension.answer(teller.answer)
            waits = await me.ask("Hello?", target=extension.client_id)
            reader = Reader(waits)
            teller.say("Once ")
            await reader.has("Once ")
            await extension.close()
            assert (await failure_of(reader.all())).message == "The extension was stopped."

    played(scene())


def test_characters_are_listed_and_answer_one_after_the_other(hub: Hub) -> None:
    cast: list[Any] = [{"id": "ann.png", "name": "Ann"}, {"id": "bob.png", "name": "Bob"}]

    async def scene() -> None:
        extension = speaker(hub.daemon.url, hub)

        @extension.reply("LIST_CHARACTERS")
        def characters(_: Mapping[str, Any]) -> dict[str, Any]:
            return {"characters": cast}

        @extension.answer
        async def group(task: Task) -> AsyncGenerator[str, None]:
            for character in cast:
                task.output(character=character)
                yield f"I am {character['name']}."

        async with extension, asker(hub.daemon.url, hub) as me:
            listed = await me.call("/llm", "LIST_CHARACTERS", {"target": extension.client_id})
            assert [(each["id"], each["name"]) for each in listed["characters"]] == [
                ("ann.png", "Ann"),
                ("bob.png", "Bob"),
            ]
            answer = await me.ask("Who?", target=extension.client_id).done()
            names = [output.character and output.character["name"] for output in answer.outputs]
            assert (names, answer.text) == (["Ann", "Bob"], "I am Ann.\n\nI am Bob.")

    played(scene())


def test_its_key_is_given_once_kept_and_needed_from_then_on(hub: Hub, tmp_path: Path) -> None:
    async def hello(_: Task) -> str:
        return "Hello."

    async def scene() -> None:
        name = f"SillyTavern-{hub.new_id('kept')}"
        for _ in range(2):
            kept = speaker(hub.daemon.url, hub, client_id=name, key_file=tmp_path / "a.key")
            kept.answer(hello)
            async with kept, asker(hub.daemon.url, hub) as me:
                assert (await me.ask("Hello?", target=name).done()).text == "Hello."
        without = speaker(hub.daemon.url, hub, client_id=name)
        without.answer(hello)
        assert (await failure_of(without.run())).message == "Invalid key."
        assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o600

    played(scene())


def test_the_example_asks_a_model_server(hub: Hub, python_client: Path, tmp_path: Path) -> None:
    name = f"SillyTavern-{hub.new_id('model')}"

    async def scene(model: FakeModel) -> None:
        async with asker(hub.daemon.url, hub) as me:
            model.answers(Script(tokens=WORDS, reasoning=["because"]))
            answer = await me.ask(
                "a story", target=name, more={"options": {"temperature": 0.5, "custom_url": "x"}}
            ).done()
            assert (answer.text, answer.reasoning) == (STORY, "because")
            body = model.requests[0].body
            assert (body["messages"][-1]["content"], body["temperature"]) == ("a story", 0.5)
            assert "custom_url" not in body
            model.answers(Script(tokens=WORDS, held_after=3))
            answer = await me.ask("another", target=name)
            await Reader(answer).has(WORDS[2])
            await answer.stop()
            await asyncio.to_thread(model.wait_idle)
            for script, words in ((Script(status=503), "refuses: 503"), (Script(tokens=WORDS, then="cut"), "reached")):
                model.answers(script)
                failed = await me.ask("once more", target=name)
                assert words in (await failure_of(failed.done())).message

    model = FakeModel()
    variables = {"HUB": hub.daemon.url, "CLIENT_ID": name, "MODEL_URL": model.url}
    command = [sys.executable, str(CHECKOUT / "examples" / "python" / "answer.py")]
    try:
        with extension(command, tmp_path, {**environment(python_client), **variables}) as program:
            played(scene(model))
            program.send_signal(signal.SIGINT)
            assert program.stderr is not None
            assert re.search("^closed", program.stderr.read(), re.MULTILINE)
            assert program.wait(PATIENCE) == 0
    finally:
        model.close()
