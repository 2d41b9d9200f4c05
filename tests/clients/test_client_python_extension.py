"""The side of the client in Python that answers, against a hub without a network, and a clock that jumps."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from clientkit import Audience, FakeEngine, FakeHub, extension, now, ok, refused, settle, still
from newage_client import Extension, Failure, Reasoning, StateChange, Task, serve
from newage_client._door import Door

STORY = [f"{number} 😀é客 " for number in range(40)]


def met(**how: Any) -> tuple[FakeHub, Audience, Extension]:
    hub = FakeHub()
    return hub, Audience(hub), extension(hub, **how)


async def says_hello(task: Task) -> AsyncGenerator[str, None]:
    yield "Hello "
    yield task.text


async def failure_of(work: Awaitable[Any]) -> Failure:
    with pytest.raises(Failure) as caught:
        await work
    return caught.value


class Told:
    """Pieces as a test says them; it knows whether it was stopped."""

    def __init__(self, me: Extension) -> None:
        self.pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self.task: Task | None = None
        self.stopped = ""
        me.answer(self.answer)

    async def answer(self, task: Task) -> AsyncGenerator[str, None]:
        self.task = task
        try:
            while (piece := await self.pieces.get()) is not None:
                yield piece
        finally:
            self.stopped = task.reason

    async def say(self, *pieces: str | None) -> None:
        for piece in pieces:
            self.pieces.put_nowait(piece)
        await settle()


@still
async def test_the_pieces_of_a_generator_are_streamed() -> None:
    hub, audience, me = met(capacity=4, desc="Greets")
    me.answer(says_hello)
    async with me:
        assert me.state == "connected"
        auth = hub.lines[0].auth
        assert (auth["clientId"], auth["capacity"], auth["desc"]) == ("SillyTavern-me", 4, "Greets")
        assert auth["features"] == ["accept", "cancel", "reasoning", "reset", "resume"]
        audience.ask("r1", "Ann")
        await settle()
        (output,) = audience.outputs
        assert (output["text"], output["requestId"], output["end"]["final"]) == ("Hello Ann", "r1", True)
        kinds = [event for event, _ in hub.said if event.startswith("CLIENT_STREAM")]
        assert kinds[:2] == ["CLIENT_STREAM_START", "CLIENT_STREAM_DATA_FIRST"]
        assert me.tasks == []


@still
async def test_a_coroutine_may_return_all_of_it_or_push_it() -> None:
    _, audience, me = met()

    @me.answer
    async def whole(task: Task) -> str | None:
        if task.text == "all":
            return "All of it"
        task.push(Reasoning("because"))
        task.outlet.show("Hello wurld")
        await settle()
        task.outlet.show("Hello world")
        task.outlet.finish_reason = "length"
        return None

    async with me:
        audience.ask("r1", "all")
        audience.ask("r2")
        await settle()
        await settle()
        one, two = audience.outputs
        assert one["text"] == "All of it"
        assert (two["reasoning"], two["text"], two["rev"]) == ("because", "Hello world", 1)
        assert two["end"]["finishReason"] == "length"


@still
async def test_characters_have_an_output_each() -> None:
    _, audience, me = met()
    cast = [{"id": "ann.png", "name": "Ann"}, {"id": "bob.png", "name": "Bob"}]

    @me.reply("LIST_CHARACTERS")
    async def characters(_: Mapping[str, Any]) -> dict[str, Any]:
        return {"characters": cast}

    @me.answer
    async def group(task: Task) -> AsyncGenerator[str, None]:
        for character in cast:
            task.output(character=character)  # type: ignore[arg-type]
            yield f"I am {character['name']}"

    async with me:
        assert "characters" in audience.hub.lines[0].auth["features"]
        audience.hub.tell("LIST_CHARACTERS", {})
        audience.ask("r1")
        await settle()
        assert audience.hub.acks == [("LIST_CHARACTERS", ok(characters=cast))]
        assert [(each["character"]["name"], each["text"]) for each in audience.outputs] == [
            ("Ann", "I am Ann"),
            ("Bob", "I am Bob"),
        ]
        assert [each["end"].get("more", False) for each in audience.outputs] == [True, False]


@still
async def test_what_a_reply_raises_is_refused_in_its_words_or_in_none_of_its_own() -> None:
    hub, _, me = met()
    problems: list[Any] = []
    me.on("problem", problems.append)
    me.answer(says_hello)

    @me.reply("GET_AVATAR")
    def avatar(said: Mapping[str, Any]) -> dict[str, Any]:
        if said.get("id") == "secret":
            raise Failure("No such character.", code=7)
        raise ValueError("secret path")

    async with me:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        hub.tell("GET_AVATAR", {"id": "secret"})
        hub.tell("GET_AVATAR", {})
        await settle()
        (_, known), (_, unknown) = hub.acks
        assert (known["success"], known["message"], known["errorCode"]) == (False, "No such character.", 7)
        assert (unknown["message"], unknown["errorCode"]) == ("The extension could not do that.", 2)
        assert [each["message"] for each in problems] == ["secret path"]


@still
async def test_a_failure_is_told_in_its_words_after_what_was_said_and_other_exceptions_are_not() -> None:
    _, audience, me = met()
    problems: list[Any] = []
    me.on("problem", problems.append)

    @me.answer
    async def breaks(task: Task) -> AsyncGenerator[str, None]:
        yield "So far "
        if task.text == "words":
            raise Failure("The model is asleep.")
        raise ValueError("secret path")

    async with me:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        audience.ask("r1", "words")
        audience.ask("r2")
        await settle()
        assert [output["text"] for output in audience.outputs] == ["So far ", "So far "]
        assert [output["end"] for output in audience.outputs] == [None, None]
        assert {said["requestId"]: said["message"] for _, said in audience.words} == {
            "r1": "The model is asleep.",
            "r2": "The extension could not do that.",
        }
        assert [(each["requestId"], each["message"]) for each in problems] == [("r2", "secret path")]


def _nobody_is_called(task: Task) -> None:
    task.output(character={"id": 5, "name": {1}})  # type: ignore[arg-type]


def _nothing_is_said_at_the_end(task: Task) -> None:
    task.outlet.extra = {"cost": math.nan}


def _no_word_is_the_end(task: Task) -> None:
    task.outlet.finish_reason = {1}  # type: ignore[assignment]


def _busy_for_no_reason(task: Task) -> None:
    task.busy(1, {1})  # type: ignore[arg-type]


@still
@pytest.mark.parametrize(
    "says", [_nobody_is_called, _nothing_is_said_at_the_end, _no_word_is_the_end, _busy_for_no_reason]
)
async def test_what_is_no_json_is_its_error_and_cuts_no_line(says: Callable[[Task], None]) -> None:
    hub, audience, me = met()
    problems: list[Any] = []
    me.on("problem", problems.append)

    @me.answer
    async def careless(task: Task) -> AsyncGenerator[str, None]:
        says(task)
        yield "So far"

    async with me:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        audience.ask("r1")
        await settle()
        assert [said["message"] for _, said in audience.words] == ["The extension could not do that."]
        assert ([each["requestId"] for each in problems], len(hub.lines), me.tasks) == (["r1"], 1, [])


@still
async def test_a_reply_that_is_no_json_is_its_error() -> None:
    hub, _, me = met()
    me.answer(says_hello)
    me.reply("GET_AVATAR")(lambda said: {"picture": b"no text"})
    async with me:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        hub.tell("GET_AVATAR", {})
        await settle()
        assert [body["message"] for _, body in hub.acks] == ["The extension could not do that."]


@still
async def test_who_waits_for_what_others_cancelled_has_failed() -> None:
    _, audience, me = met()
    problems: list[Any] = []
    me.on("problem", problems.append)

    @me.answer
    async def waits(_: Task) -> AsyncGenerator[str, None]:
        yield "So far"
        other = asyncio.get_running_loop().create_future()
        other.cancel()
        await other

    async with me:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        audience.ask("r1")
        await settle()
        assert [output["text"] for output in audience.outputs] == ["So far"]
        assert [said["message"] for _, said in audience.words] == ["The extension could not do that."]
        assert problems == [{"message": "CancelledError", "requestId": "r1"}]


@still
async def test_none_is_nothing() -> None:
    _, audience, me = met()

    @me.answer
    async def as_models_do(task: Task) -> AsyncGenerator[str | None, None]:
        yield None
        if task.text:
            yield "Hello"
        yield None

    async with me:
        audience.ask("r1", "Hello")
        audience.ask("r2", "")
        await settle()
        assert [output["text"] for output in audience.outputs] == ["Hello"]
        assert [said["message"] for _, said in audience.words] == ["The extension gave no answer."]


@still
async def test_an_answer_of_nothing_has_failed() -> None:
    _, audience, me = met()

    @me.answer
    async def nothing(_: Task) -> None:
        return None

    async with me:
        audience.ask("r1")
        await settle()
        assert [said["message"] for _, said in audience.words] == ["The extension gave no answer."]


@still
async def test_who_is_busy_is_asked_again() -> None:
    _, audience, me = met()
    asked: list[Task] = []

    @me.answer
    async def first_no(task: Task) -> AsyncGenerator[str, None]:
        asked.append(task)
        if len(asked) == 1:
            task.busy(5, "The model is loading.")
            return
        yield "Now"

    async with me:
        audience.ask("r1")
        await settle()
        assert audience.words == [
            ("BUSY", {"requestId": "r1", "retryAfterMs": 5000, "reason": "The model is loading."})
        ]
        audience.ask("r1")
        await settle()
        assert [output["text"] for output in audience.outputs] == ["Now"]
        audience.ask("r1")  # and once more, after it was answered
        await settle()
        assert len(asked) == 3


@still
async def test_what_is_not_wanted_any_more_is_cancelled_before_the_hub_gets_its_ack() -> None:
    hub, audience, me = met()
    told = Told(me)
    async with me:
        audience.ask("r1")
        await told.say("Once ", "upon ")
        hub.tell("CANCEL_REQUEST", {"requestId": "r1", "reason": "timeout"})
        hub.tell("CANCEL_REQUEST", {"requestId": "other"})
        await settle()
        assert told.stopped == "timeout"
        assert [(event, body["state"]) for event, body in hub.acks] == [
            ("CANCEL_REQUEST", "unknown"),
            ("CANCEL_REQUEST", "stopped"),
        ]
        assert (audience.outputs[0]["end"], audience.words, me.tasks) == (None, [], [])


@still
async def test_work_that_will_not_stop_is_not_waited_for() -> None:
    hub, audience, me = met()
    enough = asyncio.Event()

    @me.answer
    async def stubborn(task: Task) -> str:
        while not enough.is_set():
            try:
                await enough.wait()
            except asyncio.CancelledError:
                task.push("nobody hears this")
        return "nor this"

    async with me:
        audience.ask("r1")
        await settle()
        begin = now()
        hub.tell("CANCEL_REQUEST", {"requestId": "r1"})
        await settle()
        assert hub.acking is not None
        await hub.acking
        assert 4 <= now() - begin < 5
        enough.set()
        await settle()
        assert audience.outputs == []


@still
async def test_it_says_that_it_is_at_work_as_long_as_it_is() -> None:
    hub, audience, me = met()
    told = Told(me)
    async with me:
        audience.ask("r1")
        await asyncio.sleep(65)
        assert hub.asked("ACCEPT_REQUEST") == [{"requestId": "r1", "where": "headless"}] * 4
        await told.say("Done", None)
        await asyncio.sleep(65)
        assert len(hub.asked("ACCEPT_REQUEST")) == 4


@still
async def test_a_line_that_is_cut_costs_nothing_and_doubles_nothing() -> None:
    hub, audience, me = met()
    told = Told(me)
    async with me:
        audience.ask("r1")
        await told.say(*STORY[:10])
        hub.cut()
        await told.say(*STORY[10:20])
        await asyncio.sleep(5)
        await told.say(*STORY[20:])
        audience.ask("r1")  # the hub may ask again what it asked before
        await told.say(None)
        (output,) = audience.outputs
        assert output["text"] == "".join(STORY)
        assert output["end"]["final"]
        starts = hub.asked("CLIENT_STREAM_START")
        assert [each.get("resume", False) for each in starts] == [False, True]


@still
async def test_an_end_that_was_lost_is_said_again() -> None:
    hub, audience, me = met()
    told = Told(me)
    async with me:
        audience.ask("r1")
        await told.say("All")
        told.pieces.put_nowait(None)
        heard = hub.answers["CLIENT_STREAM_END"]
        hub.answers["CLIENT_STREAM_END"] = lambda _: hub.cut()  # it was under way
        await settle()
        hub.answers["CLIENT_STREAM_END"] = heard
        assert [output["end"] for output in audience.outputs] == [None]
        await asyncio.sleep(5)
        assert [output["end"]["final"] for output in audience.outputs] == [True]
        hub.cut()
        await asyncio.sleep(5)  # the hub knows it no more, for it is over
        hub.cut()
        await asyncio.sleep(5)
        assert len(hub.asked("CLIENT_STREAM_START")) == 3


@still
async def test_what_the_hub_forgot_is_stopped() -> None:
    hub, audience, me = met()
    told = Told(me)
    async with me:
        audience.ask("r1")
        await told.say("Once ")
        audience.lost.add(audience.outputs[0]["outputId"])
        hub.cut()
        await asyncio.sleep(5)
        assert (told.stopped, me.tasks) == ("gone", [])


@still
async def test_what_fails_or_is_answered_while_the_line_is_down_is_said_at_the_return() -> None:
    hub, audience, me = met(capacity=2)
    asked: list[Task] = []
    go_on = asyncio.Event()

    @me.answer
    async def later(task: Task) -> str:
        asked.append(task)
        await go_on.wait()
        if task.text == "fails":
            raise Failure("The model fell.")
        return "Here"

    async with me:
        audience.ask("r1")
        audience.ask("r2", "fails")
        await settle()
        hub.cut()
        go_on.set()
        await settle()
        assert (audience.outputs, audience.words) == ([], [])
        await asyncio.sleep(5)
        assert [output["text"] for output in audience.outputs] == ["Here"]
        assert [said["message"] for _, said in audience.words] == ["The model fell."]
        assert len(asked) == 2


@pytest.mark.parametrize("seed", range(40))
def test_cuts_and_second_thoughts_at_any_moment_lose_and_double_nothing(seed: int) -> None:
    @still
    async def scene() -> None:
        chance = random.Random(seed)
        hub, audience, me = met()
        wanted = {"text": "", "reasoning": ""}

        @me.answer
        async def rambles(task: Task) -> None:
            outlet = task.outlet
            for word in STORY:
                kind: Any = chance.choice(["text", "text", "reasoning"])
                said = wanted[kind] + word
                if chance.random() < 0.2:
                    said = said[: chance.randrange(len(said))] + "!"
                wanted[kind] = said
                outlet.show(said, kind)
                await asyncio.sleep(chance.choice([0, 0, 0.01, 2]))

        async with me:
            audience.ask("r1")
            while not me.tasks:
                await settle()
            while me.tasks:
                await asyncio.sleep(chance.uniform(0, 3))
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
                hub.cut()
            await asyncio.sleep(10)
            (output,) = audience.outputs
            assert {kind: output[kind] for kind in wanted} == wanted
            assert output["end"]["final"]

    scene()


@still
async def test_what_is_over_is_kept_a_while_and_so_many() -> None:
    hub, audience, me = met()
    me.answer(says_hello)
    async with me:
        for number in range(100):
            audience.ask(f"r{number}")
        await settle()
        hub.cut()
        await asyncio.sleep(5)
        assert len([each for each in hub.asked("CLIENT_STREAM_START") if each.get("resume")]) == 64
        audience.ask("late")
        await settle()
        await asyncio.sleep(70)
        audience.ask("later")
        await settle()
        hub.cut()
        await asyncio.sleep(5)
        resumed = [each["requestId"] for each in hub.asked("CLIENT_STREAM_START") if each.get("resume")]
        assert resumed[64:] == ["later"]


@still
async def test_who_waits_is_told_when_the_extension_is_stopped() -> None:
    _, audience, me = met()
    told = Told(me)
    running = asyncio.create_task(me.run())
    await settle()
    audience.ask("r1")
    await told.say("Once ")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [said["message"] for _, said in audience.words] == ["The extension was stopped."]
    assert (me.state, len(asyncio.all_tasks())) == ("closed", 1)


@still
async def test_running_ends_with_why_the_hub_puts_it_out() -> None:
    hub, _, me = met()
    states: list[StateChange] = []
    me.on("state", states.append)
    me.answer(says_hello)
    running = asyncio.create_task(me.run())
    await settle()
    hub.tell("ERROR", {"message": "Another tab took over.", "code": "REPLACED"})
    hub.lines[0].later(lambda: hub.lines[0].ears.left("/llm"))
    failure = await failure_of(running)
    assert (failure.word, str(failure)) == ("REPLACED", "Another tab took over.")
    assert [each.state for each in states] == ["connected", "replaced", "closed"]


@still
async def test_running_ends_when_somebody_closes_it() -> None:
    _, _, me = met()
    me.answer(says_hello)
    running = asyncio.create_task(me.run())
    await settle()
    await me.close()
    await running


@still
async def test_it_needs_something_that_answers() -> None:
    _, _, me = met()
    with pytest.raises(RuntimeError, match="answers"):
        await me.open()


@still
async def test_what_is_no_request_is_passed_over_and_what_the_hub_says_is_told() -> None:
    hub, _, me = met()
    told: list[Any] = []
    me.on("warning", told.append)
    me.answer(says_hello)
    async with me:
        for rubbish in ({}, {"requestId": 5}):
            hub.tell("LLM_REQUEST", rubbish)
        hub.lines[0].later(lambda: hub.lines[0].ears.heard("/llm", "LLM_REQUEST", None))
        hub.tell("WARNING", {"message": "Careful."})
        await settle()
        assert (me.tasks, told) == ([], [{"message": "Careful."}])
        hub.answers["SET_CHAT_ROOM"] = lambda said: ok(**said)
        assert (await me.call("/llm", "SET_CHAT_ROOM", {"roomName": "club"}))["roomName"] == "club"


@still
async def test_a_hub_that_answers_the_greeting_with_no_lets_one_in() -> None:
    hub, _, me = met()
    hub.answers["GET_MESSAGES"] = lambda _: refused("No such room.", 303)
    me.answer(says_hello)
    async with me:
        assert me.state == "connected"


@still
async def test_the_key_that_the_hub_gives_is_kept_and_used(tmp_path: Path) -> None:
    hub = FakeHub()
    file = tmp_path / "me.key"
    given: list[Any] = []

    def identify(said: dict[str, Any]) -> dict[str, Any]:
        given.append((said, dict(hub.lines[0].auth)))
        return ok(key=f"key-{len(given)}", clientId=said["clientId"])

    hub.answers["IDENTIFY_SILLYTAVERN"] = identify
    who = {"clientId": "SillyTavern-me", "clientType": "SillyTavern"}
    for pair, key in (("", "key-1"), ("", "key-1"), ("123456", "key-2")):
        me = extension(hub, door=Door(lambda ears: FakeEngine(hub, ears), who, file, pair=pair))
        me.answer(says_hello)
        async with me:
            assert (hub.lines[0].auth["key"], file.read_text("utf-8")) == (key, key)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [(said["scope"], auth["key"], auth.get("pair")) for said, auth in given] == [
        ("extension", "getKey", None),
        ("extension", "getKey", "123456"),
    ]


@still
async def test_a_door_that_refuses_says_why(tmp_path: Path) -> None:
    hub = FakeHub()
    hub.answers["IDENTIFY_SILLYTAVERN"] = lambda _: refused("Invalid pairing code", 5)
    who = {"clientId": "SillyTavern-me", "clientType": "SillyTavern"}
    door = Door(lambda ears: FakeEngine(hub, ears), who, tmp_path / "me.key", pair="000000")
    me = extension(hub, door=door)
    me.answer(says_hello)
    assert str(await failure_of(me.open())) == "Invalid pairing code"
    assert not (tmp_path / "me.key").exists()


def asked(**said: Any) -> Task:
    return Task({"requestId": "r1", "message": "And?", **said}, lambda: "id")


def test_what_was_said_before_is_there_in_the_form_of_openai() -> None:
    given = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello?"}]
    assert asked(data={"messages": given, "options": {}}).messages == given
    context = [
        {"message": "Hello?", "name": "Ann", "requestId": "r0"},
        {"message": "Hi.", "isResponse": True, "requestId": "r0"},
        {"message": "Bob came.", "isSystem": True},
        {"message": {"no": "text"}},
        {"message": "Nobody's"},
        {"message": "And?", "name": "Ann", "requestId": "r1"},
    ]
    task = asked(context=context, options={"temperature": 1}, requestType="swipe", character="ann.png")
    assert [(each["role"], each["content"]) for each in task.messages] == [
        ("user", "Ann: Hello?"),
        ("assistant", "Hi."),
        ("user", "Nobody's"),
        ("user", "And?"),
    ]
    assert (task.options, task.action, task.character) == ({"temperature": 1}, "swipe", "ann.png")
    assert (asked().options, asked().action, asked().character, repr(asked())) == ({}, "newMessage", "", "Task('r1')")


def test_a_key_that_pairing_gives_has_to_be_kept() -> None:
    with pytest.raises(ValueError, match="key_file"):
        serve("http://localhost:4000", client_id="SillyTavern-me", pair="123456")
    with pytest.raises(ValueError, match="address"):
        serve("localhost", client_id="SillyTavern-me")
    assert serve("http://localhost:4000", client_id="SillyTavern-me", key_file="me.key").client_id == "SillyTavern-me"
