"""Contract 13, scenarios 44, 60 and 61: which extensions serve which rooms, and who is told when that changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from answering import of_its_socket, on_both_brisk
from expect import of_request, wait_status
from harness import Daemon, Driver, Extension, Hub
from people import Person, boss, person, request_in, room_of

from newage.domain.ids import UPSTREAM_PREFIX

POLICIES = ("Free", "Manual", "Balanced", "Broadcast", "Random", "Failover")


@pytest.fixture
def chief(brisk_hub: Hub) -> Iterator[Person]:
    """An administrator, alone but for model servers when the test begins; at its end the policy is Free again."""
    hub = brisk_hub
    chief = boss(hub)
    watch = hub.open("/clients", chief.auth, engine=chief.engine).connected()

    def alone(body: Any) -> bool:
        return [c["id"] for c in body["clients"] if not c["id"].startswith(UPSTREAM_PREFIX)] == [chief.me]

    if not alone(watch.call("GET_CLIENT_LIST", {})):  # else it was announced before anybody watched
        watch.wait("UPDATE_CONNECTED_CLIENTS", alone)
    assert chief.does("GET_CONNECTED_CLIENT_ROOMS", None)["rooms"] == []
    yield chief
    chief.does("SET_CONNECTION_POLICY", {"policy": "Free"})


def lists(who: Person) -> list[Any]:
    """The lists that came for the own room, one after the other."""
    return [b["extensions"] for b in who.rooms.payloads("AVAILABLE_EXTENSIONS", lambda b: b["roomName"] == who.me)]


def has_list(who: Person, extensions: list[str], policy: str, since: int = 0) -> None:
    """The room's sockets hear of this list."""
    body = who.rooms.payload(
        "AVAILABLE_EXTENSIONS",
        lambda b: (b["roomName"], b["extensions"], b["policy"]) == (who.me, extensions, policy),
        since=since,
    )
    assert set(body) == {"extensions", "roomName", "policy"}


def assigned(chief: Person, *people: Person) -> list[list[str]]:
    """What is in force for the rooms of these people."""
    found = chief.does("GET_ASSIGNMENTS", {})["assignments"]
    return [found[who.me] for who in people]


def set_policy(chief: Person, policy: str) -> None:
    assert chief.does("SET_CONNECTION_POLICY", {"policy": policy})["policy"] == policy


def two_and_three(hub: Hub) -> tuple[list[Extension], list[Person]]:
    extensions = [hub.extension(declares={"capacity": 4}, kind="silent").start_quickly() for _ in range(2)]
    return extensions, [person(hub) for _ in range(3)]


@on_both_brisk
def test_scenario_60_free_and_broadcast_give_every_room_every_extension(chief: Person) -> None:
    hub = chief.hub
    extensions, people = two_and_three(hub)
    both = [extension.client_id for extension in extensions]
    for who in people:
        has_list(who, both, "Free")
    marks = [who.rooms.mark() for who in people]
    set_policy(chief, "Broadcast")
    for who, mark in zip(people, marks, strict=True):
        has_list(who, both, "Broadcast", mark)
    name = hub.new_id("q")
    people[0].says(name, people[0].me, "to all of you")
    for extension in extensions:
        extension.asked_for(name, "to all of you", targets=both)
        extension.reply(name, "done")
    wait_status(people[0].llm, name, "completed")
    set_policy(chief, "Free")
    people[0].says(name + "b", people[0].me, "to the first of you")
    extensions[0].asked_for(name + "b", "to the first of you", targets=both[:1])
    extensions[1].not_asked(name + "b")
    details = chief.does("GET_CONNECTED_EXTENSIONS", None)
    assert details["extensions"] == both
    assert [set(d["rooms"]) for d in details["details"]] == [{who.me for who in people}] * 2


@of_its_socket("it comes and goes")
def test_scenario_60_lists_that_become_empty_are_told(chief: Person) -> None:
    extensions, people = two_and_three(chief.hub)
    first, second = (extension.client_id for extension in extensions)
    for who in people:
        has_list(who, [first, second], "Free")
    marks = [who.rooms.mark() for who in people]
    extensions[0].stop()
    for who, mark in zip(people, marks, strict=True):
        has_list(who, [second], "Free", mark)
    extensions[1].stop()
    for who in people:
        has_list(who, [], "Free")
        assert lists(who)[-2:] == [[second], []]
    late = person(chief.hub)
    has_list(late, [], "Free")
    assert assigned(chief, *people, late) == [[]] * 4
    for who in people:
        assert not who.rooms.all("AVAILABLE_EXTENSIONS", lambda b, who=who: b["roomName"] != who.me)


@of_its_socket("it comes and goes")
def test_scenario_60_balanced_deals_evenly_and_keeps_what_is_dealt(chief: Person) -> None:
    hub = chief.hub
    extensions, people = two_and_three(hub)
    first, second = (extension.client_id for extension in extensions)
    marks = [who.rooms.mark() for who in people]
    set_policy(chief, "Balanced")
    for who, mark, mine in zip(people, marks, ([first], [second], [first]), strict=True):
        has_list(who, mine, "Balanced", mark)
    fourth = person(hub)
    has_list(fourth, [second], "Balanced")
    assert assigned(chief, *people) == [[first], [second], [first]], "a newcomer moves nobody"
    everybody = [*people, fourth]
    before = assigned(chief, *everybody)
    third = hub.extension(kind="silent").start_quickly()
    third_id = third.client_id
    after = assigned(chief, *everybody)
    moved = [who for who, old, new in zip(everybody, before, after, strict=True) if old != new]
    assert len(moved) == 1
    has_list(moved[0], [third_id], "Balanced")
    loads = Counter(name for (name,) in after)
    assert max(loads.values()) - min(loads.values()) <= 1
    orphans = [who for who, mine in zip(everybody, after, strict=True) if mine == [first]]
    marks = [who.rooms.mark() for who in orphans]
    extensions[0].stop()
    for who, mark in zip(orphans, marks, strict=True):
        who.rooms.wait("AVAILABLE_EXTENSIONS", lambda b: b["extensions"] in ([second], [third_id]), since=mark)
    final = assigned(chief, *everybody)
    assert first not in str(final)
    assert [new for new, old in zip(final, after, strict=True) if old != [first]] == [o for o in after if o != [first]]
    assert set(Counter(name for (name,) in final).values()) == {2}


@on_both_brisk
@pytest.mark.parametrize("policy", ["Balanced", "Random", "Manual"])
def test_scenario_60_a_room_is_answered_by_the_one_it_was_given(chief: Person, policy: str) -> None:
    hub = chief.hub
    extensions, people = two_and_three(hub)
    by_id = {extension.client_id: extension for extension in extensions}
    set_policy(chief, policy)
    if policy == "Manual":
        for who in people:
            given = {"clientRoom": who.me, "extensions": [extensions[1].client_id]}
            chief.does("ASSIGN_EXTENSION_TO_CLIENT", given)
    for who, (mine,) in zip(people, assigned(chief, *people), strict=True):
        name = hub.new_id("q")
        who.says(name, who.me, "whoever is mine")
        by_id[mine].asked_for(name, "whoever is mine", targets=[mine])
        by_id[mine].reply(name, f"I am {mine}")
        answer = who.llm.payload("LLM_RESPONSE", of_request(name))
        assert (answer["message"], answer["identity"]) == (f"I am {mine}", mine)


@of_its_socket("it comes and goes")
def test_scenario_60_random_draws_once(chief: Person) -> None:
    hub = chief.hub
    extensions, people = two_and_three(hub)
    names = [extension.client_id for extension in extensions]
    marks = [who.rooms.mark() for who in people]
    set_policy(chief, "Random")
    for who, mark in zip(people, marks, strict=True):
        mine = who.rooms.payload("AVAILABLE_EXTENSIONS", lambda b: b["policy"] == "Random", since=mark)["extensions"]
        assert len(mine) == 1
        assert mine[0] in names
    drawn = assigned(chief, *people)
    more = [hub.extension(kind="silent").start_quickly() for _ in range(4)]
    person(hub)
    assert assigned(chief, *people) == drawn, "what is drawn stays while it is there"
    for extension in more:
        extension.stop()
    lost, kept = drawn[0], [mine for mine in drawn if mine != drawn[0]]
    extensions[names.index(lost[0])].stop()
    people[0].rooms.wait("AVAILABLE_EXTENSIONS", lambda b: b["policy"] == "Random" and b["extensions"] != lost)
    again = assigned(chief, *people)
    assert [mine for mine, old in zip(again, drawn, strict=True) if old != lost] == kept
    assert all(len(mine) == 1 and mine != lost for mine in again)


@of_its_socket("it comes and goes")
def test_scenario_60_manual_gives_what_is_given_and_remembers_it(chief: Person) -> None:
    hub = chief.hub
    extensions, people = two_and_three(hub)
    first, second = (extension.client_id for extension in extensions)
    event = "ASSIGN_EXTENSION_TO_CLIENT"
    only = "Manual assignment is only allowed in Manual mode"
    assert chief.fails(event, {"clientRoom": people[0].me, "extensions": [first]}) == only
    marks = [who.rooms.mark() for who in people]
    set_policy(chief, "Manual")
    for who, mark in zip(people, marks, strict=True):
        has_list(who, [], "Manual", mark)
    given = chief.does(event, {"clientRoom": people[0].me, "extensions": [second, first]})
    assert (given["clientRoom"], given["extensions"]) == (people[0].me, [second, first])
    chief.does(event, {"clientRoom": people[1].me, "extensions": first})
    has_list(people[0], [second, first], "Manual")
    has_list(people[1], [first], "Manual")
    assert assigned(chief, *people) == [[second, first], [first], []]
    assert chief.fails(event, {"clientRoom": "nowhere", "extensions": [first]}) == "Client room not found"
    assert chief.fails(event, {"clientRoom": people[2].me, "extensions": ["no-ext"]}) == "Extension not found: no-ext"
    assert chief.fails(event, {"clientRoom": people[2].me}) == "Failed to assign extension"
    assert people[2].fails(event, {"clientRoom": people[2].me, "extensions": [first]}) == "Unauthorized"
    assert people[1].does("GET_ASSIGNMENTS", None)["assignments"] == {people[1].me: [first]}, "only the own rooms"
    mine = people[1].does("GET_ASSIGNMENTS_FOR_ROOM", None)
    assert (mine["roomName"], mine["assignments"], mine["extensions"]) == (people[1].me, [first], [first])
    assert people[1].does("GET_ASSIGNMENTS_FOR_ROOM", {"roomName": "nowhere"}, "/llm")["assignments"] == []
    mark = people[1].rooms.mark()
    extensions[0].stop()
    has_list(people[1], [], "Manual", mark)
    returned = hub.extension(first.removeprefix("SillyTavern-"), kind="silent").start_quickly()
    assert returned.client_id == first
    people[1].rooms.wait("AVAILABLE_EXTENSIONS", lambda b: b["extensions"] == [first], since=mark)
    assert assigned(chief, *people) == [[second, first], [first], []]
    chief.does(event, {"clientRoom": people[1].me, "extensions": []})
    assert assigned(chief, *people) == [[second, first], [], []]


@on_both_brisk
def test_scenario_60_a_group_room_is_served_while_a_client_is_in_it(chief: Person) -> None:
    hub = chief.hub
    extensions, (web, *others) = two_and_three(hub)
    room = room_of(chief)
    assert room not in chief.does("GET_CONNECTED_CLIENT_ROOMS", None)["rooms"], "an administrator is no client"
    web.does("JOIN_ROOM", room)
    told = chief.rooms.payload("AVAILABLE_EXTENSIONS", lambda b: b["roomName"] == room)
    assert told["extensions"] == [extension.client_id for extension in extensions]
    own = {who.me for who in (web, *others)}
    assert set(chief.does("GET_CONNECTED_CLIENT_ROOMS", None)["rooms"]) == {*own, room}
    web.does("LEAVE_ROOM", {"roomName": room})
    assert set(chief.does("GET_CONNECTED_CLIENT_ROOMS", None)["rooms"]) == own


@on_both_brisk
def test_scenario_44_a_target_that_is_not_assigned(chief: Person) -> None:
    hub = chief.hub
    (mine, other), (web, *_) = two_and_three(hub)
    set_policy(chief, "Manual")
    chief.does("ASSIGN_EXTENSION_TO_CLIENT", {"clientRoom": web.me, "extensions": [mine.client_id]})
    name = hub.new_id("q")
    denied = f"Client {web.client_id} is not allowed to send messages to room {other.client_id}."
    reply = web.llm.call("LLM_REQUEST", request_in(name, web.me, "stored all the same", target=other.client_id))
    assert (reply["status"], reply["success"], reply["message"]) == ("error", False, denied)
    error = web.llm.payload("ERROR")
    assert (error["type"], error["message"], error["requestId"]) == ("ERROR", denied, name)
    wait_status(web.llm, name, "failed")
    stored = web.llm.payload("NEW_MESSAGE", of_request(name))
    assert (stored["messageId"], stored["text"]) == (reply["messageId"], "stored all the same")  # amendment A12
    web.says(name + "b", web.me, target=mine.client_id)
    mine.asked_for(name + "b", "hello", target=mine.client_id)
    chief.says(name + "c", chief.me, target=other.client_id)  # an administrator may ask anybody
    other.asked_for(name + "c", "hello", identity=chief.me)
    other.not_asked(name)


def test_scenario_61_policies_that_exist_and_those_that_do_not(chief: Person) -> None:
    web = person(chief.hub)
    for policy in POLICIES:
        set_policy(chief, policy)
        assert web.does("GET_CONNECTION_POLICY", None)["policy"] == policy
    assert chief.does("SET_CONNECTION_POLICY", "Balanced")["policy"] == "Balanced"
    for wrong in ({"policy": "Chaos"}, {}, "free", {"policy": 7}, {"policy": None}, {"policy": ["Free"]}, None):
        assert chief.fails("SET_CONNECTION_POLICY", wrong) == "Failed to set connection policy"
    assert web.fails("SET_CONNECTION_POLICY", {"policy": "Free"}) == "Unauthorized"
    assert web.does("GET_CONNECTION_POLICY", {})["policy"] == "Balanced"


@of_its_socket("it comes and goes")
def test_scenario_61_policy_and_assignments_survive_a_restart(
    make_daemon: Callable[..., Daemon], driver: Driver
) -> None:
    daemon = make_daemon()
    hub = Hub(daemon, driver)
    chief, web = boss(hub), person(hub)
    extension = hub.extension(kind="silent").start_quickly()
    set_policy(chief, "Manual")
    chief.does("ASSIGN_EXTENSION_TO_CLIENT", {"clientRoom": web.me, "extensions": [extension.client_id]})
    driver.reset()
    daemon.kill()
    daemon.start()
    for somebody in (chief, web):
        somebody.enter()
    hub.extension(extension.client_id.removeprefix("SillyTavern-"), kind="silent").start_quickly()
    assert chief.does("GET_CONNECTION_POLICY", None)["policy"] == "Manual"
    web.rooms.wait("AVAILABLE_EXTENSIONS", lambda body: body["extensions"] == [extension.client_id])
