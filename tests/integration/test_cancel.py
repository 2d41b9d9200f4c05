"""Real clients take requests back, and real extensions are told (contract 5.8, A20)."""

from __future__ import annotations

from typing import Any

from harness import Hub, Socket, request


def extension(hub: Hub, client_id: str, *features: str, **how: Any) -> Socket:
    auth = {"clientType": "SillyTavern", **({"features": list(features)} if features else {})}
    return hub.client(client_id, auth=auth, **how)


def test_a_long_answer_is_stopped_on_both_sides(hub: Hub) -> None:
    name, first, second = f"SillyTavern-{hub.new_id()}", hub.new_id("r"), hub.new_id("r")
    speaker = extension(hub, name, "cancel", replies={"CANCEL_REQUEST": [{"state": "stopped"}]})
    asker = hub.client(hub.new_id("asker"), auth={"outputs": True, "streamMode": "plain"})
    asker.call("LLM_REQUEST", request(first, name))
    asker.call("LLM_REQUEST", request(second, name))
    ids = {"streamId": "s", "outputId": f"{name}-o", "requestId": first}
    speaker.wait("LLM_REQUEST")
    speaker.emit("CLIENT_STREAM_START", {"type": 1, **ids})
    speaker.emit("CLIENT_STREAM_DATA_FIRST", {"type": 4, **ids, "chunkIndex": 0, "data": "half"})
    asker.wait("SERVER_STREAM_DATA")
    ack = asker.call("CANCEL_REQUEST", {"requestId": first})
    assert (ack["status"], ack["state"], ack["outputs"]) == ("ok", "cancelled", [ids["outputId"]])
    told = speaker.wait("CANCEL_REQUEST").first
    assert told == {"requestId": first, "outputIds": [ids["outputId"]], "reason": "cancelled"}
    speaker.wait("LLM_REQUEST", lambda body: body["requestId"] == second)
    speaker.emit("CLIENT_STREAM_DATA_MIDDLE", {"type": 5, **ids, "chunkIndex": 1, "data": "late"})
    speaker.fence()
    end = asker.wait("SERVER_STREAM_END").first
    assert (end["data"], end["cancelled"], end["partial"], end["failed"]) == ("half", True, True, False)
    stored = asker.call("GET_MESSAGES", {"limit": 10})["messages"]
    assert [(m["message"], m["partial"]) for m in stored if m["role"] == "assistant"] == [("half", True)]
    assert all(r.first["data"] != "late" for r in asker.records if r.event == "SERVER_STREAM_DATA")
    again = asker.call("CANCEL_REQUEST", {"requestId": first})
    assert (again["status"], again["state"]) == ("warning", "cancelled")
    assert hub.client(hub.new_id("other")).call("CANCEL_REQUEST", {"requestId": second})["errorCode"] == 7
