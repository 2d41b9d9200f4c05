"""Contract 13, scenarios 55-59: paging, what was missed, snapshots, and changing what was said."""

from __future__ import annotations

from typing import Any

import pytest
from answering import of_its_socket, on_both
from harness import Extension, Hub
from people import Person, about, boss, person, request_in, room_of

NO_MATCH = "No matching messages found to delete or operation failed."
NOT_YOURS = {"edit": "Permission denied to edit this message.", "delete": "Permission denied to delete these messages."}


def fill(room: str, speakers: list[Person], each: int) -> None:
    """``each`` messages of every speaker; comes back when all of them have seen the last one."""
    for who in speakers:
        who.llm.burst([["LLM_REQUEST", request_in(who.hub.new_id("f"), room, f"{who.me} {n}")] for n in range(each)])
    speakers[0].llm.wait(
        "NEW_MESSAGE",
        lambda b: b["roomName"] == room and not b["message"].get("isSystem"),
        count=each * len(speakers),
    )


def test_scenario_55_a_hundred_and_twenty_messages_come_in_pages(hub: Hub) -> None:
    owner, *speakers = boss(hub), *(person(hub) for _ in range(5))
    room = room_of(owner, *speakers, mode="MasterOnly")
    owner.llm.wait("NEW_MESSAGE", lambda body: body["text"].startswith(f"[System] {speakers[-1].me} has joined"))
    for who in speakers:  # what he is sent for having joined
        who.llm.wait("UPDATE_CONTEXT_PAGE", lambda page: page["roomName"] == room and page["isLastPage"])
    owner.does("CLEAR_MESSAGES", {"roomName": room}, "/llm")
    fill(room, speakers, 24)
    reader, bystander = speakers[:2]
    mark, other_mark = reader.llm.mark(), bystander.llm.mark()
    reply = reader.does("GET_FULL_CONTEXT", {"roomName": room}, "/llm")
    assert (reply["roomName"], reply["totalPages"], reply["totalMessages"]) == (room, 3, 120)
    reader.llm.wait("UPDATE_CONTEXT_PAGE", lambda page: page["isLastPage"], since=mark)
    pages = reader.llm.payloads("UPDATE_CONTEXT_PAGE", since=mark)
    assert [(p["pageNumber"], len(p["contextPage"]), p["isLastPage"]) for p in pages] == [
        (1, 50, False),
        (2, 50, False),
        (3, 20, True),
    ]
    for page in pages:
        assert (page["updateId"], page["roomName"]) == (reply["updateId"], room)
        assert (page["totalPages"], page["totalMessages"]) == (3, 120)
    messages = [message for page in pages for message in page["contextPage"]]
    seqs = [message["seq"] for message in messages]
    assert seqs == sorted(set(seqs))
    assert len({message["messageId"] for message in messages}) == 120
    for who in speakers:
        assert [m["message"] for m in messages if m["identity"] == who.me] == [f"{who.me} {n}" for n in range(24)]
    bystander.fence()
    assert not bystander.llm.all("UPDATE_CONTEXT_PAGE", since=other_mark), "pages are for who asked"


def test_scenario_55_an_empty_history_and_rooms_that_are_not_ones_own(hub: Hub) -> None:
    owner, outsider = boss(hub), person(hub)
    room = room_of(owner)
    reply = outsider.does("GET_FULL_CONTEXT", None, "/llm")
    assert (reply["roomName"], reply["totalPages"], reply["totalMessages"]) == (outsider.me, 1, 0)
    page = outsider.llm.payload("UPDATE_CONTEXT_PAGE")
    assert (page["pageNumber"], page["totalPages"], page["isLastPage"], page["contextPage"]) == (1, 1, True, [])
    denied = f"You are not a member of room {room}."
    assert outsider.fails("GET_FULL_CONTEXT", {"roomName": room}, "/llm") == denied
    assert outsider.llm.payload("ERROR")["message"] == denied
    missing = "Could not retrieve context for room nowhere."
    assert outsider.fails("GET_FULL_CONTEXT", {"roomName": "nowhere"}, "/llm") == missing


def test_scenario_56_three_messages_while_away(brisk_hub: Hub) -> None:
    owner, speaker, web = boss(brisk_hub), person(brisk_hub), person(brisk_hub)
    room = room_of(owner, speaker, web, mode="MasterOnly")
    fill(room, [speaker], 2)
    web.fence()
    web.leave()
    owner.rooms.wait("MEMBER_LEFT", about(web.me, room))
    owner.llm.wait("MEMBER_STATUS_UPDATE", lambda body: about(web.me, room)(body) and body["status"] == "offline")
    for n in range(3):
        speaker.says(brisk_hub.new_id("m"), room, f"missed {n}")
    web.enter()
    hint = web.llm.payload("OFFLINE_MESSAGES")
    assert (hint["roomName"], hint["count"], hint["messages"], hint["hasMore"]) == (room, 3, [], True)
    mark = web.llm.mark()
    for _ in range(2):  # reading changes nothing
        reply = web.does("GET_OFFLINE_MESSAGES", {"roomName": room}, "/llm")
        assert [message["message"] for message in reply["messages"]] == ["missed 0", "missed 1", "missed 2"]
        assert (reply["roomName"], reply["count"], reply["hasMore"]) == (room, 3, False)
        assert reply["nextSince"] == reply["messages"][-1]["seq"]
    event = web.llm.payload("OFFLINE_MESSAGES", since=mark)
    assert event["messages"] == reply["messages"]
    assert set(event) == {"roomName", "messages", "count", "since", "hasMore", "nextSince"}
    first = web.does("GET_OFFLINE_MESSAGES", {"roomName": room, "limit": 2}, "/llm")
    assert (first["count"], first["hasMore"]) == (2, True)
    rest = web.does("GET_OFFLINE_MESSAGES", {"roomName": room, "since": first["nextSince"]}, "/llm")
    assert [message["message"] for message in rest["messages"]] == ["missed 2"]
    at = {m["seq"]: m["timestamp"] for m in reply["messages"]}
    after = web.does("GET_OFFLINE_MESSAGES", {"roomName": room, "since": reply["messages"][0]["timestamp"]}, "/llm")
    later = [seq for seq, moment in at.items() if moment > reply["messages"][0]["timestamp"]]
    assert [message["seq"] for message in after["messages"]] == later
    since_ever = web.does("GET_OFFLINE_MESSAGES", {"roomName": room, "since": "2020-01-01T00:00:00Z"}, "/llm")
    assert since_ever["count"] > 3
    bad: dict[str, Any]
    for bad in ({"limit": 0}, {"limit": 501}, {"since": "yesterday"}, {"since": {}}):
        web.fails("GET_OFFLINE_MESSAGES", {"roomName": room, **bad}, "/llm")


@of_its_socket("what an extension is sent of the conversation of others")
def test_scenario_57_snapshots_for_docs_clients_increments_for_the_others(hub: Hub) -> None:
    owner, docs, incremental = boss(hub), person(hub), person(hub, sync="incremental")
    extension = hub.extension(kind="silent").start_quickly()
    room = room_of(owner, docs, incremental, mode="MasterOnly")
    reply = docs.says(hub.new_id("m"), room, "shown")
    snapshot = docs.llm.payload(
        "UPDATE_CONTEXT", lambda body: body["roomName"] == room and reply["messageId"] in str(body["context"])
    )
    assert (snapshot["truncated"], isinstance(snapshot["seq"], int)) == (False, True)
    last = snapshot["context"][-1]
    assert (last["messageId"], last["message"], last["identity"]) == (reply["messageId"], "shown", docs.me)
    assert [m["seq"] for m in snapshot["context"]] == sorted(m["seq"] for m in snapshot["context"])
    incremental.llm.wait("NEW_MESSAGE", lambda body: body["messageId"] == reply["messageId"])
    mark = docs.llm.mark()
    docs.does("DELETE_MESSAGE", {"roomName": room, "messageId": reply["messageId"]}, "/llm")
    docs.llm.wait("UPDATE_CONTEXT", lambda b: b["roomName"] == room and reply["messageId"] not in str(b), since=mark)
    incremental.llm.wait("MESSAGES_DELETED")
    incremental.fence()
    extension.llm.fence()
    assert not incremental.llm.all("UPDATE_CONTEXT")
    assert not extension.llm.all("UPDATE_CONTEXT")


IMMUTABLE: dict[str, Any] = {
    "messageId": "forged",
    "responseId": "forged",
    "requestId": "forged",
    "identity": "System",
    "clientId": "forged",
    "timestamp": "1970-01-01T00:00:00.000Z",
    "seq": 0,
    "isSystem": True,
    "isResponse": True,
    "fromClient": False,
    "fromLlm": True,
}


@pytest.mark.parametrize("nsp", ["/llm", "/rooms"])
def test_scenario_58_who_edits_what(hub: Hub, nsp: str) -> None:
    owner, author, stranger, outsider = boss(hub), *(person(hub) for _ in range(3))
    room = room_of(owner, author, stranger, mode="MasterOnly")
    name = hub.new_id("m")
    mine = author.says(name, room, "first words")["messageId"]
    before = author.llm.payload("NEW_MESSAGE", lambda body: body["messageId"] == mine)["message"]
    target = {"roomName": room, "messageId": mine}
    assert author.does("EDIT_MESSAGE", {**target, "updatedFields": {"message": "better"}}, nsp)["messageId"] == mine
    for witness in (author, stranger, owner):
        update = witness.llm.payload("MESSAGE_UPDATED")
        assert (update["roomName"], update["messageId"], update["message"]["message"]) == (room, mine, "better")
        assert update["seq"] > before["seq"]
    changed = update["message"]
    assert changed.pop("lastEdited")
    assert changed == {**before, "message": "better", "data": "better"}
    assert author.does("EDIT_MESSAGE", {**target, "updatedMessage": "once more"}, nsp)["messageId"] == mine
    for other in (stranger, outsider):
        mark = other.sockets[nsp].mark()
        assert (
            other.fails("EDIT_MESSAGE", {**target, "updatedFields": {"message": "mine now"}}, nsp)
            == (NOT_YOURS["edit"])
        )
        error = other.sockets[nsp].payload("ERROR", since=mark)
        assert error["message"] == NOT_YOURS["edit"]
    author.does("EDIT_MESSAGE", {**target, "updatedFields": {**IMMUTABLE, "mood": "calm"}}, nsp)
    edited = stranger.llm.payload("MESSAGE_UPDATED", lambda body: body["message"].get("mood"))["message"]
    edited.pop("lastEdited")
    assert edited == {**before, "message": "once more", "data": "once more", "mood": "calm"}
    owner.does("EDIT_MESSAGE", {**target, "updatedFields": {"message": "by staff"}}, nsp)
    gone = {"roomName": room, "messageId": "no-such", "updatedFields": {"message": "x"}}
    assert author.fails("EDIT_MESSAGE", gone, nsp) == "Failed to edit message. It might not exist."
    assert author.fails("EDIT_MESSAGE", target, nsp) == "Missing required fields for editing message."


@on_both
def test_scenario_58_the_asker_edits_the_answer(hub: Hub) -> None:
    extension = hub.extension(kind="message", text="an answer").start_quickly()
    owner, asker, stranger = boss(hub), person(hub), person(hub)
    room = room_of(owner, asker, stranger, mode="Immediate")
    asker.says(hub.new_id("m"), room, "a question", target=extension.client_id)
    answer = asker.llm.payload("LLM_RESPONSE", lambda body: body["roomName"] == room)
    fields = {"roomName": room, "responseId": answer["responseId"], "updatedFields": {"message": "corrected"}}
    assert stranger.fails("EDIT_MESSAGE", {**fields, "fromLlm": True}, "/llm") == NOT_YOURS["edit"]
    assert asker.does("EDIT_MESSAGE", {**fields, "fromLlm": True}, "/llm")["messageId"] == answer["messageId"]
    update = stranger.llm.payload("MESSAGE_UPDATED")["message"]
    assert (update["message"], update["responseId"], update["role"]) == (
        "corrected",
        answer["responseId"],
        "assistant",
    )
    if isinstance(extension, Extension):
        extension.llm.wait("MESSAGE_UPDATED", lambda body: body["messageId"] == answer["messageId"])


@pytest.mark.parametrize("nsp", ["/llm", "/rooms"])
def test_scenario_59_deleting_what_exists_and_what_does_not(hub: Hub, nsp: str) -> None:
    owner, author, stranger = boss(hub), person(hub), person(hub)
    room = room_of(owner, author, stranger, mode="MasterOnly")
    mine = [author.says(hub.new_id("m"), room, f"mine {n}")["messageId"] for n in range(3)]
    other = stranger.says(hub.new_id("m"), room, "the stranger's")["messageId"]
    mixed = {"roomName": room, "messageIds": [mine[0], "no-such", mine[1], mine[0]]}
    assert sorted(author.does("DELETE_MESSAGE", mixed, nsp)["deleted"]) == sorted(mine[:2])
    for witness in (owner, author, stranger):
        told = witness.llm.payload("MESSAGES_DELETED")
        assert (told["roomName"], sorted(told["messageIds"])) == (room, sorted(mine[:2]))
    nothing = author.does("DELETE_MESSAGE", {"roomName": room, "messageId": "no-such"}, nsp)
    assert (nothing["deleted"], nothing["message"]) == ([], NO_MATCH)
    partly = {"roomName": room, "messageIds": [mine[2], other]}
    assert author.fails("DELETE_MESSAGE", partly, nsp) == NOT_YOURS["delete"]
    missing = "Missing required fields for deleting messages."
    for wrong in ({"roomName": room}, {"messageId": other}, {"roomName": room, "messageIds": []}):
        assert author.fails("DELETE_MESSAGE", wrong, nsp) == missing
    too_many = {"roomName": room, "messageIds": [f"m{n}" for n in range(501)]}
    assert author.fails("DELETE_MESSAGE", too_many, nsp) == missing
    author.fence()
    assert len(author.llm.all("MESSAGES_DELETED")) == 1, "nothing else was deleted"
    assert owner.does("DELETE_MESSAGE", partly, nsp)["deleted"]
    assert sorted(stranger.llm.payload("MESSAGES_DELETED", count=2)["messageIds"]) == sorted([mine[2], other])


@on_both
def test_scenario_59_clearing(hub: Hub) -> None:
    extension = hub.extension(kind="message", text="an answer").start_quickly()
    owner, guest = boss(hub), person(hub)
    room = room_of(owner, guest, mode="Immediate")
    guest.says(hub.new_id("m"), room, "a question", target=extension.client_id)
    guest.llm.wait("LLM_RESPONSE", lambda body: body["roomName"] == room)
    assert guest.fails("CLEAR_MESSAGES", {"roomName": room}, "/llm") == "Permission denied to clear messages."
    assert owner.fails("CLEAR_MESSAGES", {}, "/rooms") == "roomName is required to clear messages."
    owner.does("CLEAR_MESSAGES", {"roomName": room, "fromLlm": True}, "/rooms")
    cleared = guest.llm.payload("MESSAGES_CLEARED")
    assert (cleared["roomName"], cleared["clearedRequests"], cleared["clearedResponses"]) == (room, False, True)
    owner.does("CLEAR_MESSAGES", {"roomName": room, "clearResponses": False}, "/llm")
    cleared = guest.llm.payload("MESSAGES_CLEARED", count=2)
    assert (cleared["clearedRequests"], cleared["clearedResponses"]) == (True, False)
    again = owner.does("CLEAR_MESSAGES", {"roomName": room}, "/llm")
    assert again["message"] == "Messages already cleared or operation failed."
    assert guest.does("GET_FULL_CONTEXT", {"roomName": room}, "/llm")["totalMessages"] == 0
