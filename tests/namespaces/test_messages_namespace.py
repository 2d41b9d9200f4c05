"""EDIT_MESSAGE, DELETE_MESSAGE, CLEAR_MESSAGES on the wire: both dialects, exact words (contract 4.7)."""

from __future__ import annotations

from typing import Any

import pytest

from hubkit import HandSocket, Kit, faults, handled
from newage.domain.model import Message, RequestMode, Role
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.messages import MAX_IDS, Clear, MessageEvents, parse_clear
from newage.ports import Said

OK = {"status": "ok", "success": True}
X = "SillyTavern-8000"
EDIT_LACKS = "Missing required fields for editing message."
DELETE_LACKS = "Missing required fields for deleting messages."


def refuse(*args: Any) -> None:
    raise AssertionError("nobody connects here")


@pytest.fixture
def llm(kit: Kit) -> Namespace:
    namespace = Namespace("/llm", connect=refuse, disconnected=refuse)
    namespace.add(MessageEvents(editing=kit.editing).handlers())
    return namespace


@pytest.fixture
def people(kit: Kit) -> dict[str, HandSocket]:
    """A room with master, author and another guest, the author's question and its answer, and a stranger outside."""
    found = {who: HandSocket(kit, kit.connect(who, incremental=True)) for who in ("mas", "author", "pal", "stranger")}
    kit.extension(X)
    kit.group("lounge", "mas", RequestMode.IMMEDIATE, author=Role.GUEST, pal=Role.GUEST)
    kit.submit(found["author"].sid, "question", "r1", room="lounge")
    kit.streams.answered(Said(X, request="r1"), "answer")
    kit.settle()
    kit.outbox.clear()
    return found


def message(kit: Kit, text: str) -> Message:
    return next(m for m in kit.stored("lounge") if m.text == text)


def words(ack: Any) -> tuple[str, str]:
    return ack["status"], ack.get("message", "")


# ---------------------------------------------------------------------------------------------------------------- edit


@pytest.mark.parametrize(
    "fields",
    [
        {"updatedFields": {"message": "new"}},
        {"updatedMessage": {"message": "new"}},
        {"updatedFields": "new"},
        {"updatedMessage": "new"},
        {"updatedFields": {"message": "new"}, "updatedMessage": {"message": "old"}},
    ],
)
@pytest.mark.parametrize("room", ["roomName", "targetRoom", "room"])
def test_the_author_edits(
    kit: Kit, llm: Namespace, people: dict[str, HandSocket], fields: dict[str, Any], room: str
) -> None:
    question = message(kit, "question")
    ack = handled(llm, people["author"], "EDIT_MESSAGE", {room: "lounge", "messageId": question.message_id, **fields})
    assert ack == {**OK, "messageId": question.message_id}
    assert message(kit, "new").message_id == question.message_id


@pytest.mark.parametrize("from_llm", [{}, {"fromLlm": True}, {"fromLlm": False}])
@pytest.mark.parametrize("by", ["messageId", "responseId"])
def test_an_answer_is_found_by_either_id_whatever_store_is_named(
    kit: Kit, llm: Namespace, people: dict[str, HandSocket], by: str, from_llm: dict[str, bool]
) -> None:
    answer = message(kit, "answer")
    any_id = answer.message_id if by == "messageId" else answer.response_id
    payload = {"roomName": "lounge", by: any_id, "updatedFields": "new", **from_llm}
    assert handled(llm, people["author"], "EDIT_MESSAGE", payload) == {**OK, "messageId": answer.message_id}
    assert message(kit, "new").response_id == answer.response_id


def test_an_unknown_message_id_leaves_the_response_id(kit: Kit, llm: Namespace, people: dict[str, HandSocket]) -> None:
    """Contract 4.7: locate by messageId, else responseId."""
    answer = message(kit, "answer")
    payload = {
        "roomName": "lounge",
        "messageId": "local-1",
        "responseId": answer.response_id,
        "updatedFields": {"message": "new"},
    }
    assert handled(llm, people["author"], "EDIT_MESSAGE", payload) == {**OK, "messageId": answer.message_id}


def test_the_message_id_goes_before_the_response_id(kit: Kit, llm: Namespace, people: dict[str, HandSocket]) -> None:
    question, answer = message(kit, "question"), message(kit, "answer")
    ids = {"messageId": question.message_id, "responseId": answer.response_id}
    payload = {"roomName": "lounge", **ids, "updatedFields": "new"}
    assert handled(llm, people["author"], "EDIT_MESSAGE", payload)["messageId"] == question.message_id
    assert handled(llm, people["pal"], "EDIT_MESSAGE", payload)["message"] == "Permission denied to edit this message."


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"roomName": "lounge"},
        {"roomName": "lounge", "messageId": "m"},
        {"messageId": "m", "updatedFields": {"message": "x"}},
        {"roomName": "lounge", "updatedFields": {"message": "x"}},
        {"roomName": "lounge", "messageId": "m", "updatedFields": 5},
        {"roomName": "lounge", "messageId": "m", "updatedFields": ["x"]},
        {"roomName": "lounge", "messageId": {}, "updatedFields": {"message": "x"}},
    ],
)
def test_what_an_edit_lacks(llm: Namespace, people: dict[str, HandSocket], payload: Any) -> None:
    assert words(handled(llm, people["author"], "EDIT_MESSAGE", payload)) == ("error", EDIT_LACKS)


def test_a_refused_edit_is_an_ack_and_an_error(kit: Kit, llm: Namespace, people: dict[str, HandSocket]) -> None:
    question = message(kit, "question").message_id
    for who, any_id, expected in (
        ("pal", question, "Permission denied to edit this message."),
        ("stranger", question, "Permission denied to edit this message."),
        ("author", "unknown", "Failed to edit message. It might not exist."),
    ):
        payload = {"roomName": "lounge", "messageId": any_id, "updatedFields": "x"}
        assert words(handled(llm, people[who], "EDIT_MESSAGE", payload)) == ("error", expected)
        assert [b["message"] for b in kit.outbox.bodies(people[who].sid, "ERROR")] == [expected]
        kit.outbox.clear()
    kit.mute("lounge", "author", 5)
    payload = {"roomName": "lounge", "messageId": question, "updatedFields": "x"}
    muted = "You are currently muted and cannot send messages."
    assert words(handled(llm, people["author"], "EDIT_MESSAGE", payload)) == ("error", muted)
    assert [b["message"] for b in kit.outbox.bodies(people["author"].sid, "ERROR")] == [muted]


def test_hostile_keys_and_half_characters_do_not_pass(kit: Kit, llm: Namespace, people: dict[str, HandSocket]) -> None:
    question = message(kit, "question").message_id
    fields = {"message": "half \ud83d", "__proto__": {"a": 1}, "style": {"constructor": 1, "colour": "red"}}
    payload = {"roomName": "lounge", "messageId": question, "updatedFields": fields}
    assert handled(llm, people["author"], "EDIT_MESSAGE", payload)["status"] == "ok"
    changed = message(kit, "half \ufffd")
    assert dict(changed.extra) == {"style": {"colour": "red"}}


# -------------------------------------------------------------------------------------------------------------- delete


@pytest.mark.parametrize("name", ["messageIds", "messageId", "responseIds", "responseId"])
@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("kind", ["message_id", "response_id"])
def test_ids_are_scalar_or_list_and_of_either_kind(
    kit: Kit, llm: Namespace, people: dict[str, HandSocket], name: str, many: bool, kind: str
) -> None:
    answer = message(kit, "answer")
    any_id = getattr(answer, kind)
    payload = {"roomName": "lounge", name: [any_id, "unknown", None] if many else any_id}
    ack = handled(llm, people["author"], "DELETE_MESSAGE", payload)
    assert ack == {**OK, "deleted": [answer.message_id]}
    assert kit.outbox.bodies(people["pal"].sid, "MESSAGES_DELETED")[0]["messageIds"] == [answer.message_id]


def test_nothing_that_matches_is_ok_with_a_message(llm: Namespace, people: dict[str, HandSocket]) -> None:
    ack = handled(llm, people["author"], "DELETE_MESSAGE", {"roomName": "lounge", "messageIds": ["unknown"]})
    assert ack == {**OK, "deleted": [], "message": "No matching messages found to delete or operation failed."}


def test_what_is_not_ones_own_is_refused_as_a_whole(kit: Kit, llm: Namespace, people: dict[str, HandSocket]) -> None:
    ids = [m.message_id for m in kit.stored("lounge")]
    for who in ("author", "pal", "stranger"):
        ack = handled(llm, people[who], "DELETE_MESSAGE", {"roomName": "lounge", "messageIds": ids})
        assert (*words(ack), ack["errorCode"]) == ("error", "Permission denied to delete these messages.", 6)
    assert [m.message_id for m in kit.stored("lounge")] == ids


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"roomName": "lounge"},
        {"messageIds": ["m"]},
        {"roomName": "lounge", "messageIds": []},
        {"roomName": "lounge", "messageIds": [None, {}, []]},
        {"roomName": "lounge", "messageIds": {}},
        {"roomName": "lounge", "messageIds": [f"m{n}" for n in range(MAX_IDS + 1)]},
    ],
)
def test_what_a_deletion_lacks(llm: Namespace, people: dict[str, HandSocket], payload: Any) -> None:
    assert words(handled(llm, people["author"], "DELETE_MESSAGE", payload)) == ("error", DELETE_LACKS)


def test_five_hundred_ids_are_not_too_many(llm: Namespace, people: dict[str, HandSocket]) -> None:
    ids = [f"m{n}" for n in range(MAX_IDS)]
    assert handled(llm, people["author"], "DELETE_MESSAGE", {"roomName": "lounge", "messageIds": ids})["deleted"] == []


# --------------------------------------------------------------------------------------------------------------- clear


@pytest.mark.parametrize(
    ("payload", "requests", "responses"),
    [
        ("lounge", True, True),
        ({"roomName": "lounge"}, True, True),
        ({"roomName": "lounge", "clearRequests": False}, False, True),
        ({"roomName": "lounge", "clearResponses": False}, True, False),
        ({"roomName": "lounge", "clearRequests": None, "clearResponses": None}, True, True),
        ({"roomName": "lounge", "clearRequests": False, "clearResponses": False}, False, False),
        ({"roomName": "lounge", "fromLlm": True}, False, True),
        ({"roomName": "lounge", "fromLlm": False}, True, False),
        ({"roomName": "lounge", "fromLlm": True, "clearRequests": True}, False, True),
    ],
)
def test_both_dialects_of_clear(payload: Any, requests: bool, responses: bool) -> None:
    assert parse_clear(payload) == Clear("lounge", requests, responses)


@pytest.mark.parametrize("flag", ["fromLlm", "clearRequests", "clearResponses"])
@pytest.mark.parametrize("value", [0, 1, "false", "", [], {}])
def test_a_flag_that_is_none_clears_nothing(
    kit: Kit, llm: Namespace, people: dict[str, HandSocket], flag: str, value: Any
) -> None:
    before = kit.stored("lounge")
    ack = handled(llm, people["mas"], "CLEAR_MESSAGES", {"roomName": "lounge", flag: value})
    assert words(ack) == ("error", "Invalid request data.")
    assert kit.stored("lounge") == before


def test_clearing_twice_says_so(kit: Kit, llm: Namespace, people: dict[str, HandSocket]) -> None:
    assert handled(llm, people["mas"], "CLEAR_MESSAGES", {"roomName": "lounge"}) == OK
    assert kit.stored("lounge") == []
    again = handled(llm, people["mas"], "CLEAR_MESSAGES", {"roomName": "lounge"})
    assert again == {**OK, "message": "Messages already cleared or operation failed."}
    assert len(kit.outbox.bodies(people["pal"].sid, "MESSAGES_CLEARED")) == 1


def test_who_may_not_clear_hears_so(llm: Namespace, people: dict[str, HandSocket]) -> None:
    for who in ("author", "stranger"):
        ack = handled(llm, people[who], "CLEAR_MESSAGES", "lounge")
        assert words(ack) == ("error", "Permission denied to clear messages.")
    lacking: list[Any] = [None, {}, {"roomName": {}}]
    for payload in lacking:
        ack = handled(llm, people["mas"], "CLEAR_MESSAGES", payload)
        assert words(ack) == ("error", "roomName is required to clear messages.")


# ------------------------------------------------------------------------------------------------------ whatever comes


ODD: list[Any] = [None, 0, True, "", [], ["lounge"], {}, {"roomName": ["lounge"]}, {"room": 1.5, "messageId": []}]


@pytest.mark.parametrize("event", ["EDIT_MESSAGE", "DELETE_MESSAGE", "CLEAR_MESSAGES"])
def test_odd_payloads_get_an_answer_and_change_nothing(
    kit: Kit, llm: Namespace, people: dict[str, HandSocket], event: str
) -> None:
    before = kit.stored("lounge")

    def send() -> None:
        for payload in ODD:
            assert handled(llm, people["mas"], event, payload)["status"] == "error", payload
            assert handled(llm, people["mas"], event, payload, ack=False) is None

    assert faults(send) == []
    assert kit.stored("lounge") == before
    assert set(kit.heard("ERROR")) == {"mas/llm"}


def test_without_an_ack_it_is_done(kit: Kit, llm: Namespace, people: dict[str, HandSocket]) -> None:
    assert handled(llm, people["mas"], "CLEAR_MESSAGES", "lounge", ack=False) is None
    assert kit.stored("lounge") == []
