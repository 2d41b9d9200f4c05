"""Who is no member any more, or whose answer was deleted, resumes nothing, by real sockets (B15, rows 65 and 66)."""

from __future__ import annotations

from typing import Any

from harness import Hub, Socket, request
from live_outputs import Speaker


def states(who: Socket, output_id: str) -> list[tuple[str, Any]]:
    found = who.call("RESUME_OUTPUTS", {"outputs": [{"outputId": output_id, "at": 0}]})["outputs"]
    return [(one["state"], one.get("text")) for one in found]


def scene(hub: Hub) -> tuple[Socket, Socket, Socket, str, Speaker]:
    """An administrator's /rooms, a member who looks on, one who has asked, their room, and who answers."""
    room, speaker, rooms = hub.new_id("lounge"), Speaker(hub), hub.monitor("/rooms")
    assert rooms.call("CREATE_ROOM", room)["status"] == "ok"
    assert rooms.call("SET_ROOM_MESSAGE_REQUEST_MODE", {"roomName": room, "mode": "Immediate"})["status"] == "ok"
    other, member = hub.new_id("other"), hub.new_id("member")
    for name in (other, member):
        assert hub.client(name, "/rooms").call("JOIN_ROOM", {"roomName": room})["status"] == "ok"
    onlooker, who = (hub.client(name, auth={"outputs": True}) for name in (other, member))
    asked = request(speaker.request_id, speaker.id, roomName=room)
    assert who.call("LLM_REQUEST", asked)["status"] == "ok"
    speaker.starts()
    speaker.says(["secret "])
    who.wait("SERVER_STREAM_DATA", lambda body: "secret" in body["data"])
    return rooms, onlooker, who, room, speaker


def test_resume_after_kick_gone(hub: Hub) -> None:
    rooms, onlooker, who, room, speaker = scene(hub)
    member = who.call("GET_MESSAGES", {"roomName": room})["messages"][-1]["identity"]
    assert states(who, speaker.output_id) == [("live", "secret ")]
    assert rooms.call("KICK_MEMBER", {"roomName": room, "identity": member})["status"] == "ok"
    assert states(who, speaker.output_id) == [("gone", None)]
    speaker.says(["words"])
    speaker.ends()
    onlooker.wait("SERVER_STREAM_END")
    assert states(who, speaker.output_id) == [("gone", None)]
    assert states(onlooker, speaker.output_id) == [("ended", "secret words")]
    assert "words" not in str(who.payloads("SERVER_STREAM_DATA"))
    assert who.payloads("SERVER_STREAM_END") == []


def test_resume_after_delete_gone(hub: Hub) -> None:
    rooms, onlooker, who, room, speaker = scene(hub)
    speaker.ends()
    end = who.payload("SERVER_STREAM_END")
    assert states(who, speaker.output_id) == [("ended", "secret ")]
    deleted = rooms.call("DELETE_MESSAGE", {"roomName": room, "messageIds": [end["messageId"]]})
    assert deleted["status"] == "ok"
    for each in (who, onlooker):
        assert states(each, speaker.output_id) == [("gone", None)]
