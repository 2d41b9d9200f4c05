"""Extensions that say more than the reference one, over real lines: reasoning, resets, groups, resuming, what grows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from expect import of_request, wait_status
from harness import Daemon, Driver, Hub, Socket, request

FEATURES = ["accept", "reasoning", "reset", "resume", "groups"]
UNKNOWN = ("error", "Unknown output", 7)


def join(hub: Hub, port: str) -> Socket:
    """An extension that a test plays by hand."""
    auth = {"clientType": "SillyTavern", "clientId": f"SillyTavern-{port}", "features": FEATURES, "capacity": 4}
    return hub.open("/llm", auth).connected()


def ask(web: Socket, port: str, request_id: str, **more: Any) -> Any:
    return web.call("LLM_REQUEST", request(request_id, f"SillyTavern-{port}", "a story", **more))


def ids(output: str, request_id: str) -> dict[str, Any]:
    return {"streamId": f"s-{output}", "outputId": output, "requestId": request_id}


def say(extension: Socket, names: dict[str, Any], text: str, **more: Any) -> None:
    extension.emit("CLIENT_STREAM_DATA_MIDDLE", {**names, "data": text, **more})


def history(web: Socket) -> list[dict[str, Any]]:
    return [each for each in web.call("GET_MESSAGES", {})["messages"] if each["fromLlm"]]


def resumed(extension: Socket, names: dict[str, Any]) -> Any:
    return extension.call("CLIENT_STREAM_START", {"type": 1, **names, "resume": True, "at": 0})


def test_amendment_28_what_is_thought_taken_back_and_said_by_several(hub: Hub) -> None:
    port, web = "8811", hub.client(hub.new_id(), auth={"streamMode": "plain"})
    extension = join(hub, port)
    ask(web, port, "r1")
    extension.wait("LLM_REQUEST")
    cora, dan = ({"id": f"{name}.png", "name": name} for name in ("Cora", "Dan"))
    one, two = ids("a1", "r1"), ids("a2", "r1")
    extension.emit("CLIENT_STREAM_START", {"type": 1, **one, "character": cora})
    say(extension, one, "Hm. ", kind="reasoning", chunkIndex=0)
    say(extension, one, "Wrong end", chunkIndex=0)
    extension.emit("CLIENT_STREAM_RESET", {**one, "at": 0})
    say(extension, one, "Right", chunkIndex=1)
    say(extension, one, "Yes.", kind="reasoning", chunkIndex=1)
    extension.emit("CLIENT_STREAM_END", {"type": 3, **one, "final": True, "more": True, "finishReason": "stop"})
    extension.emit("CLIENT_STREAM_START", {"type": 1, **two, "character": dan})
    say(extension, two, "So am I")
    wait_status(web, "r1", "processing")
    extension.emit("CLIENT_STREAM_END", {"type": 3, **two, "final": True, "extra": {"tokens": 3}})
    wait_status(web, "r1", "completed")
    first, second = history(web)
    assert (first["message"], first["reasoning"], first["character"]) == ("Right", "Hm. Yes.", cora)
    assert (first["finishReason"], second["message"], second["tokens"]) == ("stop", "So am I", 3)
    assert "reasoning" not in second
    chunks = web.payloads("SERVER_STREAM_DATA", lambda body: body["outputId"] == "a1")
    assert [each["data"] for each in chunks] == ["Wrong end"]  # nothing after what is wrong, until the end
    assert web.payload("SERVER_STREAM_END", lambda body: body["outputId"] == "a1")["data"] == "Right"


def test_amendment_22_an_extension_goes_on_by_another_line(hub: Hub) -> None:
    port, web = "8812", hub.client(hub.new_id(), auth={"streamMode": "plain"})
    extension = join(hub, port)
    ask(web, port, "r1")
    extension.wait("LLM_REQUEST")
    names = ids("b1", "r1")
    say(extension, names, "One \U0001f600", chunkIndex=0)
    web.wait("SERVER_STREAM_DATA")
    extension.kill_transport()
    extension = join(hub, port)
    ack = resumed(extension, names)
    assert {name: ack[name] for name in ("status", "at", "reasoningAt", "rev")} == {
        "status": "ok",
        "at": 6,
        "reasoningAt": 0,
        "rev": 0,
    }
    say(extension, names, " two", chunkIndex=0)
    extension.emit("CLIENT_STREAM_END", {"type": 3, **names, "final": True})
    assert web.payload("LLM_RESPONSE", of_request("r1"))["message"] == "One \U0001f600 two"
    assert "".join(each["data"] for each in web.payloads("SERVER_STREAM_DATA")) == "One \U0001f600 two"
    ack = resumed(extension, names)
    assert (ack["status"], ack["message"], ack["errorCode"]) == UNKNOWN
    assert len(extension.all("LLM_REQUEST")) == 0


def test_amendment_22_a_hub_that_was_restarted_tells_it_to_stop(
    make_daemon: Callable[..., Daemon], driver: Driver
) -> None:
    daemon = make_daemon()
    hub = Hub(daemon, driver)
    port, web = "8813", hub.client("web1", auth={"streamMode": "plain"})
    extension = join(hub, port)
    ask(web, port, "r1")
    extension.wait("LLM_REQUEST")
    names = ids("c1", "r1")
    say(extension, names, "Half")
    web.wait("SERVER_STREAM_DATA")
    daemon.kill()
    driver.reset()
    hub = Hub(daemon.start(), driver)
    extension, web = join(hub, port), hub.client("web1")
    ack = resumed(extension, names)
    assert (ack["status"], ack["message"], ack["errorCode"]) == UNKNOWN
    say(extension, names, " and more")
    extension.emit("CLIENT_STREAM_END", {"type": 3, **names, "final": True})
    extension.fence()
    assert not [each for each in history(web) if "more" in each["message"]]


def test_amendment_19_an_answer_grows_and_is_chosen_and_words_are_ones_own(hub: Hub) -> None:
    port, web = "8814", hub.client(hub.new_id(), auth={"streamMode": "plain"})
    extension = join(hub, port)

    def answered(request_id: str, text: str, **more: Any) -> dict[str, Any]:
        assert ask(web, port, request_id, **more)["status"] == "ok"
        extension.wait("LLM_REQUEST", of_request(request_id))
        extension.emit("message", {"type": 0, "data": text, "requestId": request_id, "outputId": f"d-{request_id}"})
        wait_status(web, request_id, "completed")
        found: dict[str, Any] = web.payload("LLM_RESPONSE", of_request(request_id))
        return found

    first = answered("r1", "Once")
    grown = answered("r2", " upon", action="continue")
    assert (grown["message"], grown["messageId"]) == ("Once upon", first["messageId"])
    second = answered("r3", "Long ago", action="swipe", messageId=first["messageId"])
    ack = web.call("SELECT_RESPONSE", {"roomName": first["roomName"], "messageId": first["messageId"]})
    assert (ack["status"], ack["index"], ack["count"]) == ("ok", 0, 2)
    assert web.payload("RESPONSE_SELECTED")["messageId"] == first["messageId"]
    assert [(each["messageId"], each["selected"]) for each in history(web)] == [
        (first["messageId"], True),
        (second["messageId"], False),
    ]
    words = answered("r4", "As I said", action="impersonate")
    assert (words["message"], words["messageId"]) == ("As I said", None)
    assert len(history(web)) == 2
