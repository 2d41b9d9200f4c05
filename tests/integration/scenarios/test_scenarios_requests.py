"""Contract 13, scenarios 17-20, 45, 46, 53, 54 and amendment A12: requests to extensions and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from answering import of_its_socket, on_both, on_both_for_each
from expect import is_response, of_request, statuses, wait_status
from harness import ALL_TRANSPORTS, UPGRADE, Daemon, Driver, Extension, Hub, request

NO_EXTENSION = "No connected SillyTavern extensions."


@of_its_socket("the list of those that have connected, and the packet")
def test_scenario_17_the_monitor_page_asks_an_extension(hub: Hub) -> None:
    extension = hub.extension(kind="message", text="hi yourself")
    extension.start()
    engine = hub.engine(UPGRADE)
    auth, llm, _calls = (hub.monitor(nsp, engine=engine) for nsp in ("/auth", "/llm", "/function_call"))
    (listed,) = auth.call_all("GET_SILLYTAVERN_EXTENSION")  # no payload
    assert listed["status"] == "ok"
    assert extension.client_id in listed["allTheSTSocket"]
    question = {"target": extension.client_id, "requestId": "m17", "message": "hi", "requestType": "newMessage"}
    reply = llm.call("LLM_REQUEST", question)
    assert (reply["status"], reply["success"], reply["message"]) == ("ok", True, "Request received.")
    assert (reply["requestId"], reply["roomName"], reply["state"]) == ("m17", "monitor", "forwarded")
    asked = extension.llm.payload("LLM_REQUEST")
    assert asked["requestId"] == "m17"
    assert asked["message"] == "hi"
    assert asked["requestType"] == "newMessage"
    assert asked["target"] == extension.client_id
    assert asked["targets"] == [extension.client_id]
    assert asked["currentRequest"]["message"] == "hi"
    assert asked["context"][-1]["message"] == "hi"
    assert llm.payload("message", of_request("m17"))["data"] == "hi yourself"


@pytest.fixture
def lonely_hub(make_daemon: Callable[..., Daemon], driver: Driver) -> Hub:
    """A daemon to which no extension has ever connected."""
    return Hub(make_daemon("--ephemeral"), driver)


def test_scenario_18_without_extension_every_asker_is_told(lonely_hub: Hub) -> None:
    listed = lonely_hub.monitor("/auth").call_all("GET_SILLYTAVERN_EXTENSION")[0]
    assert (listed["status"], listed["success"], listed["message"]) == ("error", False, NO_EXTENSION)
    assert (listed["extensions"], listed["allTheSTSocket"]) == ([], [])
    web = lonely_hub.client("web1")
    reply = web.call("LLM_REQUEST", request("r18"))
    assert (reply["status"], reply["success"], reply["message"]) == ("error", False, NO_EXTENSION)
    assert reply["errorCode"] == 401
    assert reply["error"]["message"] == NO_EXTENSION
    error = web.payload("ERROR")
    assert (error["type"], error["message"], error["requestId"]) == ("ERROR", NO_EXTENSION, "r18")


@of_its_socket("it comes after the question")
def test_amendment_12_what_is_said_is_stored_although_nobody_can_take_it(lonely_hub: Hub) -> None:
    web = lonely_hub.client("web1")
    other_tab = lonely_hub.client("web1")
    reply = web.call("LLM_REQUEST", request("r12", "SillyTavern-8000", "is anybody there?"))
    assert (reply["status"], reply["message"]) == ("error", "Target client not found: SillyTavern-8000")
    for socket in (web, other_tab):
        shown = socket.payload("NEW_MESSAGE")
        assert shown["messageId"] == reply["messageId"]
        assert shown["text"] == shown["message"]["message"] == "is anybody there?"
        assert (shown["roomName"], shown["identity"], shown["fromClient"]) == ("web1", "web1", True)
    assert wait_status(web, "r12", "failed")["roomName"] == "web1"
    assert web.payload("ERROR")["requestId"] == "r12"
    extension = lonely_hub.extension("8000").start_quickly()
    assert web.call("LLM_REQUEST", request("r12b", "SillyTavern-8000", "and now?"))["status"] == "ok"
    context = extension.llm.payload("LLM_REQUEST")["context"]
    assert [message["message"] for message in context] == ["is anybody there?", "and now?"]


@on_both
def test_scenario_19_connecting_to_the_root_registers(hub: Hub) -> None:
    watcher = hub.client(hub.new_id("watch"), "/clients")
    monitor = hub.monitor("/")
    me = hub.new_id()
    hub.client(me, "/", auth={"desc": "nineteen", "clientHTML": "<b>web</b>"})
    info = {
        "id": me,
        "clientId": me,
        "identity": me,
        "clientType": "web-app",
        "desc": "nineteen",
        "description": "nineteen",
        "clientDesc": "nineteen",
        "html": "<b>web</b>",
        "clientHTML": "<b>web</b>",
    }
    for socket in (watcher, monitor):
        update = socket.payload("UPDATE_CONNECTED_CLIENTS", lambda u: any(e["id"] == me for e in u["clients"]))
        (entry,) = (entry for entry in update["clients"] if entry["id"] == me)
        assert entry.pop("connectedAt")
        assert entry == info
    extension = hub.extension().start_quickly()
    llm = hub.client(me)
    reply = llm.call("LLM_REQUEST", request("r19", extension.client_id))
    assert (reply["roomName"], reply["state"]) == (me, "forwarded")  # a master's request, in Default mode
    assert llm.payload("NEW_MESSAGE")["role"] == "master"
    details = hub.client(me, "/rooms").call("GET_ROOMS")["roomDetails"]
    (own,) = (room for room in details if room["name"] == me)
    assert (own["kind"], own["master"], own["memberCount"]) == ("personal", me, 1)


@on_both_for_each("transports", ALL_TRANSPORTS)
def test_scenario_20_llm_alone_is_enough(hub: Hub, transports: Sequence[str]) -> None:
    asked_id = hub.new_id("r20")
    extension = hub.extension(transports=transports, kind="message", text="pong").start_quickly()
    me = hub.new_id()
    web = hub.client(me, transports=transports)
    reply = web.call("LLM_REQUEST", request(asked_id, extension.client_id, "ping"))
    assert (reply["status"], reply["roomName"], reply["state"]) == ("ok", me, "forwarded")
    extension.asked_for(asked_id, "ping", requestingIdentity=me, targetRoom=me, roomName=me, mode="Default")
    stored = web.payload("NEW_MESSAGE")
    assert (stored["roomName"], stored["messageId"], stored["text"]) == (me, reply["messageId"], "ping")
    assert web.payload("LLM_RESPONSE", of_request(asked_id))["message"] == "pong"
    wait_status(web, asked_id, "completed")
    assert statuses(web, asked_id)[0] == "forwarded"
    assert statuses(web, asked_id).count("completed") == 1


@on_both
def test_scenario_20_the_text_is_found_where_clients_put_it(hub: Hub) -> None:
    extension = hub.extension(declares={"capacity": 5}, kind="silent").start_quickly()
    web = hub.client(hub.new_id())
    shapes: list[dict[str, Any]] = [
        {"data": "t"},
        {"data": {"message": "t"}},
        {"data": {"prompt": "t"}},
        {"data": {"text": "t"}},
        {"prompt": "t"},
    ]
    for number, shape in enumerate(shapes):
        payload = {"requestId": f"s{number}", "target": extension.client_id, **shape, "custom": {"kept": number}}
        assert web.call("LLM_REQUEST", payload)["status"] == "ok"
    for number in range(len(shapes)):
        extension.asked_for(f"s{number}", "t", custom={"kept": number})


BAD_REQUESTS: list[tuple[Any, str]] = [
    ({}, "Invalid LLM request data."),
    ({"requestId": "x"}, "Invalid LLM request data."),
    ({"message": "no id"}, "Invalid LLM request data."),
    ({"requestId": "x" * 129, "message": "m"}, "Invalid LLM request data."),
    ({"requestId": {}, "message": "m"}, "Invalid LLM request data."),
    ({"requestId": "big", "message": "m" * (256 * 1024 + 1)}, "Invalid LLM request data."),
    (
        {"requestId": "srv", "message": "m", "target": "server"},
        "LLM requests should not be sent to the server directly.",
    ),
    ({"requestId": "gone", "message": "m", "target": "nobody"}, "Target client not found: nobody"),
    ({"requestId": "room", "message": "m", "targetRoom": "no-such-room"}, "Invalid or unauthorized target room."),
]


@pytest.mark.parametrize(
    ("payload", "message"), BAD_REQUESTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_scenario_18_a_bad_request_is_acked_and_reported(hub: Hub, payload: Any, message: str) -> None:
    web = hub.client(hub.new_id())
    reply = web.call("LLM_REQUEST", payload)
    assert (reply["status"], reply["success"], reply["message"]) == ("error", False, message)
    assert reply["error"]["message"] == message
    assert web.payload("ERROR")["message"] == message


@on_both
def test_a_live_request_id_is_not_taken_twice(hub: Hub) -> None:
    extension = hub.extension(kind="silent").start_quickly()
    web = hub.client(hub.new_id())
    assert web.call("LLM_REQUEST", request("twice", extension.client_id))["status"] == "ok"
    assert web.call("LLM_REQUEST", request("twice", extension.client_id))["message"] == "Duplicate requestId."


@pytest.mark.parametrize("payload", [None, "text", 5, ["x"]], ids=str)
def test_a_request_of_the_wrong_type_is_answered(hub: Hub, payload: Any) -> None:
    web = hub.client(hub.new_id())
    reply = web.call("LLM_REQUEST", payload)
    assert (reply["status"], reply["success"]) == ("error", False)
    web.emit("LLM_REQUEST", payload)
    web.fence()
    assert not web.all("@disconnect")


@of_its_socket("the request id of its answer")
@pytest.mark.parametrize("transports", ALL_TRANSPORTS, ids="-".join)
def test_scenario_45_an_answer_under_an_unknown_request_id_finds_its_room(hub: Hub, transports: Sequence[str]) -> None:
    asked_id = hub.new_id("r45")
    extension = hub.extension(kind="message", text="the answer 😀").start_quickly()
    me, stranger = hub.new_id(), hub.client(hub.new_id())
    web = hub.client(me, transports=transports)
    web.call("LLM_REQUEST", request(asked_id, extension.client_id, "the question"))
    answer = web.payload("message")
    assert answer.pop("outputId")
    response_id, message_id = answer.pop("responseId"), answer.pop("messageId")
    assert answer == {
        "type": 0,
        "data": "the answer 😀",
        "source": "server",
        "requestId": asked_id,
        "roomName": me,
        "clientId": extension.client_id,
        "identity": extension.client_id,
    }
    stored = web.payload("NEW_MESSAGE", is_response)
    assert (stored["responseId"], stored["messageId"], stored["requestId"]) == (response_id, message_id, asked_id)
    assert (stored["text"], stored["message"]["role"], stored["message"]["streamed"]) == (
        "the answer 😀",
        "assistant",
        False,
    )
    whole = web.payload("LLM_RESPONSE")
    assert (whole["requestId"], whole["responseId"], whole["message"]) == (asked_id, response_id, "the answer 😀")
    wait_status(web, asked_id, "completed")
    stranger.fence()
    assert [record.event for record in stranger.records] == ["@connect", "message"]  # the fence's


@on_both
def test_scenario_46_a_client_cannot_inject_an_answer(hub: Hub) -> None:
    extension = hub.extension(kind="silent").start_quickly()
    victim, forger = hub.client(hub.new_id()), hub.client(hub.new_id())
    victim.call("LLM_REQUEST", request("r46", extension.client_id))
    forged = {"type": 0, "data": "forged", "source": "client", "requestId": "r46", "outputId": "o46"}
    forger.emit("message", forged)
    warning = forger.payload("WARNING")
    assert (warning["type"], warning["warningCode"]) == ("WARNING", 72)
    start = {"type": 1, "streamId": "s46", "outputId": "o46", "requestId": "r46", "target": "server"}
    forger.emit("CLIENT_STREAM_START", start)
    forger.emit("CLIENT_STREAM_DATA_FIRST", {**start, "type": 4, "chunkIndex": 0, "data": "forged"})
    forger.emit("CLIENT_STREAM_END", {**start, "type": 3, "final": True})
    forger.fence()
    victim.fence()
    assert not [record for record in victim.records if "forged" in str(record.args)]
    extension.reply("r46", "true")
    assert victim.payload("LLM_RESPONSE", of_request("r46"))["message"] == "true"


@of_its_socket("it names the request that it answers")
def test_an_extension_answers_only_what_it_was_asked(hub: Hub) -> None:
    asked, other = (hub.extension(kind="silent").start_quickly() for _ in range(2))
    web = hub.client(hub.new_id())
    web.call("LLM_REQUEST", request("r46x", asked.client_id))
    other.llm.emit(
        "message", {"type": 0, "data": "not yours", "source": "client", "requestId": "r46x", "outputId": "o"}
    )
    other.llm.fence()
    asked.llm.emit("message", {"type": 0, "data": "mine", "source": "client", "requestId": "r46x", "outputId": "o"})
    web.wait("LLM_RESPONSE")
    assert [payload["data"] for payload in web.payloads("message")] == ["mine"]


@of_its_socket("its two listeners")
@pytest.mark.parametrize("transports", ALL_TRANSPORTS, ids="-".join)
def test_scenario_53_an_error_that_comes_twice_is_told_once(hub: Hub, transports: Sequence[str]) -> None:
    asked_id = hub.new_id("r53")
    next_id = hub.new_id("r53b")
    extension = hub.extension(kind="error").start_quickly()
    web = hub.client(hub.new_id(), transports=transports)
    assert web.call("LLM_REQUEST", request(asked_id, extension.client_id))["status"] == "ok"
    error = web.payload("ERROR")
    assert (error["type"], error["message"], error["requestId"]) == ("ERROR", "生成文本时出错", asked_id)
    assert (error["error"], error["source"]) == ("Got response status 500", extension.client_id)
    wait_status(web, asked_id, "failed")
    extension.llm.fence()  # both ERRORs are handled
    web.fence()
    assert len(web.all("ERROR")) == 1
    assert statuses(web, asked_id).count("failed") == 1
    extension.answers("message", text="recovered")
    assert web.call("LLM_REQUEST", request(next_id, extension.client_id))["status"] == "ok"
    assert web.payload("message", of_request(next_id))["data"] == "recovered"


@of_its_socket("its end; a model server's is in test_model_servers.py")
@pytest.mark.parametrize("flavour", ["library", "plain"])
def test_scenario_54_an_extension_that_dies_mid_stream(hub: Hub, flavour: str) -> None:
    asked_id = hub.new_id("r54")
    extension = hub.extension()
    extension.start()
    extension.llm.engine.wait("@upgrade")
    extension.answers("tokens", tokens=["partial", " text", " never"], gap=150, dieAfter=2)
    streams = ("SERVER_STREAM_DATA",) if flavour == "library" else ()
    web = hub.client(hub.new_id(), streams=streams, auth={"streamMode": "ss" if streams else "plain"})
    web.call("LLM_REQUEST", request(asked_id, extension.client_id))
    if streams:
        assert web.wait("@stream-error").args[1] == "SillyTavern extension disconnected."
    else:
        end = web.payload("SERVER_STREAM_END")
        assert (end["failed"], end["data"]) == (True, "partial text")
    failed = wait_status(web, asked_id, "failed")
    assert failed["requestId"] == asked_id
    error = web.payload("ERROR")
    assert (error["message"], error["requestId"]) == ("SillyTavern extension disconnected.", asked_id)
    stored = web.payload("NEW_MESSAGE", is_response)
    assert (stored["text"], stored["message"]["failed"]) == ("partial text", True)
    listed = hub.client(hub.new_id(), "/auth").call("GET_SILLYTAVERN_EXTENSION", {})
    assert extension.client_id not in listed["extensions"]


@of_its_socket("its end")
def test_a_dead_extension_fails_its_requests_after_its_grace(hasty_hub: Hub) -> None:
    extension: Extension = hasty_hub.extension(kind="silent")
    extension.start_quickly()
    web = hasty_hub.client(hasty_hub.new_id())
    web.call("LLM_REQUEST", request("r54b", extension.client_id))
    extension.llm.wait("LLM_REQUEST")
    extension.llm.close_engine()
    assert web.payload("ERROR")["message"] == "SillyTavern extension disconnected."
    wait_status(web, "r54b", "failed")


@of_its_socket("its page is loaded again")
def test_amendment_22_a_question_during_a_reload_is_answered(hub: Hub) -> None:
    """The page of the unmodified extension is loaded again: one question was asked before, one meanwhile."""
    first = hub.extension(kind="silent").start_quickly()
    web = hub.client(hub.new_id(), auth={"streamMode": "plain"})
    before, meanwhile = hub.new_id("before"), hub.new_id("meanwhile")
    web.call("LLM_REQUEST", request(before, first.client_id, "one"))
    first.llm.wait("LLM_REQUEST")
    first.stop()
    assert wait_status(web, before, "queued")["waitsFor"] == "extension"
    reply = web.call("LLM_REQUEST", request(meanwhile, first.client_id, "two"))
    assert (reply["status"], reply["state"], reply["waitsFor"]) == ("ok", "queued", "extension")
    again = hub.extension(
        first.client_id.removeprefix("SillyTavern-"), kind="message", text="here I am"
    ).start_quickly()
    for request_id in (before, meanwhile):
        wait_status(web, request_id, "completed")
    asked = [each.args[0]["requestId"] for each in again.llm.all("LLM_REQUEST")]
    assert sorted(set(asked), key=asked.index) == [before, meanwhile]
    assert web.all("ERROR") == []
