"""What staff does to members and rooms: who may, who hears of it, how mutes end (contract 3.5, 4.2, 4.4, 4.5, 5.4)."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from hubkit import Kit, failure_of, faults, result_of
from newage.dialect.rooms import muted_ack
from newage.domain.history import Change
from newage.domain.model import PERMANENT, Caller, RequestMode, Role, Term
from newage.domain.policy import MUTED
from newage.errors import NewAgeError, NotAuthorised, NotMember, RoomDenied, RoomMissing
from newage.ports import IRoomListener, Said
from newage.services.rooms.moderation import MODES_AT_ONCE
from newage.services.rooms.terms import LONGEST_TIMER, RETRY_SECONDS

FOREVER = "9999-12-31T23:59:59.999Z"
ROLES = {"mas": Role.MASTER, "man": Role.MANAGER, "mate": Role.MANAGER, "spe": Role.SPECIAL, "gue": Role.GUEST}
MEMBERS = tuple(ROLES)
ACTORS = ("admin", "weak", "mas", "man", "spe", "gue", "out")
TARGETS = ("mas", "mate", "spe", "gue")  # ``mate`` is the other manager


@pytest.fixture
def hub(kit: Kit) -> Kit:
    """The lounge: everybody on ``/``, ``/rooms`` and ``/llm``; beside it an administrator, a monitor from elsewhere
    without sensitive rights, and somebody who is in no room."""
    for who in (*MEMBERS, "out"):
        for namespace in ("/", "/rooms", "/llm"):
            kit.connect(who, namespace, incremental=True)
    for who, sensitive in (("admin", True), ("weak", False)):
        for namespace in ("/", "/rooms", "/llm"):
            kit.connect(who, namespace, client_type="monitor", sensitive=sensitive, incremental=True)
    kit.group("lounge", "mas", man=Role.MANAGER, mate=Role.MANAGER, spe=Role.SPECIAL, gue=Role.GUEST)
    kit.settle()
    kit.outbox.clear()
    return kit


def caller(kit: Kit, who: str) -> Caller:
    return kit.caller(kit.sessions.sids(who, "/rooms")[0])


def role(kit: Kit, who: str, room: str = "lounge") -> Role | None:
    return kit.rooms.require(room).members.get(who)


def at(*identities: str, on: tuple[str, ...] = ("/", "/rooms")) -> set[str]:
    """The sockets that should have heard, as ``Kit.heard`` names them."""
    return {who + namespace for who in identities for namespace in on}


def notes(kit: Kit, room: str = "lounge") -> list[str]:
    """The system messages of a room."""
    return [message.text for message in kit.stored(room) if message.is_system]


def set_role(kit: Kit, actor: str, target: str, new: Role, room: str = "lounge") -> Deferred[None]:
    return Deferred.fromCoroutine(kit.moderation.set_role(caller(kit, actor), room, target, new))


def kick(kit: Kit, actor: str, target: str, room: str = "lounge") -> Deferred[Term | None]:
    return Deferred.fromCoroutine(kit.moderation.kick(caller(kit, actor), room, target))


def mute(kit: Kit, actor: str, target: str, duration: float = 0, room: str = "lounge") -> Deferred[Term]:
    return Deferred.fromCoroutine(kit.moderation.mute(caller(kit, actor), room, target, duration))


def unmute(kit: Kit, actor: str, target: str, room: str = "lounge") -> Deferred[None]:
    return Deferred.fromCoroutine(kit.moderation.unmute(caller(kit, actor), room, target))


# ------------------------------------------------------------------------------------------------------ who may do what

MAY_GOVERN = {"admin": set(TARGETS), "mas": set(TARGETS), "man": {"spe", "gue"}}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("act", [kick, mute, unmute])
def test_who_may_kick_and_mute_whom(hub: Kit, act: Callable[..., Deferred[Any]], actor: str, target: str) -> None:
    before = hub.rooms.require("lounge")
    outcome = act(hub, actor, target)
    if target not in MAY_GOVERN.get(actor, set()):
        error = failure_of(outcome)
        assert (type(error), str(error), error.error_code) == (NotAuthorised, "Unauthorized", 6)
    elif act is kick and actor == target:
        assert str(failure_of(outcome)) == "Failed to kick member"
    else:
        result_of(outcome)
        assert act is unmute or hub.rooms.require("lounge") != before
        return
    assert hub.rooms.require("lounge") == before
    assert hub.outbox.sent == []


@pytest.mark.parametrize("new", list(Role))
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("actor", ACTORS)
def test_who_may_give_which_role_to_whom(hub: Kit, actor: str, target: str, new: Role) -> None:
    low = {Role.GUEST, Role.SPECIAL}
    allowed = actor in ("admin", "mas") or (actor == "man" and ROLES[target] in low and new in low)
    before = hub.rooms.require("lounge")
    outcome = set_role(hub, actor, target, new)
    if allowed:
        result_of(outcome)
        assert role(hub, target) is new
        assert len(hub.rooms.require("lounge").with_role(Role.MASTER)) == 1
    else:
        assert isinstance(failure_of(outcome), NotAuthorised)
        assert hub.rooms.require("lounge") == before
        assert hub.outbox.sent == []


@pytest.mark.parametrize("actor", ACTORS)
def test_who_may_set_the_mode_of_a_room(hub: Kit, actor: str) -> None:
    outcome = Deferred.fromCoroutine(hub.moderation.set_mode(caller(hub, actor), "lounge", RequestMode.IMMEDIATE))
    if actor in ("admin", "mas", "man"):
        result_of(outcome)
        assert hub.rooms.require("lounge").mode is RequestMode.IMMEDIATE
    else:
        error = failure_of(outcome)
        assert isinstance(error, NotAuthorised)
        assert str(error) == "Permission denied. Only room master/manager or admin can set the mode."
        assert hub.rooms.require("lounge").mode is RequestMode.DEFAULT
        assert hub.outbox.sent == []


@pytest.mark.parametrize("actor", [who for who in ACTORS if who != "admin"])
def test_only_administrators_set_the_default_mode(hub: Kit, actor: str) -> None:
    error = failure_of(hub.moderation.set_default_mode(caller(hub, actor), RequestMode.IMMEDIATE))
    assert (type(error), str(error)) == (NotAuthorised, "Unauthorized")
    assert {room.mode for room in hub.rooms.all()} == {RequestMode.DEFAULT} == {hub.default_mode.mode}
    assert result_of(hub.state_store.load_values()) == {}


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (kick, "Failed to kick member"),
        (mute, "Failed to mute member"),
        (unmute, "Failed to unmute member"),
        (
            lambda kit, actor, who, room="lounge": set_role(kit, actor, who, Role.GUEST, room),
            "Failed to set member role",
        ),
    ],
)
def test_a_missing_room_or_member_fails_in_the_contracts_words(
    hub: Kit, act: Callable[..., Deferred[Any]], words: str
) -> None:
    nowhere, nobody = failure_of(act(hub, "admin", "gue", room="nowhere")), failure_of(act(hub, "admin", "out"))
    assert (type(nowhere), str(nowhere)) == (RoomDenied, words)
    assert (type(nobody), str(nobody)) == (NotMember, words)
    assert hub.outbox.sent == []


def test_members_are_found_by_identity_and_by_client_id(hub: Kit) -> None:
    """Of several sessions of one client the member is meant, not the one that connected last."""
    hub.connect("tab", "/rooms", identity="tab-1")
    hub.clock.advance(1)
    hub.connect("tab", "/rooms", identity="tab-2")
    result_of(hub.rooms.add("lounge", "tab-1"))
    room = hub.rooms.require("lounge")
    assert [hub.rooms.member(room, name) for name in ("tab-1", "tab", "tab-2", "nobody")] == [
        "tab-1",
        "tab-1",
        None,
        None,
    ]


# --------------------------------------------------------------------------------------------------------------- roles


def test_a_role_change_is_told_to_the_member_and_to_the_staff(hub: Kit) -> None:
    result_of(set_role(hub, "man", "gue", Role.SPECIAL))
    told = {
        "clientId": "gue",
        "identity": "gue",
        "roomName": "lounge",
        "roomId": hub.room_id("lounge"),
        "role": "special",
    }
    for event in ("MEMBER_ROLE_CHANGED", "member_role_changed"):
        heard = hub.heard(event)
        assert set(heard) == at("gue", "mas", "man", "mate")
        assert heard["gue/rooms"] == [told] == heard["gue/"]
        assert heard["mas/rooms"] == [{**told, "targetIdentity": "gue", "newRole": "special"}]
    echo = hub.heard("SET_MEMBER_ROLE")
    assert set(echo) == at("mas", "man", "mate")
    assert echo["man/rooms"] == [
        {"identity": "gue", "clientId": "gue", "role": "special", "roomName": "lounge", "roomId": hub.room_id("lounge")}
    ]
    assert {sent.event for sent in hub.outbox.sent} == {"MEMBER_ROLE_CHANGED", "member_role_changed", "SET_MEMBER_ROLE"}


def test_a_role_that_is_set_again_changes_nothing_but_is_echoed(hub: Kit) -> None:
    result_of(set_role(hub, "mas", "gue", Role.GUEST))
    assert {sent.event for sent in hub.outbox.sent} == {"SET_MEMBER_ROLE"}


def test_the_previous_master_becomes_manager(hub: Kit) -> None:
    result_of(set_role(hub, "mas", "gue", Role.MASTER))
    room = hub.rooms.require("lounge")
    assert (room.master, role(hub, "mas")) == ("gue", Role.MANAGER)
    mine = [(body["identity"], body["role"]) for body in hub.heard("MEMBER_ROLE_CHANGED")["mas/rooms"]]
    assert sorted(mine) == [("gue", "master"), ("mas", "manager")]
    assert [body["identity"] for body in hub.heard("SET_MEMBER_ROLE")["gue/rooms"]] == ["gue"]


def test_a_master_who_steps_down_is_followed_by_the_oldest_manager_online(hub: Kit) -> None:
    hub.disconnect_all("man")
    hub.clock.advance(2)
    hub.outbox.clear()
    result_of(set_role(hub, "mas", "mas", Role.GUEST))
    assert hub.rooms.require("lounge").master == "mate"
    changed = {body["identity"] for bodies in hub.heard("MEMBER_ROLE_CHANGED").values() for body in bodies}
    assert changed == {"mas", "mate"}


@pytest.mark.parametrize("actor", ["admin", "out"])
def test_where_nobody_else_is_there_nobody_takes_the_crown_away(hub: Kit, actor: str) -> None:
    """The only member, or the only one who is there, stays master, and is told why (A25)."""
    alone = hub.rooms.create("alone", hub.caller(hub.sessions.sids("out", "/")[0]).session)
    result_of(alone)
    for _ in range(2):
        refused = failure_of(set_role(hub, actor, "out", Role.GUEST, "alone"))
        assert isinstance(refused, RoomDenied)
        assert str(refused) == "Failed to set member role: nobody else is here to be master of this room."
        assert hub.rooms.require("alone").master == "out"
        if "mate" not in hub.rooms.require("alone").members:
            result_of(hub.rooms.add("alone", "mate"))
            hub.disconnect_all("mate")
            hub.clock.advance(2)
    result_of(set_role(hub, actor, "mate", Role.MASTER, "alone"))  # by name it can be given to who is away
    assert dict(hub.rooms.require("alone").members) == {"out": Role.MANAGER, "mate": Role.MASTER}


@pytest.mark.parametrize("actor", ["admin", "mas"])
def test_a_personal_room_has_one_master_for_ever(hub: Kit, actor: str) -> None:
    """The own role is always master there (contract 2.10): it is neither lowered nor given to a guest."""
    result_of(hub.rooms.add("mas", "gue"))
    hub.settle()
    hub.outbox.clear()
    before = hub.rooms.require("mas")
    for who, new in (("mas", Role.GUEST), ("mas", Role.MANAGER), ("gue", Role.MASTER)):
        assert str(failure_of(set_role(hub, actor, who, new, "mas"))) == "Failed to set member role"
    assert hub.rooms.require("mas") == before
    assert hub.outbox.sent == []
    result_of(set_role(hub, actor, "gue", Role.MANAGER, "mas"))
    assert dict(hub.rooms.require("mas").members) == {"mas": Role.MASTER, "gue": Role.MANAGER}
    result_of(set_role(hub, actor, "mas", Role.MASTER, "mas"))  # what it is anyway


def test_a_role_that_cannot_be_stored_is_not_given(hub: Kit) -> None:
    hub.gate.broken = True
    assert str(failure_of(set_role(hub, "mas", "gue", Role.MASTER))) == "The disk is full."
    assert dict(hub.rooms.require("lounge").members) == ROLES
    assert hub.outbox.sent == []


# ---------------------------------------------------------------------------------------------------------------- kick


def test_a_kicked_member_is_warned_and_the_others_are_told(hub: Kit) -> None:
    result_of(kick(hub, "man", "gue"))
    warnings = hub.heard("WARNING")
    assert set(warnings) == at("gue", on=("/", "/rooms", "/llm"))
    assert [body["message"] for body in warnings["gue/llm"]] == ["You have been kicked from room lounge."]
    left = hub.heard("MEMBER_LEFT")
    assert set(left) == at(*MEMBERS)
    assert left["mas/"] == [
        {"clientId": "gue", "identity": "gue", "roomName": "lounge", "roomId": hub.room_id("lounge"), "reason": "kick"}
    ]
    assert notes(hub)[-1] == "[System] gue has left the room."


def test_a_kicked_member_hears_no_more_of_the_room(hub: Kit) -> None:
    extension = hub.extension()
    hub.set_mode("lounge", RequestMode.IMMEDIATE)
    hub.activity.show_typing(hub.rooms.require("lounge"), "gue")
    hub.settle()
    result_of(kick(hub, "mas", "gue"))
    hub.outbox.clear()
    master = hub.sessions.sids("mas", "/llm")[0]
    hub.submit(master, "among us", "r1", room="lounge")
    hub.streams.answered(Said("SillyTavern-8000", request="r1"), "yes")
    result_of(mute(hub, "mas", "spe", 5))
    result_of(hub.moderation.set_mode(caller(hub, "mas"), "lounge", RequestMode.SEPARATE))
    hub.clock.advance(20)
    result_of(hub.rooms.delete("lounge"))
    assert extension.forwarded
    assert [key for key in hub.heard(*{sent.event for sent in hub.outbox.sent}) if key.startswith("gue/")] == []
    statuses = [(b["identity"], b["status"]) for b in hub.heard("MEMBER_STATUS_UPDATE")["mas/llm"]]
    assert "gue" not in {who for who, _ in statuses}, "what it was doing ended with its membership"


def test_nobody_is_kicked_out_of_the_own_room(hub: Kit) -> None:
    result_of(hub.rooms.add("mas", "man", Role.MANAGER))
    for actor in ("admin", "mas"):
        assert str(failure_of(kick(hub, actor, "mas", "mas"))) == "Failed to kick member"
    assert role(hub, "mas", "mas") is Role.MASTER


# --------------------------------------------------------------------------------------------------------------- mutes


def test_a_mute_is_acked_shown_and_noted(hub: Kit) -> None:
    ack = result_of(mute(hub, "man", "gue", 90))
    until = "2023-11-14T22:14:50.000Z"  # 90 s after EPOCH
    assert muted_ack(ack) == {"mutedUntil": until, "duration": 90}
    heard = hub.heard("MEMBER_MUTED")
    assert set(heard) == at(*MEMBERS, on=("/llm",))
    assert heard["gue/llm"] == [
        {
            "identity": "gue",
            "clientId": "gue",
            "mutedBy": "man",
            "mutedUntil": until,
            "duration": 90,
            "roomName": "lounge",
            "roomId": hub.room_id("lounge"),
        }
    ]
    statuses = hub.heard("MEMBER_STATUS_UPDATE")
    assert set(statuses) == at(*MEMBERS, on=("/llm",))
    assert [(b["identity"], b["roomName"], b["status"]) for b in statuses["mas/llm"]] == [("gue", "lounge", "muted")]
    assert notes(hub)[-1] == "[System] gue has been muted by man for 90 seconds."


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (1, "1 seconds"),
        (2.5, "2.5 seconds"),
        (0.25, "0.25 seconds"),
        (86_400, "86400 seconds"),
        (1_000_000.0, "1000000 seconds"),
        (31_536_001, "31536001 seconds"),
        (1234567.5, "1234567.5 seconds"),
    ],
)
def test_the_note_tells_the_length_in_full(hub: Kit, duration: float, words: str) -> None:
    result_of(mute(hub, "mas", "gue", duration))
    assert notes(hub)[-1] == f"[System] gue has been muted by mas for {words}."


@pytest.mark.parametrize("duration", [0, -1, -0.5, 1e300, PERMANENT])
def test_no_length_or_one_beyond_all_time_is_for_ever(hub: Kit, duration: float) -> None:
    ack = result_of(mute(hub, "mas", "gue", duration))
    assert muted_ack(ack) == {"mutedUntil": FOREVER, "duration": "permanent"}
    assert hub.heard("MEMBER_MUTED")["mas/llm"][0]["mutedUntil"] == FOREVER
    assert notes(hub)[-1] == "[System] gue has been permanently muted by mas."
    hub.clock.advance(LONGEST_TIMER * 2)
    assert hub.rooms.require("lounge").muted == {"gue": Term(PERMANENT, inf)}


def test_a_mute_ends_by_itself(hub: Kit) -> None:
    result_of(mute(hub, "mas", "gue", 2))
    hub.outbox.clear()
    hub.clock.advance(1.999)
    assert hub.outbox.sent == []
    hub.clock.advance(0.001)
    assert hub.rooms.require("lounge").muted == {} == hub.room_store.rooms[hub.room_id("lounge")].room.muted
    heard = hub.heard("MEMBER_UNMUTED")
    assert set(heard) == at(*MEMBERS, on=("/llm",))
    assert heard["gue/llm"] == [
        {
            "identity": "gue",
            "clientId": "gue",
            "unmutedBy": "System",
            "roomName": "lounge",
            "roomId": hub.room_id("lounge"),
        }
    ]
    assert [body["status"] for body in hub.heard("MEMBER_STATUS_UPDATE")["gue/llm"]] == ["idle"]
    assert notes(hub)[-1] == "[System] gue has been unmuted by System."
    hub.outbox.clear()
    hub.clock.advance(60)
    assert hub.outbox.sent == []


@pytest.fixture
def twins(hub: Kit) -> Kit:
    """``gue-2`` is a second identity of ``gue``'s client, and a member, too."""
    for namespace in ("/rooms", "/llm"):
        hub.connect("gue", namespace, identity="gue-2", incremental=True)
    result_of(hub.rooms.add("lounge", "gue-2"))
    hub.settle()
    hub.outbox.clear()
    return hub


@pytest.mark.parametrize("muted", ["gue", "gue-2"])
def test_a_mute_holds_for_every_identity_of_its_client(twins: Kit, muted: str) -> None:
    result_of(mute(twins, "mas", muted, 5))
    for who in ("gue", "gue-2"):
        sid = twins.sessions.sids(who, "/llm")[0]
        assert str(failure_of(twins.ask(sid, "hear me", room="lounge"))) == MUTED
    fresh = twins.connect("gue", "/llm", identity="gue-3")  # one that is made for it
    result_of(twins.room_service.join(twins.caller(fresh), "lounge"))
    assert str(failure_of(twins.ask(fresh, "hear me", room="lounge"))) == MUTED
    twins.submit(twins.sessions.sids("spe", "/llm")[0], "not me", room="lounge")
    twins.clock.advance(5)
    twins.submit(fresh, "again", room="lounge")


def test_who_is_muted_by_another_identity_types_no_more(twins: Kit) -> None:
    twins.activity.show_typing(twins.rooms.require("lounge"), "gue-2")
    result_of(mute(twins, "mas", "gue", 5))
    assert twins.activity.typing_in("gue-2") == ()


def test_an_unmute_of_either_ends_it_for_both(twins: Kit) -> None:
    result_of(mute(twins, "mas", "gue", 5))
    twins.outbox.clear()
    result_of(unmute(twins, "mas", "gue-2"))
    assert twins.rooms.require("lounge").muted == {}
    assert [body["identity"] for body in twins.heard("MEMBER_UNMUTED")["mas/llm"]] == ["gue", "gue-2"]
    twins.outbox.clear()
    twins.clock.advance(60)
    assert twins.outbox.sent == []


def test_the_last_mute_of_a_client_counts(twins: Kit) -> None:
    result_of(mute(twins, "mas", "gue", 50))
    result_of(mute(twins, "mas", "gue-2", 5))
    assert list(twins.rooms.require("lounge").muted) == ["gue-2"]
    twins.clock.advance(5)
    twins.submit(twins.sessions.sids("gue", "/llm")[0], "back", room="lounge")
    twins.outbox.clear()
    twins.clock.advance(60)
    assert twins.outbox.sent == []


def test_a_mute_stays_while_another_identity_of_its_client_does(twins: Kit) -> None:
    result_of(mute(twins, "mas", "gue"))
    result_of(twins.rooms.remove("lounge", "gue", "disconnect"))
    assert str(failure_of(twins.ask(twins.sessions.sids("gue-2", "/llm")[0], room="lounge"))) == MUTED
    result_of(twins.rooms.remove("lounge", "gue-2", "leave"))
    room = twins.rooms.require("lounge")
    assert (list(room.muted), room.clients["gue"]) == (["gue"], "gue")


def test_a_mute_of_before_holds_for_the_identity_until_it_is_known_whose_it_is(
    hub: Kit, make_kit: Callable[..., Kit]
) -> None:
    """Rows of the first schema know no clients; each gets its own when the identity attaches."""
    hub.mute("lounge", "gue", inf)
    hub.mute("lounge", "spe", inf)
    result_of(hub.rooms.remove("lounge", "spe", "leave"))
    old = hub.room_store.rooms[hub.room_id("lounge")]
    old.room = evolve(old.room, clients={})
    kit = make_kit(with_stores_of=hub)
    for who in ("gue", "spe"):
        other = kit.connect(who, identity=f"{who}-2")
        result_of(kit.rooms.add("lounge", f"{who}-2"))
        kit.submit(other, "still free", room="lounge")
        kit.connect(who)
        assert str(failure_of(kit.ask(other, room="lounge"))) == MUTED
    assert kit.room_store.rooms[kit.room_id("lounge")].room.clients == {
        "gue": "gue",
        "gue-2": "gue",
        "spe": "spe",
        "spe-2": "spe",
    }
    kit.connect("man")
    assert kit.rooms.require("lounge").clients["man"] == "man"


def test_a_claim_that_cannot_be_stored_is_made_again(hub: Kit, make_kit: Callable[..., Kit]) -> None:
    old = hub.room_store.rooms[hub.room_id("lounge")]
    old.room = evolve(old.room, clients={})
    kit = make_kit(with_stores_of=hub)
    kit.gate.broken = True
    sid = kit.connect("gue")
    assert "gue" not in kit.rooms.require("lounge").clients
    kit.gate.broken = False
    kit.disconnect(sid)
    kit.clock.advance(2)
    kit.connect("gue")
    assert kit.room_store.rooms[kit.room_id("lounge")].room.clients == {"gue": "gue"}


def test_an_unmute_ends_it_once(hub: Kit) -> None:
    result_of(mute(hub, "mas", "gue", 2))
    hub.outbox.clear()
    result_of(unmute(hub, "man", "gue"))
    assert [body["unmutedBy"] for body in hub.heard("MEMBER_UNMUTED")["mas/llm"]] == ["man"]
    assert notes(hub)[-1] == "[System] gue has been unmuted by man."
    hub.outbox.clear()
    hub.clock.advance(5)
    result_of(unmute(hub, "man", "gue"))
    assert hub.outbox.sent == [], "not muted is fine, and nobody hears of it"


def test_a_later_mute_replaces_the_earlier(hub: Kit) -> None:
    result_of(mute(hub, "mas", "gue", 2))
    result_of(mute(hub, "mas", "gue", 10))
    hub.clock.advance(9)
    assert "gue" in hub.rooms.require("lounge").muted
    result_of(mute(hub, "mas", "gue", 0))
    hub.clock.advance(100)
    assert hub.rooms.require("lounge").muted == {"gue": Term(PERMANENT, inf)}
    result_of(mute(hub, "mas", "gue", 1))
    hub.clock.advance(1)
    assert hub.rooms.require("lounge").muted == {}


def test_mutes_are_per_room_and_identity(hub: Kit) -> None:
    hub.connect("gue", "/llm", identity="gue-2")
    result_of(hub.rooms.add("lounge", "gue-2"))
    hub.group("garden", "mas", gue=Role.GUEST)
    result_of(mute(hub, "mas", "gue", 0))
    assert hub.rooms.require("lounge").muted.keys() == {"gue"}
    assert hub.rooms.require("garden").muted == {}


def test_a_muted_member_neither_asks_nor_edits(hub: Kit) -> None:
    hub.set_mode("lounge", RequestMode.MASTER_ONLY)
    sid = hub.sessions.sids("gue", "/llm")[0]
    message = hub.submit(sid, "before", room="lounge")["messageId"]
    result_of(mute(hub, "mas", "gue", 2))
    words = "You are currently muted and cannot send messages."
    refused = failure_of(hub.ask(sid, room="lounge"))
    assert (type(refused), str(refused)) == (NotAuthorised, words)
    assert str(failure_of(hub.editing.edit(caller(hub, "gue"), "lounge", message, Change(text="x")))) == words
    hub.clock.advance(2)
    assert hub.submit(sid, "after", room="lounge")["state"] == "ignored"
    result_of(hub.editing.edit(caller(hub, "gue"), "lounge", message, Change(text="x")))


def test_a_muted_member_no_longer_types(hub: Kit) -> None:
    """Typing ends before the mute is shown: nobody may look idle 15 s into a mute."""
    hub.activity.show_typing(hub.rooms.require("lounge"), "gue")
    result_of(mute(hub, "mas", "gue", 60))
    hub.clock.advance(30)
    statuses = [body["status"] for body in hub.heard("MEMBER_STATUS_UPDATE")["mas/llm"]]
    assert statuses == ["typing", "idle", "muted"]


def test_what_waits_of_a_muted_member_goes_to_no_model(hub: Kit) -> None:
    extension = hub.extension()
    guest, master = hub.sessions.sids("gue", "/llm")[0], hub.sessions.sids("mas", "/llm")[0]
    assert hub.submit(guest, "queued", "q1", room="lounge")["state"] == "queued"
    result_of(mute(hub, "mas", "gue", 0))
    hub.submit(master, "sent", "r1", room="lounge")
    assert extension.forwarded[0]["message"] == "sent"
    assert hub.statuses(guest, "q1") == ["queued", "expired"]


def test_a_mute_survives_the_absence_of_the_member(hub: Kit) -> None:
    result_of(mute(hub, "mas", "gue", 100))
    hub.disconnect_all("gue")
    hub.clock.advance(10)
    sid = hub.connect("gue", "/llm")
    assert isinstance(failure_of(hub.ask(sid, room="lounge")), NotAuthorised)
    hub.disconnect_all("gue")
    hub.clock.advance(90)
    assert hub.rooms.require("lounge").muted == {}
    assert hub.heard("MEMBER_UNMUTED")["mas/llm"][-1]["clientId"] == "gue"


def test_a_mute_survives_a_restart_and_ends_in_time(make_kit: Callable[..., Kit]) -> None:
    before = make_kit()
    master = before.connect("mas", "/rooms")
    for who in ("short", "long", "over", "ever"):
        before.connect(who, "/llm")
    before.group("lounge", "mas", short=Role.GUEST, long=Role.GUEST, over=Role.GUEST, ever=Role.GUEST)
    for who, seconds in (("short", 13), ("long", 3 * LONGEST_TIMER), ("ever", 0)):
        result_of(before.moderation.mute(before.caller(master), "lounge", who, seconds))
    before.mute("lounge", "over", 6)
    before.clock.advance(4)
    before.step(3)  # that mute ran out while the hub was down
    after = make_kit(with_stores_of=before)
    for who in ("mas", "short", "long", "over", "ever"):
        after.connect(who, "/llm")
    after.outbox.clear()
    after.settle()
    assert after.rooms.require("lounge").muted.keys() == {"short", "long", "ever"}
    assert [(b["identity"], b["unmutedBy"]) for b in after.heard("MEMBER_UNMUTED")["mas/llm"]] == [("over", "System")]
    after.clock.advance(6)
    assert after.rooms.require("lounge").muted.keys() == {"long", "ever"}
    for _ in range(3):
        assert "long" in after.rooms.require("lounge").muted
        after.clock.advance(LONGEST_TIMER)
    assert "long" not in after.rooms.require("lounge").muted


def test_a_mute_of_who_left_or_of_a_room_that_went_ends_quietly(hub: Kit) -> None:
    result_of(mute(hub, "mas", "gue", 5))
    result_of(mute(hub, "mas", "spe", 5))
    result_of(kick(hub, "mas", "gue"))
    assert hub.rooms.require("lounge").muted.keys() == {"gue", "spe"}
    result_of(mute(hub, "mas", "spe", 50))
    hub.outbox.clear()
    hub.clock.advance(5)
    assert hub.rooms.require("lounge").muted.keys() == {"spe"}
    assert hub.heard("MEMBER_UNMUTED") == {}
    result_of(hub.rooms.delete("lounge"))
    hub.clock.advance(100)
    assert hub.heard("MEMBER_UNMUTED") == {}


def test_a_mute_that_is_stored_when_its_room_is_gone_ends_nothing(hub: Kit) -> None:
    hub.gate.shut = True
    outcome = mute(hub, "mas", "gue", 5)
    gone = Deferred.fromCoroutine(hub.rooms.remove("lounge", "gue", "leave"))
    hub.gate.open()
    result_of(outcome)
    result_of(gone)
    hub.outbox.clear()
    hub.clock.advance(10)
    assert hub.heard("MEMBER_UNMUTED") == {}


def test_a_mute_that_cannot_be_stored_is_none(hub: Kit) -> None:
    hub.gate.broken = True
    assert str(failure_of(mute(hub, "mas", "gue", 5))) == "The disk is full."
    assert hub.rooms.require("lounge").muted == {}
    assert hub.outbox.sent == []


def test_a_mute_whose_end_cannot_be_stored_is_over_all_the_same(hub: Kit) -> None:
    result_of(mute(hub, "mas", "gue", 5))
    hub.gate.broken = True
    assert len(faults(lambda: hub.clock.advance(5))) == 2, "neither the room nor the note could be stored"
    assert [body["identity"] for body in hub.heard("MEMBER_UNMUTED")["gue/llm"]] == ["gue"]
    hub.gate.broken = False
    hub.set_mode("lounge", RequestMode.MASTER_ONLY)
    assert hub.submit(hub.sessions.sids("gue", "/llm")[0], room="lounge")["state"] == "ignored"
    assert hub.room_store.rooms[hub.rooms.require("lounge").id].room.muted == {}, (
        "the next change of the room stored it, too"
    )


def test_a_mute_that_a_later_change_took_along_ends_in_time(hub: Kit) -> None:
    """Its own write fails, the next one of the room succeeds and holds it too."""
    hub.gate.shut = True
    muting = mute(hub, "mas", "gue", 5)
    changing = Deferred.fromCoroutine(hub.moderation.set_mode(caller(hub, "mas"), "lounge", RequestMode.MASTER_ONLY))
    hub.gate.waiting.pop(0).errback(NewAgeError("The disk is full."))
    assert str(failure_of(muting)) == "The disk is full."
    hub.gate.open()
    result_of(changing)
    assert "gue" in hub.rooms.require("lounge").muted
    hub.clock.advance(5)
    assert hub.rooms.require("lounge").muted == {}


def test_a_mute_that_ends_while_its_room_cannot_be_deleted_ends_a_little_later(hub: Kit) -> None:
    result_of(mute(hub, "mas", "gue", 5))
    hub.gate.shut = True
    deleting = Deferred.fromCoroutine(hub.rooms.delete("lounge"))
    hub.clock.advance(5)
    hub.gate.waiting.pop(0).errback(NewAgeError("The disk is full."))
    assert str(failure_of(deleting)) == "The disk is full."
    hub.gate.open()
    assert "gue" in hub.rooms.require("lounge").muted
    hub.clock.advance(RETRY_SECONDS)
    assert hub.rooms.require("lounge").muted == {}


def test_a_mute_that_ends_while_its_room_is_deleted_is_no_fault(hub: Kit) -> None:
    result_of(mute(hub, "mas", "gue", 5))
    hub.gate.shut = True
    hub.clock.advance(5)
    deleting = Deferred.fromCoroutine(hub.rooms.delete("lounge"))
    assert faults(hub.gate.open) == []
    result_of(deleting)
    assert hub.rooms.get("lounge") is None


def test_an_extension_that_may_speak_again_is_asked_to(hub: Kit) -> None:
    extension = hub.extension("SillyTavern-1")
    result_of(hub.rooms.add("lounge", "SillyTavern-1"))
    hub.set_mode("lounge", RequestMode.CONVERSATIONAL)
    assert hub.submit(hub.sessions.sids("gue", "/llm")[0], room="lounge")["state"] == "recorded"
    result_of(mute(hub, "mas", "SillyTavern-1", 0))
    result_of(unmute(hub, "mas", "SillyTavern-1"))
    hub.clock.advance(2)
    assert [payload["type"] for payload in extension.forwarded] == ["THINK_REQUEST"]


# --------------------------------------------------------------------------------------------------------------- modes


def test_a_mode_is_told_to_all_members_when_it_changes(hub: Kit) -> None:
    result_of(hub.moderation.set_mode(caller(hub, "man"), "lounge", RequestMode.IMMEDIATE))
    heard = hub.heard("ROOM_MODE_CHANGED")
    assert set(heard) == at(*MEMBERS, on=("/", "/rooms", "/llm"))
    assert heard["gue/llm"] == [
        {"roomName": "lounge", "roomId": hub.room_id("lounge"), "mode": "Immediate", "setter": "man"}
    ]
    assert {sent.event for sent in hub.outbox.sent} == {"ROOM_MODE_CHANGED"}
    hub.outbox.clear()
    result_of(hub.moderation.set_mode(caller(hub, "man"), "lounge", RequestMode.IMMEDIATE))
    assert hub.outbox.sent == []


def test_the_queue_is_settled_when_the_mode_changes(hub: Kit) -> None:
    extension = hub.extension(capacity=2)
    for who in ("gue", "spe"):
        hub.submit(hub.sessions.sids(who, "/llm")[0], f"of {who}", room="lounge")
    result_of(hub.moderation.set_mode(caller(hub, "mas"), "lounge", RequestMode.IMMEDIATE))
    assert [payload["message"] for payload in extension.forwarded] == ["of gue", "of spe"]


def test_a_missing_room_has_no_mode(hub: Kit) -> None:
    error = failure_of(hub.moderation.set_mode(caller(hub, "admin"), "nowhere", RequestMode.IMMEDIATE))
    assert (type(error), str(error)) == (RoomMissing, "Room nowhere not found.")


def test_the_default_mode_is_that_of_all_rooms_old_and_new(hub: Kit) -> None:
    result_of(hub.moderation.set_default_mode(caller(hub, "admin"), RequestMode.IMMEDIATE))
    assert {room.mode for room in hub.rooms.all()} == {RequestMode.IMMEDIATE}
    told = {key: [body["roomName"] for body in bodies] for key, bodies in hub.heard("ROOM_MODE_CHANGED").items()}
    assert (told["gue/llm"], told["out/rooms"]) == (["gue", "lounge"], ["out"])
    hub.connect("new")
    assert hub.rooms.require("new").mode is RequestMode.IMMEDIATE


def test_the_default_mode_outlives_a_restart(make_kit: Callable[..., Kit]) -> None:
    before = make_kit()
    boss = before.caller(before.connect("admin", "/rooms", client_type="monitor"))
    result_of(before.moderation.set_default_mode(boss, RequestMode.SEPARATE))
    after = make_kit(with_stores_of=before)
    after.connect("new")
    assert after.rooms.require("new").mode is RequestMode.SEPARATE


@pytest.mark.parametrize("stored", ["Anarchy", 7, None])
def test_a_default_mode_nobody_knows_does_not_stop_the_start(make_kit: Callable[..., Kit], stored: object) -> None:
    before = make_kit()
    result_of(before.state_store.save_value("messageRequestMode", stored))
    after = make_kit(with_stores_of=before)
    assert after.default_mode.mode is RequestMode.DEFAULT


def test_a_room_that_goes_meanwhile_does_not_keep_the_others_from_their_mode(hub: Kit) -> None:
    hub.gate.shut = True
    setting = Deferred.fromCoroutine(hub.moderation.set_default_mode(caller(hub, "admin"), RequestMode.IMMEDIATE))
    deleting = Deferred.fromCoroutine(hub.rooms.delete("lounge"))
    while hub.gate.waiting:
        hub.gate.step()
    result_of(deleting)
    result_of(setting)
    assert hub.rooms.get("lounge") is None
    assert {room.mode for room in hub.rooms.all()} == {RequestMode.IMMEDIATE}


def test_a_room_that_goes_before_its_turn_has_no_mode(hub: Kit) -> None:
    for n in range(MODES_AT_ONCE):
        hub.connect(f"extra-{n}")
    result_of(hub.rooms.create("last", caller(hub, "mas").session))
    hub.gate.shut = True
    setting = Deferred.fromCoroutine(hub.moderation.set_default_mode(caller(hub, "admin"), RequestMode.IMMEDIATE))
    deleting = Deferred.fromCoroutine(hub.rooms.delete("last"))
    hub.gate.waiting.pop().callback(None)  # that is quicker than the modes of the others
    result_of(deleting)
    hub.gate.open()
    result_of(setting)
    assert hub.rooms.get("last") is None
    assert {room.mode for room in hub.rooms.all()} == {RequestMode.IMMEDIATE}


def test_a_default_mode_that_cannot_be_stored_fails_in_known_words(hub: Kit) -> None:
    hub.gate.broken = True
    setting = Deferred.fromCoroutine(hub.moderation.set_default_mode(caller(hub, "admin"), RequestMode.IMMEDIATE))
    assert str(failure_of(setting)) == "The disk is full."
    assert hub.heard("ROOM_MODE_CHANGED") == {}
    assert {room.mode for room in hub.rooms.all()} == {RequestMode.DEFAULT}


def test_a_mode_set_after_the_default_wins(hub: Kit) -> None:
    """All rooms change in the order of the calls, however long the store takes."""
    result_of(hub.moderation.set_mode(caller(hub, "mas"), "lounge", RequestMode.IMMEDIATE))
    hub.gate.shut = True
    setting = Deferred.fromCoroutine(hub.moderation.set_default_mode(caller(hub, "admin"), RequestMode.IMMEDIATE))
    other = Deferred.fromCoroutine(hub.moderation.set_mode(caller(hub, "mas"), "lounge", RequestMode.MASTER_ONLY))
    while hub.gate.waiting:
        hub.gate.step()
    result_of(other)
    result_of(setting)
    assert hub.rooms.require("lounge").mode is RequestMode.MASTER_ONLY
    others = {room.mode for room in hub.rooms.all() if room.name != "lounge"}
    assert others == {RequestMode.IMMEDIATE}


def test_it_listens_to_rooms(kit: Kit) -> None:
    assert verifyObject(IRoomListener, kit.mutes)
