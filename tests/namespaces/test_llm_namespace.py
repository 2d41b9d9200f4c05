"""``/llm`` event by event: whatever is sent gets the contract's answer (contract 3.3, 5, C6; scenarios 10, 45-50)."""

from __future__ import annotations

from typing import Any

import pytest

from hubkit import HandSocket, Kit, faults, handled
from newage.domain.model import ConnectionPolicy, Role
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.llm import parse_ask

X = "SillyTavern-8000"


def errors(kit: Kit, socket: HandSocket) -> list[str]:
    return [body["message"] for body in kit.outbox.bodies(socket.sid, "ERROR")]


# ------------------------------------------------------------------------------------------------------------ requests


def test_a_request_reaches_the_extension_and_is_acked(
    kit: Kit, llm: Namespace, web: HandSocket, extension: HandSocket
) -> None:
    payload = {"requestId": "r1", "target": X, "message": "hi", "requestType": "newMessage", "temperature": 1}
    ack = handled(llm, web, "LLM_REQUEST", payload)
    assert (ack["status"], ack["success"], ack["state"], ack["requestId"]) == ("ok", True, "forwarded", "r1")
    forwarded = kit.outbox.bodies(extension.sid, "LLM_REQUEST")[0]
    assert (forwarded["message"], forwarded["target"], forwarded["temperature"]) == ("hi", X, 1)


def test_a_request_fails_twice_by_ack_and_by_error(kit: Kit, llm: Namespace, web: HandSocket) -> None:
    ack = handled(llm, web, "LLM_REQUEST", {"requestId": "r1", "message": "hi"})
    assert (ack["status"], ack["message"], ack["errorCode"]) == ("error", "No connected SillyTavern extensions.", 401)
    stored = kit.stored("web1")[0]
    assert ack["messageId"] == stored.message_id
    error = kit.outbox.bodies(web.sid, "ERROR")[0]
    assert (error["message"], error["requestId"], error["messageId"]) == (ack["message"], "r1", stored.message_id)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"message": "m", "data": "d"}, "m"),
        ({"message": " ", "data": "d"}, "d"),
        ({"data": {"message": "dm", "prompt": "dp"}}, "dm"),
        ({"data": {"prompt": "dp", "text": "dt"}, "prompt": "p"}, "dp"),
        ({"data": {"text": "dt"}, "prompt": "p"}, "dt"),
        ({"prompt": "p"}, "p"),
        ({"message": 5, "data": ["x"], "prompt": "p"}, "p"),
        ({"message": "a\ud83d"}, "a\ufffd"),
        ({}, ""),
    ],
)
def test_the_text_is_where_clients_put_it(body: dict[str, Any], text: str) -> None:
    assert parse_ask(body).text == text


@pytest.mark.parametrize(
    ("target", "targets"),
    [
        ("X", ("X",)),
        (["X", "Y", "X"], ("X", "Y")),
        ([], None),
        ([None, {}], None),
        (None, None),
        ({}, None),
        (5, ("5",)),
    ],
)
def test_targets_are_one_or_many_and_each_once(target: Any, targets: Any) -> None:
    assert parse_ask({"target": target}).targets == targets


def test_what_the_server_writes_itself_does_not_pass_through() -> None:
    ask = parse_ask(
        {"identity": "admin", "seq": 1, "isSystem": True, "__proto__": {}, "history": [{"constructor": 1}], "x": 2}
    )
    assert ask.extra == {"history": [{}], "x": 2}
    assert parse_ask({"role": "moderator"}).role_hint is Role.MANAGER
    assert parse_ask({"requestType": "evil"}).request_type == "newMessage"
    assert parse_ask({"requestType": ["evil"], "action": {}}).request_type == "newMessage"
    assert parse_ask({"roomName": "b", "targetRoom": "a"}).room == "a"
    assert (parse_ask({"isStream": False}).streaming, parse_ask({"isStreaming": True}).streaming) == (False, True)


def test_too_many_targets_are_refused(kit: Kit, llm: Namespace, web: HandSocket) -> None:
    payload = {"requestId": "r1", "message": "hi", "target": [f"X{n}" for n in range(65)]}
    assert handled(llm, web, "LLM_REQUEST", payload)["message"] == "Invalid LLM request data."


# --------------------------------------------------------------------------------------------------- context, presence


def test_full_context_is_acked_and_then_sent(kit: Kit, llm: Namespace, web: HandSocket, extension: HandSocket) -> None:
    handled(llm, web, "LLM_REQUEST", {"requestId": "r1", "message": "hi"})
    for payload in (None, {}, "web1", {"roomName": "web1"}):
        ack = handled(llm, web, "GET_FULL_CONTEXT", *([] if payload is None else [payload]))
        assert (ack["roomName"], ack["totalPages"], ack["totalMessages"]) == ("web1", 1, 1)
        kit.settle()
    assert len(kit.outbox.bodies(web.sid, "UPDATE_CONTEXT_PAGE")) == 4


def test_context_of_others_is_refused_twice(kit: Kit, llm: Namespace, web: HandSocket) -> None:
    kit.connect("ann")
    ack = handled(llm, web, "GET_FULL_CONTEXT", {"roomName": "ann"})
    assert ack["message"] == "You are not a member of room ann."
    assert errors(kit, web) == [ack["message"]]
    assert handled(llm, web, "GET_FULL_CONTEXT", "nowhere")["message"] == "Could not retrieve context for room nowhere."


def test_typing_is_shown_to_members(kit: Kit, llm: Namespace, web: HandSocket) -> None:
    kit.connect("ann")
    kit.group("lounge", "ann", web1=Role.GUEST)
    kit.outbox.clear()
    assert handled(llm, web, "START_TYPING", {"targetRoom": "lounge"})["success"]
    assert handled(llm, web, "STOP_TYPING")["success"]
    assert [body["status"] for body in kit.outbox.bodies(web.sid, "MEMBER_STATUS_UPDATE")] == ["typing", "idle"]
    kit.mute("lounge", "web1", 10)
    handled(llm, web, "START_TYPING", {"targetRoom": "lounge"})
    assert len(kit.outbox.bodies(web.sid, "MEMBER_STATUS_UPDATE")) == 2
    assert handled(llm, web, "START_TYPING", {"targetRoom": "ann"})["message"] == "You are not a member of room ann."


def test_processing_is_for_extensions_at_work(kit: Kit, llm: Namespace, web: HandSocket, extension: HandSocket) -> None:
    kit.connect("other")
    handled(llm, web, "LLM_REQUEST", {"requestId": "r1", "message": "hi"})
    kit.outbox.clear()
    assert handled(llm, extension, "START_PROCESSING", {"requestId": "r1"})["success"]
    handled(llm, extension, "CLIENT_STREAM_DATA_FIRST", {"streamId": "s", "outputId": "o", "data": "x"})
    assert handled(llm, extension, "STOP_PROCESSING", {"requestId": "r1"})["success"]
    assert [m.text for m in kit.responses("web1")] == ["x"]
    assert handled(llm, extension, "START_PROCESSING", {"targetRoom": "other"})["success"]
    for event in ("START_PROCESSING", "STOP_PROCESSING"):
        assert handled(llm, web, event, {"targetRoom": "web1"})["message"] == "Unauthorized"


def test_processing_elsewhere_is_refused(kit: Kit, llm: Namespace, web: HandSocket, extension: HandSocket) -> None:
    kit.assignments.policy = ConnectionPolicy.MANUAL
    kit.connect("late")
    ack = handled(llm, extension, "STOP_PROCESSING", {"targetRoom": "late"})
    assert ack["message"] == "You are not a member of room late."


def test_what_was_missed_is_acked_and_then_sent(kit: Kit, llm: Namespace, web: HandSocket) -> None:
    kit.history.note("web1", "[System] one")
    ack = handled(llm, web, "GET_OFFLINE_MESSAGES", {"since": 0})
    assert (ack["count"], ack["hasMore"]) == (1, False)
    kit.settle()
    assert kit.outbox.bodies(web.sid, "OFFLINE_MESSAGES")[0]["count"] == 1


# ------------------------------------------------------------------------------------------------------------- hostile

DEEP: Any = "x"
for _ in range(60):
    DEEP = {"a": [DEEP]}

EMPTY: list[Any] = []
PAYLOADS: list[tuple[Any, ...]] = [
    (),
    (None,),
    (7,),
    (-1.5,),
    (True,),
    ("",),
    ("lounge",),
    ("x" * 10_000,),
    ([],),
    (["a", {"b": None}],),
    ({},),
    (DEEP,),
    ({"__proto__": {"x": 1}, "constructor": 5},),
    (
        {
            name: value
            for name in ("requestId", "streamId", "outputId", "target", "message", "data", "roomName", "targetRoom")
            for value in (EMPTY,)
        },
    ),
    (
        {
            name: value
            for name in ("requestId", "streamId", "outputId", "target", "role", "data", "since", "limit", "chunkIndex")
            for value in ({"a": 1},)
        },
    ),
    (
        {
            "requestId": True,
            "streamId": 5,
            "outputId": None,
            "chunkIndex": "0",
            "data": 7,
            "message": False,
            "type": "0",
        },
    ),
    (
        {
            "requestId": "\ud83d",
            "streamId": "\ude00",
            "outputId": "\ud83d",
            "data": "\ude00",
            "message": "\ud83d",
            "type": 0,
        },
    ),
    ({"requestId": 10**18, "streamId": 1e300, "chunkIndex": 10**18, "data": "x", "limit": 10**9, "since": "never"},),
    (1, 2, 3),
    ({}, {}, {}, [], None),
]

EVENTS = [
    "ACCEPT_REQUEST",
    "BUSY",
    "CANCEL_REQUEST",
    "GET_QUEUE",
    "SUBMIT_QUEUE",
    "LLM_REQUEST",
    "GET_FULL_CONTEXT",
    "GET_MESSAGES",
    "SELECT_RESPONSE",
    "GET_OFFLINE_MESSAGES",
    "START_TYPING",
    "STOP_TYPING",
    "START_PROCESSING",
    "STOP_PROCESSING",
    "ERROR",
    "message",
    "$stream",
    "$stream-read",
    "$stream-write",
    "$stream-end",
    "$stream-error",
    *(
        f"{prefix}_{part}"
        for prefix in ("CLIENT_STREAM", "STREAM")
        for part in ("START", "DATA_FIRST", "DATA_MIDDLE", "DATA_LAST", "DATA_RETRY", "DATA_FAILED", "END")
    ),
    "CLIENT_STREAM_RESET",
]
SILENT = {name for name in EVENTS if "STREAM" in name} | {
    "ACCEPT_REQUEST",
    "BUSY",
    "ERROR",
    "message",
    "$stream",
    "$stream-read",
    "$stream-end",
    "$stream-error",
}


def test_the_table_below_names_every_event(llm: Namespace) -> None:
    assert set(llm.handlers) == set(EVENTS)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("who", ["web", "extension", "monitor"])
def test_whatever_is_sent_is_answered_and_breaks_nothing(
    kit: Kit, llm: Namespace, web: HandSocket, extension: HandSocket, event: str, who: str
) -> None:
    monitor = HandSocket(kit, kit.connect("monitor", client_type="monitor"))
    socket = {"web": web, "extension": extension, "monitor": monitor}[who]
    handled(llm, web, "LLM_REQUEST", {"requestId": "live", "message": "hi"})

    def all_of_them() -> None:
        for payload in PAYLOADS:
            for ack in (True, False):
                before = len(kit.outbox.bodies(socket.sid, "ERROR"))
                answer = handled(llm, socket, event, *payload, ack=ack)
                failed = len(kit.outbox.bodies(socket.sid, "ERROR")) - before
                check(answer, failed, ack)
            kit.clock.advance(0.5)

    def check(answer: Any, failed: int, ack: bool) -> None:
        if event in SILENT:
            assert answer is None
        elif event == "$stream-write":
            assert answer.startswith("invalid stream id: ")
        elif ack:
            assert {answer["status"], answer["success"]} in ({"ok", True}, {"warning", True}, {"error", False})
            if not answer["success"]:
                assert answer["error"]["message"] == answer["message"] != "Internal error."
                assert answer["errorCode"]
        else:
            assert answer is None
            assert failed in (0, 1)

    assert faults(all_of_them) == []
    assert kit.sessions.is_available(X)


@pytest.mark.parametrize(
    ("payload", "again", "action"),
    [
        ({"requestType": "regenerateMessage"}, True, ""),
        ({"requestType": "swipe"}, True, "swipe"),
        ({"action": "regenerate"}, True, "regenerate"),
        ({"action": "swipe", "requestType": "regenerateMessage"}, True, "swipe"),
        ({"action": "dance", "requestType": "regenerateMessage"}, True, ""),
        ({"action": "dance"}, False, ""),
    ],
)
def test_the_words_for_asking_again(payload: dict[str, Any], again: bool, action: str) -> None:
    ask = parse_ask({**payload, "requestId": "r1", "messageId": "m1"})
    assert (ask.again, ask.action, ask.message_id) == (again, action, "m1")
    assert "messageId" not in ask.extra
    assert "message_id" not in ask.extra


@pytest.mark.parametrize(
    ("payload", "kind", "unknown"),
    [
        ({"action": "continue"}, "continue", False),
        ({"requestType": "continue", "action": ""}, "continue", False),
        ({"action": "impersonate", "requestType": "newMessage"}, "impersonate", False),
        ({"requestType": "newMessage", "action": None}, "newMessage", False),
        ({"action": "dance"}, "newMessage", True),
        ({"action": 5}, "newMessage", True),
        ({"action": "swipe", "requestType": ["dance"]}, "regenerateMessage", True),
        ({}, "newMessage", False),
    ],
)
def test_what_is_wanted(payload: dict[str, Any], kind: str, unknown: bool) -> None:
    ask = parse_ask({**payload, "requestId": "r1"})
    assert (ask.request_type, ask.unknown, ask.wordless) == (kind, unknown, kind != "newMessage")


@pytest.mark.parametrize(
    ("payload", "character", "failover"),
    [
        ({"character": "c.png", "failover": True}, "c.png", True),
        ({"character": {"id": "c.png", "name": "Cora"}, "failover": 1}, "c.png", False),
        ({"character": ["c"]}, "", False),
        ({}, "", False),
    ],
)
def test_wishes(payload: dict[str, Any], character: str, failover: bool) -> None:
    ask = parse_ask({**payload, "requestId": "r1"})
    assert (ask.character, ask.failover) == (character, failover)
    assert ask.extra.get("character") == payload.get("character")


def test_which_answer_counts(kit: Kit, llm: Namespace, web: HandSocket, extension: HandSocket) -> None:
    handled(llm, web, "LLM_REQUEST", {"requestId": "r1", "message": "hi"})
    handled(llm, extension, "message", {"type": 0, "data": "yes", "requestId": "r1"})
    kit.settle()
    (answer,) = kit.responses("web1")
    choice = {"roomName": "web1", "responseId": answer.response_id}
    ack = handled(llm, web, "SELECT_RESPONSE", choice)
    told = {"questionId": answer.question_id, "messageId": answer.message_id, "index": 0, "count": 1}
    assert ack == {"status": "ok", "success": True, **told}
    ack = handled(llm, web, "SELECT_RESPONSE", {"roomName": "web1"})
    assert (ack["message"], ack["errorCode"]) == ("roomName and messageId are required.", 4)


def test_who_follows_outputs_is_told_the_question(kit: Kit, llm: Namespace, extension: HandSocket) -> None:
    sid = kit.connect("web2", outputs=True)
    ack = handled(llm, HandSocket(kit, sid), "LLM_REQUEST", {"requestId": "r1", "message": "hi"})
    assert ack["questionId"] == ack["messageId"]
