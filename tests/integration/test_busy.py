"""A real extension takes requests, or says that it is too busy (contract 5.4, A32)."""

from __future__ import annotations

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
