"""Extensions that declare what they can do, with real clients (contract 2.9)."""

from __future__ import annotations

from typing import Any

from harness import Hub, Socket, request

OURS = {"clientType": "SillyTavern", "features": ["accept"], "exclusive": True, "protocol": 2, "capacity": 4}


def page(hub: Hub, extension: str, instance: str) -> Socket:
    return hub.client(extension, auth={**OURS, "instance": instance})


def new_extension(hub: Hub) -> str:
    return f"SillyTavern-{hub.new_id().partition('-')[2]}"


def asked(hub: Hub, extension: str) -> str:
    request_id = hub.new_id("r")
    answer: dict[str, Any] = hub.client(hub.new_id("asker")).call("LLM_REQUEST", request(request_id, extension))
    assert answer["status"] == "ok"
    return request_id


def test_newest_page_serves_and_the_older_hears_that_it_was_replaced(hub: Hub) -> None:
    extension = new_extension(hub)
    older = page(hub, extension, "one")
    newer = page(hub, extension, "two")
    older.wait("@disconnect")
    assert [record.event for record in older.records[-2:]] == ["ERROR", "@disconnect"]
    assert (older.records[-2].first["code"], older.records[-2].first["errorCode"]) == ("REPLACED", 9)
    request_id = asked(hub, extension)
    newer.wait("LLM_REQUEST", lambda body: body["requestId"] == request_id)


def test_page_on_a_new_line_replaces_itself_quietly(hub: Hub) -> None:
    extension = new_extension(hub)
    before = page(hub, extension, "one")
    page(hub, extension, "one")
    before.wait("@disconnect")
    assert before.payloads("ERROR") == []


def test_reference_extension_of_the_same_id_does_not_serve_while_ours_does(hub: Hub) -> None:
    extension = new_extension(hub)
    ours = page(hub, extension, "one")
    reference = hub.client(extension, auth={"clientType": "SillyTavern"})
    request_id = asked(hub, extension)
    ours.wait("LLM_REQUEST", lambda body: body["requestId"] == request_id)
    reference.fence()
    assert reference.payloads("LLM_REQUEST") == []
    assert reference.payloads("ERROR") == []


def test_second_socket_of_pinned_id_needs_key_that_the_extension_asked_for(hub: Hub) -> None:
    """From its first use on nobody comes in as it without a key of that scope, on this machine either (B3)."""
    extension = new_extension(hub)
    door = hub.open("/sillytavern", {"clientId": extension, "clientType": "SillyTavern"}).connected()
    given = door.call("IDENTIFY_SILLYTAVERN", {"clientId": extension, "scope": "extension"})
    assert (given["clientId"], given["scope"]) == (extension, "extension")
    ours = hub.client(extension, auth={**OURS, "key": given["key"]})
    stranger = {"clientId": extension, "clientType": "SillyTavern"}
    for namespace in ("/llm", "/sillytavern"):
        assert hub.open(namespace, stranger).refusal()["message"] == "Invalid key."
    request_id = asked(hub, extension)
    ours.wait("LLM_REQUEST", lambda body: body["requestId"] == request_id)
