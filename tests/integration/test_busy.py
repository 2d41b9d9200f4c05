"""A real extension takes requests, or says that it is too busy (contract 5.4, A32)."""

from __future__ import annotations

from expect import of_request, wait_status
from harness import Hub, request


def test_one_is_busy_then_takes_it_and_answers(hub: Hub) -> None:
    name, first, second = f"SillyTavern-{hub.new_id()}", hub.new_id("r"), hub.new_id("r")
    speaker = hub.client(name, auth={"clientType": "SillyTavern", "features": ["accept"]})
    asker = hub.client(hub.new_id("asker"), auth={"streamMode": "plain"})
    asker.call("LLM_REQUEST", request(first, name))
    asker.call("LLM_REQUEST", request(second, name))
    speaker.wait("LLM_REQUEST")
    speaker.emit("BUSY", {"requestId": first, "retryAfterMs": 500, "reason": "Saving."})
    asker.wait("REQUEST_STATUS_UPDATE", lambda body: body.get("message") == "Saving.")
    speaker.wait("LLM_REQUEST", count=2)
    asked = [r.first["requestId"] for r in speaker.records if r.event == "LLM_REQUEST"]
    assert asked == [first, first]
    for position in (1, 1, None):
        speaker.emit("ACCEPT_REQUEST", {"requestId": first, "where": "chat", "position": position})
    speaker.emit("message", {"type": 0, "data": "so", "requestId": first})
    speaker.wait("LLM_REQUEST", lambda body: body["requestId"] == second)
    asker.wait("REQUEST_STATUS_UPDATE", lambda body: body["status"] == "completed")
    told = [r.first for r in asker.records if r.event == "REQUEST_STATUS_UPDATE" and r.first["requestId"] == first]
    assert [body["status"] for body in told] == [
        "forwarded",
        "queued",
        "forwarded",
        "accepted",
        "accepted",
        "completed",
    ]
    assert [(body["where"], body.get("position")) for body in told if "where" in body] == [("chat", 1), ("chat", None)]
    queued = told[1]
    assert (queued["waitsFor"], queued["position"]) == ("turn", 1)


def test_under_balanced_the_rooms_of_others_are_answered_while_one_is_at_its_limit_and_then_its_own(hub: Hub) -> None:
    names = [f"SillyTavern-{hub.new_id()}" for _ in range(3)]
    declared = {"clientType": "SillyTavern", "features": ["accept"], "capacity": 2}
    speakers = {name: hub.client(name, auth=declared) for name in names}
    chief = hub.monitor("/rooms")
    assert chief.call("SET_CONNECTION_POLICY", {"policy": "Balanced"})["policy"] == "Balanced"
    try:
        askers = {who: hub.client(who, auth={"streamMode": "plain"}) for who in (hub.new_id("asker") for _ in names)}
        rooms = chief.call("GET_ASSIGNMENTS", {})["assignments"]
        served = {rooms[who][0]: who for who in askers}  # which extension a room has
        assert sorted(served) == sorted(names)
        full, *free = names

        def asks(name: str, request_id: str) -> None:
            asked = request(request_id, None, "Which star is that?")
            askers[served[name]].call("LLM_REQUEST", {key: value for key, value in asked.items() if value is not None})

        def answers(name: str, request_id: str) -> None:
            speakers[name].wait("LLM_REQUEST", of_request(request_id))
            speakers[name].emit("message", {"type": 0, "data": f"by {name}", "requestId": request_id})
            wait_status(askers[served[name]], request_id, "completed")

        late = hub.new_id("r")
        asks(full, late)
        speakers[full].wait("LLM_REQUEST", of_request(late))
        speakers[full].emit("BUSY", {"requestId": late, "retryAfterMs": 500, "reason": "At its limit."})
        assert wait_status(askers[served[full]], late, "queued")["message"] == "At its limit."
        for name in free * 2:
            request_id = hub.new_id("r")
            asks(name, request_id)
            answers(name, request_id)
        speakers[full].wait("LLM_REQUEST", of_request(late), count=2)
        answers(full, late)
        again = hub.new_id("r")
        asks(full, again)
        answers(full, again)
        for name, speaker in speakers.items():
            asked = [body["clientId"] for body in speaker.payloads("LLM_REQUEST")]
            assert set(asked) == {served[name]}
    finally:
        chief.call("SET_CONNECTION_POLICY", {"policy": "Free"})
