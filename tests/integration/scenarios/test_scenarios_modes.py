"""Contract 13, scenarios 38-43: what the request modes of a room do with what its members say."""

from __future__ import annotations

import pytest
from answering import on_both
from expect import is_response, of_request, statuses, wait_status
from harness import Hub
from people import Person, boss, is_status, person, request_in, room_of


def told(who: Person, request_id: str, text: str) -> None:
    """The room's people hear that answer."""
    assert who.llm.payload("LLM_RESPONSE", of_request(request_id))["message"] == text


def set_mode(owner: Person, room: str, mode: str) -> None:
    assert owner.does("SET_ROOM_MESSAGE_REQUEST_MODE", {"roomName": room, "mode": mode})["mode"] == mode


@on_both
def test_scenario_38_the_queue_is_merged_with_the_masters_words(hub: Hub) -> None:
    extension = hub.extension(kind="silent").start_quickly()
    master, one, special, two = boss(hub), person(hub), person(hub), person(hub)
    room = room_of(master, one, special, two, roles={special.me: "special"})
    ids = {who: hub.new_id("q") for who in (one, special, two, master)}
    for who, text in ((one, "first guest"), (special, " special "), (two, "second guest")):
        reply = who.says(ids[who], room, text)
        assert (reply["message"], reply["state"], reply["roomName"]) == ("Request received.", "queued", room)
        queued = wait_status(who.llm, ids[who], "queued")
        assert (queued["mode"], queued["roomName"]) == ("Default", room)
    extension.not_asked(*ids.values())  # nothing leaves before the master submits
    reply = master.says(ids[master], room, "the master", target=extension.client_id)
    assert reply["state"] == "forwarded"
    words = ("special", "first guest", "second guest", "the master")
    text = "\n\n".join(words)
    whose = {"target": extension.client_id, "requestingIdentity": master.me, "role": "master", "data": text}
    extension.asked_for(ids[master], *words, **whose)
    if packet := extension.packet(ids[master]):
        current = packet["currentRequest"]
        assert (current["isMerged"], current["mergedFromCount"]) == (True, 4)
        assert current["originalRequestIds"] == [ids[special], ids[one], ids[two], ids[master]]
        assert (current["message"], current["data"], current["requestId"]) == (text, text, ids[master])
    extension.not_asked(*(ids[who] for who in (one, special, two)))
    for who in (one, special, two):
        assert wait_status(who.llm, ids[who], "merged")["mergedInto"] == ids[master]
    extension.reply(ids[master], "to all of you")
    for who in (one, special, two, master):
        wait_status(who.llm, ids[who], "completed")
        told(who, ids[master], "to all of you")
        assert statuses(who.llm, ids[who]).count("completed") == 1
    again = hub.new_id("q")
    master.says(again, room, "alone", target=extension.client_id)
    extension.asked_for(again, "alone")
    if packet := extension.packet(again):
        assert "isMerged" not in packet["currentRequest"], "the queue was emptied by the first submission"


@on_both
def test_scenario_38_a_manager_submits_and_a_failure_reaches_everybody(hub: Hub) -> None:
    extension = hub.extension(kind="silent").start_quickly()
    master, manager, guest = boss(hub), person(hub), person(hub)
    room = room_of(master, manager, guest, roles={manager.me: "manager"}, mode="HostSubmit")
    mine, theirs = hub.new_id("q"), hub.new_id("q")
    guest.says(mine, room, "please")
    manager.says(theirs, room, "now", target=extension.client_id)
    extension.asked_for(theirs, "please", "now")
    extension.fail(theirs)
    wait_status(manager.llm, theirs, "failed")
    wait_status(guest.llm, mine, "failed")


@on_both
@pytest.mark.parametrize("hint", ["master", "manager", "special"])
def test_scenario_39_a_role_cannot_be_claimed(hub: Hub, hint: str) -> None:
    extension = hub.extension(kind="silent").start_quickly()
    master, guest, special = boss(hub), person(hub), person(hub)
    room = room_of(master, guest, special, roles={special.me: "special"})
    claimed, before, submitted = (hub.new_id("q") for _ in range(3))
    assert guest.says(claimed, room, "guest", role=hint, target=extension.client_id)["state"] == "queued"
    assert special.says(before, room, "special", role="master")["state"] == "queued"
    extension.not_asked(claimed, before)
    stored = guest.llm.payload("NEW_MESSAGE", of_request(claimed))
    assert stored["role"] == "guest"
    master.says(submitted, room, "master", target=extension.client_id)
    extension.asked_for(submitted, "special", "guest", "master")  # a claimed special does not overtake a real one


@on_both
def test_scenario_39_a_hint_lowers_the_role(hub: Hub) -> None:
    extension = hub.extension(kind="silent").start_quickly()
    alone = person(hub)
    name = hub.new_id("q")
    assert alone.says(name, alone.me, "as a guest", role="guest", target=extension.client_id)["state"] == "queued"
    extension.not_asked(name)


@on_both
def test_scenario_40_master_only(hub: Hub) -> None:
    extension = hub.extension(kind="silent").start_quickly()
    master, manager, guest = boss(hub), person(hub), person(hub)
    room = room_of(master, manager, guest, roles={manager.me: "manager"}, mode="MasterOnly")
    ids = {who: hub.new_id("q") for who in (manager, guest, master)}
    for who in (manager, guest):
        assert who.says(ids[who], room, "heard", target=extension.client_id)["state"] == "ignored"
        assert wait_status(who.llm, ids[who], "ignored")["mode"] == "MasterOnly"
        for witness in (master, manager, guest):
            assert witness.llm.payload("NEW_MESSAGE", of_request(ids[who]))["text"] == "heard"
    extension.not_asked(ids[manager], ids[guest])
    assert master.says(ids[master], room, "mine", target=extension.client_id)["state"] == "forwarded"
    extension.asked_for(ids[master], "mine")  # nothing is merged
    said = extension.context_of(ids[master])
    assert said == ["heard", "heard", "mine"], "what was ignored is stored all the same"


@on_both
def test_scenario_41_immediate(hub: Hub) -> None:
    extension = hub.extension(kind="silent").start_quickly()
    master, guest = boss(hub), person(hub)
    room = room_of(master, guest, mode="Immediate")
    name = hub.new_id("q")
    assert guest.says(name, room, "at once", target=extension.client_id)["state"] == "forwarded"
    extension.asked_for(name, "at once", role="guest", mode="Immediate", identity=guest.me, targetRoom=room)


@on_both
def test_scenario_41_separate_keeps_threads_apart(hub: Hub) -> None:
    extension = hub.extension(declares={"capacity": 2}, kind="silent").start_quickly()
    master, one, two = boss(hub), person(hub), person(hub)
    room = room_of(master, one, two, mode="Separate")
    ids = [hub.new_id("q") for _ in range(4)]
    for who, name, text in ((one, ids[0], "one asks"), (two, ids[1], "two asks")):
        assert who.says(name, room, text, target=extension.client_id)["state"] == "forwarded"
        extension.asked_for(name, text)
        extension.reply(name, f"to {text}")
        for witness in (one, two):
            told(witness, name, f"to {text}")  # answers go to the room
    wait_status(two.llm, ids[1], "completed")
    one.says(ids[2], room, "one again", target=extension.client_id)
    assert extension.context_of(ids[2]) == ["one asks", "to one asks", "one again"]
    if packet := extension.packet(ids[2]):
        assert {message["identity"] for message in packet["context"]} == {one.me, extension.client_id}
    master.says(ids[3], room, "mine", target=extension.client_id)
    assert extension.context_of(ids[3]) == ["mine"]


@on_both
def test_scenario_42_the_queue_is_forwarded_when_the_mode_opens(hub: Hub) -> None:
    first, second = (hub.extension(declares={"capacity": 2}, kind="silent").start_quickly() for _ in range(2))
    master, one, two = boss(hub), person(hub), person(hub)
    room = room_of(master, one, two)
    a, b, c = (hub.new_id("q") for _ in range(3))
    one.says(a, room, "a", target=first.client_id)
    two.says(b, room, "b", target=first.client_id)
    one.says(c, room, "c", target=second.client_id)
    set_mode(master, room, "Immediate")
    changed = {**master.named(room), "mode": "Immediate", "setter": master.me}
    for who in (master, one, two):
        for nsp in ("/", "/rooms", "/llm"):
            assert who.sockets[nsp].payload("ROOM_MODE_CHANGED") == changed
    for who, name in ((one, a), (two, b), (one, c)):
        wait_status(who.llm, name, "forwarded")
    first.asked_for(a, "a", identity=one.me)
    first.asked_for(b, "b", identity=two.me)
    second.asked_for(c, "c")
    if first.packet(b):
        assert [each["requestId"] for each in first.llm.payloads("LLM_REQUEST")][-2:] != [b, a], "in their order"
    first.not_asked(c)
    second.not_asked(a, b)
    set_mode(master, room, "Immediate")
    one.fence()
    assert len(one.llm.all("ROOM_MODE_CHANGED")) == 1, "only a change is told"


@on_both
def test_scenario_42_the_queue_expires_when_only_the_master_counts(hub: Hub) -> None:
    extension = hub.extension(kind="silent").start_quickly()
    master, guest = boss(hub), person(hub)
    room = room_of(master, guest)
    name = hub.new_id("q")
    guest.says(name, room, "too late", target=extension.client_id)
    set_mode(master, room, "MasterOnly")
    wait_status(guest.llm, name, "expired")
    master.says(name + "m", room, "mine", target=extension.client_id)
    extension.asked_for(name + "m", "mine")
    extension.not_asked(name)


def test_scenario_42_who_sets_the_mode_and_to_what(hub: Hub) -> None:
    master, guest = boss(hub), person(hub)
    room = room_of(master, guest)
    event = "SET_ROOM_MESSAGE_REQUEST_MODE"
    denied = "Permission denied. Only room master/manager or admin can set the mode."
    assert guest.fails(event, {"roomName": room, "mode": "Immediate"}) == denied
    valid = "Default, Immediate, MasterOnly, Separate, HostSubmit, Conversational"
    wrong = f"Invalid mode specified. Valid modes are: {valid}"
    assert master.fails(event, {"roomName": room, "mode": "Loud"}) == wrong
    assert master.fails(event, {"roomName": room}) == "roomName and mode are required."
    assert master.fails(event, {"roomName": "nowhere", "mode": "Default"}) == "Room nowhere not found."
    assert guest.fails("SET_MESSAGE_REQUEST_MODE", {"mode": "Immediate"}) == "Unauthorized"
    details = guest.does("GET_ROOMS", {})["roomDetails"]
    assert next(d["mode"] for d in details if d["name"] == room) == "Default"
    guest.does(event, {"roomName": guest.me, "mode": "Immediate"})  # the own room has its own master
    assert guest.rooms.payload("ROOM_MODE_CHANGED")["setter"] == guest.me


@on_both
def test_scenario_43_two_extensions_answer_one_request(hub: Hub) -> None:
    first, second = (hub.extension(kind="silent").start_quickly() for _ in range(2))
    web = person(hub)
    name = hub.new_id("q")
    targets = [first.client_id, second.client_id, first.client_id]
    assert web.says(name, web.me, "both of you", target=targets)["state"] == "forwarded"
    for extension in (first, second):
        both = [first.client_id, second.client_id]  # each once
        extension.asked_for(name, "both of you", target=extension.client_id, targets=both)
    first.reply(name, "from one")
    partly = wait_status(web.llm, name, "processing")
    assert partly["remaining"] == 1
    web.fence()
    assert "completed" not in statuses(web.llm, name)
    second.reply(name, "from two")
    done = wait_status(web.llm, name, "completed")
    answers = web.llm.payloads("NEW_MESSAGE", lambda body: is_response(body) and body["requestId"] == name)
    assert [(body["identity"], body["text"]) for body in answers] == [
        (first.client_id, "from one"),
        (second.client_id, "from two"),
    ]
    assert [body["responseId"] for body in answers] == [partly["responseId"], done["responseId"]]
    assert partly["responseId"] != done["responseId"]
    assert len(web.llm.all("LLM_RESPONSE", of_request(name))) == 2


@on_both
def test_scenario_43_a_missing_target_is_named_and_the_others_are_asked(hub: Hub) -> None:
    extension = hub.extension(kind="silent").start_quickly()
    web = person(hub)
    name = hub.new_id("q")
    web.says(name, web.me, "who is there", target=[extension.client_id, "nobody"])
    assert web.llm.payload("WARNING")["message"] == "Target client not found: nobody"
    extension.asked_for(name, "who is there", targets=[extension.client_id])
    extension.reply(name, "me")
    assert web.llm.payload("REQUEST_STATUS_UPDATE", is_status(name, "completed"))["requestId"] == name
    reply = web.llm.call("LLM_REQUEST", request_in(name + "x", web.me, target=["nobody", "neither"]))
    assert (reply["status"], reply["message"]) == ("error", "Target client not found: nobody, neither")
