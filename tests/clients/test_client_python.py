"""The client in Python (clients/python) against a hub without a network, and a clock that jumps."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from functools import partial
from typing import Any

import pytest

from clientkit import FakeHub, client, len16, now, ok, refused, settle, still
from newage_client import Answer, Failure, Hub, Output, StateChange, connect
from newage_client._delays import delay_before


async def met(**how: Any) -> tuple[FakeHub, Hub]:
    hub = FakeHub()
    return hub, await client(hub, **how).open()


async def read(answer: Answer) -> list[str]:
    return [token async for token in answer]


def _always(reply: dict[str, Any], _: object) -> dict[str, Any]:
    return reply


async def failure_of(work: Awaitable[Any]) -> Failure:
    with pytest.raises(Failure) as caught:
        await work
    return caught.value


class Seen:
    """What somebody sees who appends pieces and obeys resets."""

    def __init__(self, answer: Answer) -> None:
        self.text = {"text": "", "reasoning": ""}
        self.resets = 0
        for kind in self.text:
            answer.on(kind, lambda piece, _, kind=kind: self._grown(kind, piece))
        answer.on("reset", self._reset)

    def _grown(self, kind: str, piece: str) -> None:
        self.text[kind] += piece

    def _reset(self, kind: str, at: int, _output: Output) -> None:
        self.text[kind] = self.text[kind][:at]
        self.resets += 1


@still
async def test_an_answer_is_read_as_it_grows() -> None:
    hub, me = await met()
    answer = await me.ask("Hello?", room="me", request_id="r1")
    assert (answer.state, answer.question_id) == ("forwarded", "q-r1")
    reading = asyncio.create_task(read(answer))
    output = hub.begin("o1", "r1")
    for piece in ("One", " two", " three"):
        hub.grow(output, piece)
        await settle()
    hub.grow(output, "hm", "reasoning")
    hub.end(output)
    assert await reading == ["One", " two", " three"]
    assert (await answer.done()).text == "One two three"
    assert (answer.reasoning, answer.finish_reason, answer.message_ids) == ("hm", "stop", ["a-o1"])
    assert await read(answer) == ["One two three"]
    assert hub.asked() == [{"isStreaming": True, "requestId": "r1", "message": "Hello?", "targetRoom": "me"}]
    await me.close()


@still
async def test_what_is_asked_is_said_as_the_wire_wants_it() -> None:
    hub, me = await met()
    await me.ask(
        "Again",
        room=me.room("club"),
        target=["a", "b"],
        action="swipe",
        message_id="m",
        character="c",
        failover=True,
        request_id="r",
        more={"temperature": 0},
    )
    assert hub.asked() == [
        {
            "isStreaming": True,
            "temperature": 0,
            "message": "Again",
            "targetRoom": "club",
            "target": ["a", "b"],
            "action": "swipe",
            "messageId": "m",
            "character": "c",
            "failover": True,
            "requestId": "r",
        }
    ]
    await me.close()


@still
async def test_a_failure_is_raised_after_the_text_that_came() -> None:
    hub, me = await met()
    answer = await me.ask("Hello?", request_id="r1")
    output = hub.begin("o1", "r1")
    hub.grow(output, "One")
    hub.tell("ERROR", {"type": "ERROR", "message": "No more.", "errorCode": 11, "requestId": "r1"})
    hub.end(output, "failed")
    reader = aiter(answer)
    assert await anext(reader) == "One"
    failure = await failure_of(anext(reader))
    assert (failure.code, failure.message, answer.text) == (11, "No more.", "One")
    await me.close()


@still
async def test_a_refused_question_raises() -> None:
    hub, me = await met()
    hub.answers["LLM_REQUEST"] = lambda _: refused("Too many requests.", 9)
    assert (await failure_of(me.ask("Hello?"))).code == 9
    assert (await failure_of(me.ask("Hello?").done())).message == "Too many requests."
    await me.close()


@still
async def test_why_a_request_failed_is_what_its_ack_says_though_that_it_failed_is_said_before() -> None:
    hub, me = await met()

    def answer(said: dict[str, Any]) -> dict[str, Any]:
        hub.status(said["requestId"], "failed", message="Target client not found: x")
        return refused("Target client not found: x", 401)

    hub.answers["LLM_REQUEST"] = answer
    assert (await failure_of(me.ask("Hello?"))).code == 401
    await me.close()


@still
async def test_a_request_that_failed_though_its_ack_was_good_has_failed() -> None:
    hub, me = await met()

    def answer(said: dict[str, Any]) -> dict[str, Any]:
        hub.status(said["requestId"], "failed", message="No model.")
        return ok(requestId=said["requestId"], state="forwarded")

    hub.answers["LLM_REQUEST"] = answer
    assert (await failure_of(me.ask("Hello?"))).message == "No model."
    await me.close()


@still
async def test_a_refused_client_raises_and_is_let_in_with_another_key() -> None:
    hub = FakeHub()
    hub.refuses["/llm"] = {"type": "ERROR", "message": "Invalid key.", "code": "AUTH", "errorCode": 5}
    failure = await failure_of(client(hub).open())
    assert (failure.code, failure.message, hub.lines) == (5, "Invalid key.", [])

    hub.refuses.clear()
    me = await client(hub).open()
    answer = await me.ask("Hello?")
    events = me.events("state")
    hub.refuses["/llm"] = {"type": "ERROR", "message": "Invalid key.", "code": "AUTH", "errorCode": 5}
    hub.cut()
    assert (await failure_of(answer.done())).code == 5
    assert [(await anext(events)).said.state for _ in range(2)] == ["reconnecting", "refused"]
    assert (await failure_of(anext(events))).code == 5
    assert (await failure_of(me.call("/llm", "GET_MESSAGES"))).code == 5
    assert (await failure_of(anext(me.events()))).code == 5
    hub.refuses.clear()
    await asyncio.sleep(600)
    assert me.state == "refused"
    me.retry(key="k")
    await me.ready()
    assert (me.state, hub.lines[0].auth["key"]) == ("connected", "k")
    await me.close()


@still
async def test_a_client_that_another_one_replaced_does_not_come_back() -> None:
    hub, me = await met()
    line = hub.lines[0]
    line.tell("ERROR", {"type": "ERROR", "message": "Replaced.", "code": "REPLACED", "errorCode": 9})
    line.later(lambda: line._put_out("/llm"))
    await asyncio.sleep(100)
    assert (me.state, hub.lines) == ("replaced", [])
    await me.close()


@still
async def test_a_hub_that_is_away_is_waited_for_as_long_as_one_wants() -> None:
    hub = FakeHub()
    hub.down = True
    failure = await failure_of(client(hub, timeout=60).open())
    assert (failure.code, now()) == ("timeout", 60)
    me = client(hub, timeout=None)
    told: list[StateChange] = []
    me.on("state", told.append)
    opening = asyncio.create_task(me.open())
    await asyncio.sleep(3600)
    assert {(each.state, each.message) for each in told} == {("reconnecting", "The hub cannot be reached: refused")}
    assert 3600 / 30 < len(told) < 400
    hub.down = False
    await opening
    assert [each.state for each in told[-2:]] == ["connecting", "connected"]
    await me.close()


@still
async def test_who_stops_waiting_for_a_hub_leaves_nothing() -> None:
    hub = FakeHub()
    hub.down = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5), client(hub):
            pass
    assert len(asyncio.all_tasks()) == 1


@still
async def test_nothing_is_left_of_a_client_that_is_closed() -> None:
    hub, me = await met()
    events, answer = me.events(), await me.ask("Hello?")
    asked = asyncio.create_task(me.call("/llm", "NEVER_ANSWERED"))
    reading = asyncio.create_task(read(answer))
    hub.requests = {answer.request_id: {"status": "forwarded", "live": True}}
    await settle()
    hub.cut()
    await settle()
    me.retry()
    await me.ready()
    asked_again = asyncio.create_task(me.call("/rooms", "NEVER_ANSWERED"))
    await settle()
    await me.close()
    await me.close()
    assert (await failure_of(asked)).code == "disconnected"
    assert (await failure_of(asked_again)).code == "closed"
    assert (await failure_of(reading)).code == "closed"
    assert (await failure_of(me.ask("And now?"))).code == "closed"
    assert [event.name async for event in events][-1] == "state"
    assert [event async for event in me.events()] == []
    me.retry()
    assert (len(asyncio.all_tasks()), hub.lines) == (1, [])


@still
async def test_whose_an_output_is_is_known_when_it_is_told_of() -> None:
    hub, me = await met()
    told = []
    me.on("output", lambda output: told.append((output.request_id, output.room_name, output.text)))
    hub.grow(hub.begin("o1", "r1"), "One")
    await settle()
    assert told == [("r1", "me", "")]
    assert [output.text for output in me.outputs] == ["One"]
    await me.close()


@still
async def test_outputs_that_are_over_are_kept_up_to_a_limit() -> None:
    hub, me = await met()
    live = hub.begin("live", "r0")
    for number in range(400):
        hub.end(hub.begin(f"o{number}", "r1"))
        await settle()
    assert len(me.outputs) == 256
    hub.grow(live, "still")
    await settle()
    assert me.outputs[0].text == "still"
    await me.close()


@still
async def test_who_can_answer_is_a_list_an_empty_one_where_nobody_is() -> None:
    hub, me = await met()
    listed = ok(extensions=["a", "b"], details=[{"identity": "a", "desc": "home"}])
    hub.answers["GET_SILLYTAVERN_EXTENSION"] = lambda _: listed
    assert await me.extensions() == [{"identity": "a", "desc": "home"}, {"identity": "b"}]
    hub.answers["GET_SILLYTAVERN_EXTENSION"] = lambda _: {**refused("Nobody.", 9), "extensions": []}
    assert await me.extensions() == []
    hub.answers["GET_SILLYTAVERN_EXTENSION"] = lambda _: refused("Too many events.", 9)
    assert (await failure_of(me.extensions())).code == 9
    await me.close()


@still
async def test_rooms_are_joined_read_and_left() -> None:
    hub, me = await met()
    message = {"messageId": "m", "roomName": "club", "message": "Hi"}
    pages = {None: range(4, 6), 4: range(2, 4), 2: range(1, 2)}
    replies = {
        "JOIN_ROOM": ok(roomName="club", role="guest"),
        "CREATE_ROOM": ok(),
        "GET_ROOMS": ok(rooms=["club"], roomDetails=[{"name": "club"}]),
        "GET_CLIENTS_IN_ROOM": ok(clients=[{"identity": "me"}]),
        "GET_OFFLINE_MESSAGES": ok(messages=[message], count=1, hasMore=False, nextSince=3),
        "GET_QUEUE": ok(entries=[{"requestId": "r"}]),
        "EDIT_MESSAGE": ok(),
        "DELETE_MESSAGE": ok(deleted=["m"]),
        "LEAVE_ROOM": ok(),
    }
    for event, reply in replies.items():
        hub.answers[event] = partial(_always, reply)
    hub.answers["GET_MESSAGES"] = lambda said: ok(
        messages=[{"seq": seq} for seq in pages[said.get("before")]], hasMore=said.get("before") != 2, seq=5
    )
    heard = me.events("joined", "message")
    created = await me.create("new", access="invited")
    room = await me.join("club")
    assert (repr(room), room.role, created.role) == ("Room('club')", "guest", "master")
    assert [each["name"] for each in await me.rooms()] == ["club"]
    assert [each["identity"] for each in await room.members()] == ["me"]
    assert [[each["seq"] for each in page] async for page in room.pages(limit=2)] == [[4, 5], [2, 3], [1]]
    assert (await room.missed(since=2))["nextSince"] == 3
    assert [each["requestId"] for each in await room.queue()] == ["r"]
    await room.edit("m", "Hello")
    assert await room.delete(["m"]) == ["m"]
    assert await room.typing() and await room.typing(False)
    hub.tell("MEMBER_JOINED", {"roomName": "club", "identity": "bob"}, "/rooms")
    hub.tell("NEW_MESSAGE", message)
    assert [(await anext(heard)).name for _ in range(2)] == ["joined", "message"]
    await room.leave()
    assert await me.own.history() == ok(messages=[{"seq": 4}, {"seq": 5}], hasMore=True, seq=5)
    assert hub.said[-1] == ("GET_MESSAGES", {"limit": 50})
    assert ("GET_OFFLINE_MESSAGES", {"roomName": "club", "limit": 50, "since": 2}) in hub.said
    assert [(name, said) for name, said in hub.said if name.endswith("_TYPING")] == [
        ("START_TYPING", {"roomName": "club"}),
        ("STOP_TYPING", {"roomName": "club"}),
    ]
    hub.cut()
    assert await room.typing() is False
    await me.ready()
    hub.tell("MEMBER_LEFT", {"roomName": "club", "identity": "bob"}, "/rooms")
    await settle()
    hub.tell("MEMBER_JOINED", {"roomName": "club", "identity": "bob"}, "/rooms")
    assert (await anext(heard)).said["identity"] == "bob"
    await me.close()


@still
async def test_a_namespace_that_is_refused_says_so_and_is_asked_again() -> None:
    hub, me = await met()
    hub.refuses["/debug"] = {"type": "ERROR", "message": "Unauthorized", "errorCode": 6}
    assert (await failure_of(me.call("/debug", "SERVER_STATUS"))).message == "Unauthorized"
    assert me.state == "connected"
    hub.refuses.clear()
    hub.answers["SERVER_STATUS"] = lambda _: ok(serverStatus={})
    assert (await me.call("/debug", "SERVER_STATUS"))["serverStatus"] == {}
    heard: list[Any] = []
    unlisten = await me.hear("/debug", "DEBUG_MODE_CHANGED", heard.append)
    for _ in range(2):
        hub.tell("DEBUG_MODE_CHANGED", {"debugMode": True}, "/debug")
        await settle()
        unlisten()
        unlisten()
    assert heard == [{"debugMode": True}]
    await me.close()


@still
async def test_a_namespace_that_is_none_is_none_and_the_line_stays() -> None:
    hub, me = await met()
    hub.unknown.add("/nowhere")
    states = me.events("state")
    for _ in range(2):
        failure = await failure_of(me.call("/nowhere", "GO"))
        assert (failure.message, failure.lost) == ("Invalid namespace", False)
    hub.cut()
    await me.ready()
    await asyncio.sleep(10)
    assert me.state == "connected"
    assert [(await anext(states)).said.state for _ in range(2)] == ["reconnecting", "connected"]
    await me.close()


@still
async def test_what_is_not_answered_fails_in_time() -> None:
    _, me = await met()
    failure = await failure_of(me.call("/llm", "NEVER_ANSWERED", seconds=3))
    assert (failure.code, failure.lost, now() < 4) == ("timeout", True, True)
    await me.close()


@still
async def test_listeners_are_plain_functions_and_one_that_raises_stops_nobody() -> None:
    hub, me = await met()
    loop: Any = asyncio.get_running_loop()

    async def never(_: Any) -> None: ...

    with pytest.raises(TypeError):
        me.on("message", never)
    heard: list[Any] = []
    me.on("message", lambda said: said["nothing"])
    me.on("message", heard.append)
    hub.tell("NEW_MESSAGE", {"text": "Hi"})
    await settle()
    assert heard == [{"text": "Hi"}]
    assert [context["message"] for context in loop.faults] == ["a listener of 'message' raised"]
    loop.faults.clear()
    await me.close()


@still
async def test_events_that_nobody_reads_are_bounded() -> None:
    hub, me = await met()
    events = me.events("message", most=3)
    for number in range(5):
        hub.tell("NEW_MESSAGE", {"seq": number})
    await settle()
    assert [(await anext(events)).said["seq"] for _ in range(3)] == [0, 1, 2]
    assert (await failure_of(anext(events))).code == "behind"
    await me.close()


@still
async def test_problems_and_warnings_are_told() -> None:
    hub, me = await met()
    told = me.events("problem", "warning")
    hub.tell("ERROR", {"message": "No.", "errorCode": 3})
    hub.tell("WARNING", {"message": "Hm."})
    assert [(await anext(told)).said["message"] for _ in range(2)] == ["No.", "Hm."]
    await me.close()


@still
async def test_what_an_earlier_program_asked_is_found_and_stopped() -> None:
    hub, me = await met()
    hub.answers["CANCEL_REQUEST"] = lambda said: ok(requestId=said["requestId"], state="cancelled", outputs=[])
    assert (await me.stop("r7"))["state"] == "cancelled"
    await me.stop("r7", "bob")
    assert hub.asked("CANCEL_REQUEST") == [{"requestId": "r7"}, {"requestId": "r7", "identity": "bob"}]
    hub.requests = {"r7": {"status": "queued", "waitsFor": "turn", "position": 2, "live": True}}
    found = await me.standings(["r7", "r8"])
    assert [(each["requestId"], each["status"], each["live"]) for each in found] == [
        ("r7", "queued", True),
        ("r8", "gone", False),
    ]
    await me.close()


@still
async def test_what_waits_is_released_and_who_asked_sees_his_place() -> None:
    hub, me = await met()
    hub.answers["LLM_REQUEST"] = lambda said: ok(
        requestId=said["requestId"], messageId="q", state="queued", waitsFor="host", position=2
    )
    answer = await me.ask("Hello?", room="club", request_id="r1")
    assert (answer.state, answer.waits_for, answer.position) == ("queued", "host", 2)
    hub.tell("QUEUE_UPDATE", {"roomName": "club", "requestId": "r1", "waitsFor": "host", "position": 1, "of": 3})
    await settle()
    assert (answer.state, answer.waits_for, answer.position) == ("queued", "host", 1)
    hub.answers["SUBMIT_QUEUE"] = lambda said: ok(requestId=said["requestId"], messageId="q", state="forwarded")
    whole = await me.room("club").submit("s1")
    hub.status("r1", "merged", mergedInto="s1")
    await settle()
    assert (whole.state, whole.question_id, answer.state, answer.waits_for) == ("forwarded", "q", "merged", "")
    output = hub.begin("o1", "s1")
    hub.grow(output, "To both.")
    hub.end(output)
    hub.status("r1", "completed")
    assert [(await each.done()).text for each in (whole, answer)] == ["To both.", "To both."]
    assert hub.asked("SUBMIT_QUEUE") == [{"roomName": "club", "requestId": "s1"}]
    hub.answers["SUBMIT_QUEUE"] = lambda _: refused("The queue is empty", 7)
    assert (await failure_of(me.own.submit())).code == 7
    await me.close()


# ------------------------------------------------------------------------------------------------- what nobody wants


def stopping(hub: FakeHub) -> None:
    def cancelled(said: dict[str, Any]) -> dict[str, Any]:
        for output in hub.live():
            output["state"] = "cancelled"
            ids = {"outputId": output["outputId"], "requestId": said["requestId"]}
            hub.tell("SERVER_STREAM_END", {**ids, "data": output["text"], "cancelled": True, "partial": True})
        hub.status(said["requestId"], "cancelled", by="me")
        return ok(requestId=said["requestId"], state="cancelled", outputs=["o1"])

    hub.answers["CANCEL_REQUEST"] = cancelled


@still
async def test_stop_cancels_and_the_text_so_far_is_kept() -> None:
    hub, me = await met()
    stopping(hub)
    answer = await me.ask("Hello?", request_id="r1")
    hub.grow(hub.begin("o1", "r1"), "One")
    assert (await answer.stop())["outputs"] == ["o1"]
    assert ((await answer.done()).text, answer.state) == ("One", "cancelled")
    assert (answer.outputs[0].state, answer.outputs[0].partial) == ("cancelled", True)
    assert await answer.stop() == {"requestId": "r1", "state": "cancelled", "outputs": []}
    await me.close()


@still
async def test_an_answer_that_is_over_before_the_hub_says_that_it_stops_it_is_stopped_all_the_same() -> None:
    hub, me = await met()
    answer = await me.ask("Hello?", request_id="r1")

    def cancelled(said: dict[str, Any]) -> None:
        hub.status(said["requestId"], "cancelled")
        # its ack is lost

    hub.answers["CANCEL_REQUEST"] = cancelled
    assert (await answer.stop())["state"] == "cancelled"
    other = await me.ask("Hello?", request_id="r2")
    hub.answers["CANCEL_REQUEST"] = lambda _: refused("Request not found", 7)
    assert (await failure_of(other.stop())).code == 7
    await me.close()


@still
async def test_leaving_a_loop_stops_the_reading_alone() -> None:
    hub, me = await met()
    answer = await me.ask("Hello?", request_id="r1")
    output = hub.begin("o1", "r1")
    hub.grow(output, "One")
    async for token in answer:
        assert token == "One"
        break
    reading = asyncio.create_task(read(answer))
    await settle()
    reading.cancel()
    await asyncio.wait({reading})
    del reading
    assert hub.asked("CANCEL_REQUEST") == []
    assert len(answer._bell._waiting) == len(answer._readers) == 0
    hub.grow(output, " two")
    hub.end(output)
    assert "".join(await read(answer)) == "One two"
    await me.close()


@pytest.mark.parametrize("leaves", ["break", "error", "cancelled"])
@still
async def test_who_leaves_the_block_of_an_answer_stops_it(leaves: str) -> None:
    hub, me = await met()
    stopping(hub)
    seen: list[Answer] = []

    async def reads() -> None:
        async with me.ask("Hello?", request_id="r1") as answer:
            seen.append(answer)
            async for _ in answer:
                if leaves == "error":
                    raise ZeroDivisionError
                if leaves == "break":
                    break

    reading = asyncio.create_task(reads())
    await settle()
    hub.grow(hub.begin("o1", "r1"), "One")
    await settle()
    if leaves == "cancelled":
        reading.cancel()
    await asyncio.wait({reading})
    assert (seen[0].state, seen[0].over, seen[0].text) == ("cancelled", True, "One")
    assert len(hub.asked("CANCEL_REQUEST")) == 1
    assert reading.cancelled() if leaves == "cancelled" else (reading.exception() is None) == (leaves == "break")
    await me.close()


@still
async def test_the_block_of_an_answer_that_is_over_stops_nothing() -> None:
    hub, me = await met()
    async with me.ask("Hello?", request_id="r1") as answer:
        hub.end(hub.begin("o1", "r1"))
        await answer.done()
    assert (hub.asked("CANCEL_REQUEST"), answer.state) == ([], "completed")
    await me.close()


@still
async def test_leaving_the_block_waits_for_a_hub_that_is_away_but_a_moment() -> None:
    hub, me = await met()
    async with me.ask("Hello?", request_id="r1") as answer:
        hub.down = True
        hub.cut()
        begun = now()
    assert (answer.state, now() - begun) == ("cancelled", 2)
    stopping(hub)
    hub.down = False
    await me.ready()
    await settle()
    assert hub.asked("CANCEL_REQUEST") == [{"requestId": "r1"}]
    await me.close()


@pytest.mark.parametrize("heard", [True, False])
@still
async def test_a_question_that_is_cancelled_before_its_ack_is_taken_back_if_it_may_have_been_heard(heard: bool) -> None:
    hub, me = await met()
    hub.answers["LLM_REQUEST"] = lambda _: None
    stopping(hub)
    if not heard:
        hub.cut()
    asking = asyncio.create_task(me.ask("Hello?").done())
    await settle()
    if heard:
        hub.cut()
    asking.cancel()
    await asyncio.sleep(20)
    assert asking.cancelled()
    assert len(hub.asked("CANCEL_REQUEST")) == heard
    assert len(hub.asked()) == heard
    await me.close()


@still
async def test_who_waits_for_the_whole_answer_no_longer_stops_it_and_the_hub_hears_of_it_before_the_end() -> None:
    hub, me = await met()
    stopping(hub)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await me.ask("Hello?", request_id="r1").done()
    await me.close()
    assert hub.asked("CANCEL_REQUEST") == [{"requestId": "r1"}]


@still
async def test_a_request_is_not_asked_under_the_id_of_one_that_runs() -> None:
    hub, me = await met()
    await me.ask("Hello?", request_id="r1")
    assert (await failure_of(me.ask("And?", request_id="r1"))).code == "duplicate"
    assert len(hub.asked()) == 1
    await me.close()


# -------------------------------------------------------------------------------------------------- lines that are cut


@pytest.mark.parametrize("answered", ["on the line that is back", "while the line was down", "while it was down again"])
@still
async def test_a_question_whose_ack_was_lost_is_asked_once_and_its_answer_found(answered: str) -> None:
    hub, me = await met()
    question = {
        "messageId": "q",
        "requestId": "r1",
        "fromClient": True,
        "identity": "me",
        "message": "Hello?",
        "seq": 1,
    }

    def answers(when: str) -> None:
        if answered == when:
            hub.requests["r1"] = {"status": "completed", "live": False}
            output = hub.begin("o1", "r1")
            output["text"] = "Yes."
            hub.end(output)

    def heard(_: dict[str, Any]) -> None:
        hub.messages.append(question)
        hub.requests["r1"] = {"status": "forwarded", "live": True}
        hub.cut()
        answers("while the line was down")

    hub.answers["LLM_REQUEST"] = heard
    answer = await me.ask("Hello?", request_id="r1")
    assert me.state == "connected"
    answers("on the line that is back")
    if answered == "while it was down again":
        hub.cut()
    answers("while it was down again")
    assert (await answer.done()).text == "Yes."
    assert len(hub.asked()) == 1
    await me.close()


@still
async def test_a_question_that_the_hub_did_not_hear_is_asked_again_but_not_for_ever() -> None:
    hub, me = await met()
    hub.answers["LLM_REQUEST"] = lambda _: hub.cut()
    assert (await failure_of(me.ask("Hello?"))).code == "disconnected"
    assert len(hub.asked()) == 6
    times = 0

    def heard(said: dict[str, Any]) -> dict[str, Any] | None:
        nonlocal times
        times += 1
        if times == 1:
            hub.cut()
            return None
        return refused("Duplicate requestId.", 3)

    hub.answers["LLM_REQUEST"] = heard
    answer = await me.ask("Hello?", request_id="r1")
    assert answer.state == "forwarded"
    await me.close()


@still
async def test_a_line_that_does_not_answer_at_the_door_is_given_up() -> None:
    hub, me = await met()
    resume = hub.resume
    hub.resume = lambda said: None  # type: ignore[assignment, return-value, method-assign]
    hub.cut()
    await asyncio.sleep(60)
    assert me.state == "reconnecting"
    hub.resume = resume  # type: ignore[method-assign]
    await me.ready()
    await me.close()


@still
async def test_an_answer_goes_on_at_another_extension_wherever_the_line_is_cut() -> None:
    hub, me = await met()
    answer = await me.ask("Hello?", request_id="r1", failover=True)
    first = hub.begin("o1", "r1", identity="a")
    first["state"] = "cancelled"
    hub.tell("SERVER_STREAM_END", {"outputId": "o1", "requestId": "r1", "data": "", "cancelled": True})
    hub.status("r1", "rerouted", **{"from": "a", "to": "b"})
    await settle()
    assert (answer.state, answer.outputs) == ("rerouted", [])
    hub.requests = {"r1": {"status": "forwarded", "live": True, "targets": ["b"]}}
    hub.cut()
    await asyncio.sleep(60)
    assert not answer.over
    second = hub.begin("o2", "r1", identity="b")
    hub.grow(second, "Here.")
    hub.end(second)
    assert (await answer.done()).text == "Here."
    assert [output.output_id for output in answer.outputs] == ["o2"]
    await me.close()


@pytest.mark.parametrize("begun", [False, True])
@still
async def test_what_went_to_another_extension_while_the_line_was_down_is_waited_for(begun: bool) -> None:
    hub, me = await met()
    answer = await me.ask("Hello?", request_id="r1", failover=True)
    first = hub.begin("o1", "r1", identity="a")
    await settle()
    hub.cut()
    first["state"] = "cancelled"
    status = "forwarded" if begun else "queued"
    hub.requests = {"r1": {"status": status, "live": True, "targets": ["b"]}}
    second = hub.begin("o2", "r1", identity="b") if begun else None
    await asyncio.sleep(600)
    assert (answer.over, answer.state) == (False, status)
    late = second or hub.begin("o2", "r1", identity="b")
    hub.grow(late, "Here.")
    hub.end(late)
    assert (await answer.done()).text == "Here."
    assert [output.output_id for output in answer.outputs] == ["o2"]
    await me.close()


@still
async def test_one_that_its_extension_had_taken_keeps_its_place_unless_it_was_put_off() -> None:
    hub, me = await met()
    answers = [await me.ask("Hello?", request_id=each) for each in ("r1", "r2")]
    for each in ("r1", "r2"):
        hub.status(each, "accepted", where="chat", position=3)
    await settle()
    hub.cut()
    hub.requests = {
        "r1": {"status": "queued", "live": True, "targets": ["a"], "waitsFor": "turn", "position": 2},
        "r2": {"status": "forwarded", "live": True, "targets": ["a"]},
    }
    await asyncio.sleep(10)
    assert [(each.state, each.waits_for, each.position) for each in answers] == [
        ("queued", "turn", 2),
        ("accepted", "", 3),
    ]
    await me.close()


ENDS: dict[str, tuple[dict[str, Any], str | None]] = {
    "completed": ({"status": "completed", "live": False}, "One two"),
    "cancelled": ({"status": "cancelled", "live": False}, "One two"),
    "failed": ({"status": "failed", "live": False, "message": "no model", "errorCode": 12}, None),
    "gone": ({"status": "gone", "live": False}, "One two"),
}


@pytest.mark.parametrize("name", ENDS)
@still
async def test_what_became_of_an_answer_while_the_line_was_down_is_known_at_the_return(name: str) -> None:
    hub, me = await met()
    standing, text = ENDS[name]
    answer = await me.ask("Hello?", request_id="r1")
    output = hub.begin("o1", "r1")
    hub.grow(output, "One")
    await settle()
    hub.cut()
    hub.grow(output, " two")
    hub.end(output)
    hub.requests = {"r1": standing}
    if text is None:
        assert (await failure_of(answer.done())).code == 12
    else:
        assert (await answer.done()).text == text
    assert (now() < 10, answer.text) == (True, "One two")
    await me.close()


@still
async def test_a_request_that_the_hub_has_forgotten_is_found_in_the_history_or_fails() -> None:
    hub, me = await met()
    lost = await me.ask("Hello?", request_id="r1")
    found = await me.ask("Hello?", request_id="r2")
    hub.grow(hub.begin("o2", "r2"), "Hal")
    await settle()
    hub.cut()  # and it starts again
    hub.outputs.clear()
    hub.epoch = "e2"
    stored = {"messageId": "m", "isResponse": True, "requestId": "r2", "outputId": "o2", "message": "Half", "seq": 1}
    hub.messages.append({**stored, "failed": True, "partial": True})
    assert (await failure_of(lost.done())).code == "gone"
    assert (await failure_of(found.done())).message == "The answer was not finished."
    assert (found.text, found.outputs[0].partial) == ("Half", True)
    await me.close()


@still
async def test_what_became_of_a_request_whose_room_cannot_be_read_any_more_is_known_and_of_those_after_it() -> None:
    hub, me = await met()
    rooms = {"r1": "club", "r2": "club", "r3": ""}
    answers = [await me.ask("Hello?", request_id=each, room=room) for each, room in rooms.items()]
    hub.cut()
    hub.requests = {
        "r1": {"status": "failed", "live": False, "message": "Room deleted."},
        "r2": {"status": "completed", "live": False},
        "r3": {"status": "cancelled", "live": False},
    }
    read = hub.answers["GET_MESSAGES"]
    none = refused("Room not found", 303)
    hub.answers["GET_MESSAGES"] = lambda said: none if said.get("roomName") == "club" else read(said)
    await asyncio.sleep(10)
    assert [(each.over, each.state, each.failure and each.failure.message) for each in answers] == [
        (True, "failed", "Room deleted."),
        (True, "forwarded", "Room not found"),
        (True, "cancelled", None),
    ]
    await me.close()


@still
async def test_an_answer_whose_end_never_comes_is_over_with_its_request() -> None:
    hub, me = await met()
    answer = await me.ask("Hello?", request_id="r1")
    hub.grow(hub.begin("o1", "r1"), "One")
    hub.status("r1", "completed")
    begun = now()
    assert (await answer.done()).text == "One"
    assert 9 < now() - begun < 11
    await me.close()


@still
async def test_an_answer_in_one_piece_is_one() -> None:
    hub, me = await met()
    answer = await me.ask("Hello?", request_id="r1")
    hub.tell("message", {"type": 0, "requestId": "r0", "data": "Yes,connection is fine."})
    hub.tell("message", {"type": 0, "roomName": "me", "outputId": "o1", "requestId": "r1", "data": "All of it."})
    hub.tell("LLM_RESPONSE", {"roomName": "me", "outputId": "o1", "requestId": "r1", "messageId": "m", "message": "-"})
    hub.status("r1", "completed")
    assert await read(answer) == ["All of it."]
    assert answer.message_ids == ["m"]
    await me.close()


@still
async def test_several_who_speak_are_several_outputs() -> None:
    hub, me = await met()
    answer = await me.ask("Hello?", request_id="r1")
    for number, name in enumerate(("Ann", "Bob")):
        output = hub.begin(f"o{number}", "r1", identity=name)
        hub.grow(output, f"I am {name}.")
        output["state"] = "ended"
        hub.tell("SERVER_STREAM_END", {"outputId": f"o{number}", "requestId": "r1", "data": f"I am {name}."})
    hub.begin("o9", "r1", requester="somebody else")
    hub.status("r1", "completed")
    assert (await answer.done()).text == "I am Ann.\n\nI am Bob."
    assert [output.identity for output in answer.outputs] == ["Ann", "Bob"]
    await me.close()


@still
async def test_a_reader_goes_on_with_what_comes_instead_of_what_is_void() -> None:
    hub, me = await met()
    answer = await me.ask("Hello?", request_id="r1")
    output = hub.begin("o1", "r1")
    hub.grow(output, "😀 Hello wrold")
    reader = aiter(answer)
    assert await anext(reader) == "😀 Hello wrold"
    hub.reset(output, len("xx Hello w"))
    hub.grow(output, "orld")
    await settle()
    assert await anext(reader) == "orld"
    assert answer.text == "😀 Hello world"
    await me.close()


# ------------------------------------------------------------------------------------------------ many, and too often


@pytest.mark.parametrize(("outputs", "requests", "count"), [(64, 64, 80), (3, 2, 7), (2, 64, 5), (64, 0, 3)])
@still
async def test_a_hub_that_takes_few_at_once_is_asked_in_pieces_not_too_often(
    outputs: int, requests: int, count: int
) -> None:
    hub, me = await met()
    hub.most = {"outputs": outputs, "requests": requests}
    ids = [f"r{number}" for number in range(count)]
    answers = [await me.ask("Hello?", request_id=each) for each in ids]
    written = [hub.begin(f"o-{each}", each) for each in ids]
    await settle()
    hub.cut()
    for output in written:
        hub.grow(output, "Here.")
        hub.end(output)
    hub.requests = {each: {"status": "completed", "live": False} for each in ids}
    hub.resumed.clear()
    await asyncio.sleep(60)
    if requests:
        assert [(each.over, each.text) for each in answers] == [(True, "Here.")] * count
    assert [each.text for each in me.outputs] == ["Here."] * count
    for begun in hub.resumed:
        assert sum(begun <= at < begun + 1 for at in hub.resumed) <= 5 + 3
    hub.requests = {each: {"status": "forwarded", "live": True} for each in ids}
    assert [each["requestId"] for each in await me.standings(ids)] == (ids if requests else [])
    await me.close()


@still
async def test_a_hub_that_is_asked_too_often_is_asked_again_a_while_later() -> None:
    hub, me = await met()
    hub.requests = {"r1": {"status": "forwarded", "live": True}}
    hub.busy = 2
    assert [each["status"] for each in await me.standings(["r1"])] == ["forwarded"]
    hub.busy = 9
    assert (await failure_of(me.standings(["r1"]))).code == 9
    await me.close()


@still
async def test_what_is_missing_in_the_middle_is_asked_for() -> None:
    hub, me = await met()
    answer = await me.ask("Hello?", request_id="r1")
    output = hub.begin("o1", "r1")
    await settle()
    output["text"] = "One "  # its event is lost
    hub.grow(output, "two")
    await asyncio.sleep(1)
    assert answer.text == "One two"
    output["rev"] = 3  # so is this
    output["text"] = "One three"
    hub.tell("SERVER_STREAM_START", hub.start(output))
    await asyncio.sleep(1)
    assert answer.text == "One three"
    await me.close()


@still
async def test_what_the_hub_never_gives_is_asked_for_a_few_times_and_comes_with_the_end() -> None:
    hub, me = await met()
    answer = await me.ask("Hello?", request_id="r1")
    output = hub.begin("o1", "r1")
    await settle()
    hub.tell("SERVER_STREAM_DATA", {"outputId": "o1", "requestId": "r1", "at": 50, "data": "far", "kind": "text"})
    hub.resumed.clear()
    await asyncio.sleep(100)
    assert (len(hub.resumed), answer.text) == (4, "")
    output["text"] = "All."
    hub.end(output)
    assert (await answer.done()).text == "All."
    await me.close()


@pytest.mark.parametrize("seed", range(60))
@still
async def test_neither_a_gap_nor_a_double_is_ever_seen_whatever_is_cut_and_voided_when(seed: int) -> None:
    chance = random.Random(seed)
    hub, me = await met(random=chance.random())
    answer = await me.ask("Hello?", request_id="r1")
    seen, reading = Seen(answer), asyncio.create_task(read(answer))
    output = hub.begin("o1", "r1")
    hub.requests = {"r1": {"status": "forwarded", "live": True}}
    for step in range(40):
        kind, dice = "reasoning" if chance.random() < 0.2 else "text", chance.random()
        if dice < 0.6:
            hub.grow(output, f"{kind[0]}{step}{chance.choice(['', 'é', '😀'])} ", kind)
        elif dice < 0.7:
            hub.reset(output, len16(output[kind][: chance.randrange(len(output[kind]) + 1)]), kind)
        elif dice < 0.85:
            hub.cut()
        else:
            await asyncio.sleep(chance.random() * 4)
        if chance.random() < 0.5:
            await settle()
        if output["rev"] == 0:
            assert output["text"].startswith(seen.text["text"])
    hub.end(output)
    hub.requests = {"r1": {"status": "completed", "live": False}}
    await answer.done()
    assert seen.text == {"text": output["text"], "reasoning": output["reasoning"]}
    assert (answer.text, answer.reasoning) == (output["text"], output["reasoning"])
    tokens = "".join(await reading)
    if output["rev"] == 0:
        assert (seen.resets, tokens) == (0, output["text"])
    await me.close()


# -------------------------------------------------------------------------------------------------------- small things


def test_attempts_come_soon_at_first_and_never_end() -> None:
    assert [delay_before(each, 0, 1) for each in range(6)] == [1, 1.5, 2.25, 3.375, 5, 5]
    assert delay_before(0, 0, 0) == 1
    assert delay_before(9, 119, 0) == 3
    assert 5 < delay_before(9, 121, 1) < delay_before(9, 150, 1) < delay_before(9, 200, 1) == 30
    assert delay_before(10**6, 10**9, 1) == 30


@pytest.mark.parametrize(
    ("body", "message", "code", "word"),
    [
        ({"message": "No.", "errorCode": 6, "code": "AUTH"}, "No.", 6, "AUTH"),
        ({"error": {"message": "No.", "code": 3}}, "No.", 3, ""),
        (
            {"message": 5, "errorCode": [], "code": 7},
            "The hub reported a problem and did not say which.",
            "unknown",
            "",
        ),
    ],
)
def test_a_failure_says_what_the_hub_said(body: dict[str, Any], message: str, code: int | str, word: str) -> None:
    failure = Failure.of(body).again()
    assert (failure.message, failure.code, failure.word, failure.body) == (message, code, word, body)


@pytest.mark.parametrize("wrong", [{"url": "localhost:4000"}, {"transports": []}, {"transports": ["smoke"]}])
def test_an_address_at_which_no_hub_can_be_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"address|transport"):
        connect(**{"url": "http://localhost:4000", "client_id": "me", **wrong})
