"""Whose answer is it, over the wire: the stand-in of the reference extension, and one that labels but is careless."""

from __future__ import annotations

from typing import Any

import pytest
from expect import of_request, wait_status
from harness import Extension, Hub, Socket, request

TOKENS = ("One", " two", " three", ".")


def people(hub: Hub, count: int) -> list[tuple[Socket, str]]:
    """Clients who have nothing to do with each other, and their ids."""
    ids = [hub.new_id() for _ in range(count)]
    return [(hub.client(each, auth={"streamMode": "plain"}), each) for each in ids]


def ask(who: Socket, extension: Extension, request_id: str, text: str) -> None:
    assert who.call("LLM_REQUEST", request(request_id, extension.client_id, text))["status"] == "ok"


ANSWERS: dict[str, dict[str, Any]] = {
    "tokens": {"kind": "tokens", "tokens": TOKENS, "gap": 10},
    "message": {"kind": "message", "text": "Yes. "},
}


@pytest.mark.parametrize("how", sorted(ANSWERS))
def test_all_who_ask_one_sillytavern_at_once_are_answered(hub: Hub, how: str) -> None:
    """It drops what comes while it generates, and names nobody in its answers."""
    extension = hub.extension(echo=True, **ANSWERS[how])
    extension.start()
    asking = people(hub, 3)
    for who, name in asking:
        ask(who, extension, "1", f"I am {name}")
    for who, name in asking:
        wait_status(who, "1", "completed")
        assert who.payload("LLM_RESPONSE", of_request("1"))["message"].endswith(f"I am {name}")
    nobody_saw_anothers(asking)


def test_also_when_its_model_pauses_for_longer_than_an_answer_stays_open(hub: Hub) -> None:
    """The second question is sent too early then, and once more when the first is answered."""
    extension = hub.extension(echo=True, kind="tokens", tokens=["One"], gap=2600).start_quickly()
    asking = people(hub, 2)
    for who, name in asking:
        ask(who, extension, "1", f"I am {name}")
    for who, name in asking:
        who.wait("MESSAGE_UPDATED", lambda body, name=name: body["message"]["message"] == f"OneI am {name}")
        wait_status(who, "1", "completed")
    nobody_saw_anothers(asking)


def nobody_saw_anothers(asking: list[tuple[Socket, str]]) -> None:
    for who, name in asking:
        others = [other for _, other in asking if other != name]
        assert not [record for record in who.records if any(f"I am {other}" in str(record.args) for other in others)]
        assert len(who.all("LLM_RESPONSE")) == 1


@pytest.mark.parametrize("kind_of_answer", ["docs", "message"])
def test_an_output_id_that_is_used_again_gives_nobody_anothers_answer(hub: Hub, kind_of_answer: str) -> None:
    """Each answer names its request; the outputId is always the same, as of a counter that begins anew."""
    extension = hub.extension(declares={"capacity": 2}, kind="silent").start_quickly()
    (ann, _), (bob, _) = people(hub, 2)
    for who, name in ((ann, "to ann"), (bob, "to bob")):
        ask(who, extension, "same", name)
        asked = extension.llm.payload("LLM_REQUEST", lambda body, name=name: body["message"] == name)
        common = {"outputId": "o1", "requestId": asked["requestId"]}
        if kind_of_answer == "message":
            extension.llm.emit("message", {"type": 0, "data": name, **common})
        else:
            stream = {"streamId": "s1", **common}
            extension.llm.emit("CLIENT_STREAM_START", {"type": 1, **stream})
            extension.llm.emit("CLIENT_STREAM_DATA_FIRST", {"type": 4, "chunkIndex": 0, "data": name, **stream})
            extension.llm.emit("CLIENT_STREAM_END", {"type": 3, "final": True, **stream})
        assert who.payload("LLM_RESPONSE", of_request("same"))["message"] == name
    assert not [record for record in ann.records if "to bob" in str(record.args)]
    assert not [record for record in bob.records if "to ann" in str(record.args)]
