"""One contract for every store: SQLite and memory answer alike (ports.IKeyStore and the others)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from attrs import evolve
from zope.interface.verify import verifyObject

from deferreds import value
from newage.domain.character import Character
from newage.domain.model import (
    PERMANENT,
    Access,
    Bar,
    ConnectionPolicy,
    KeyRecord,
    Message,
    Rank,
    RequestMode,
    Role,
    Room,
    RoomKind,
    Scope,
    Term,
)
from newage.domain.open_request import Answered, Notice, OpenRequest
from newage.domain.open_text import OpenText
from newage.domain.request import Ask
from newage.domain.resident import Resident
from newage.domain.spent import Spent
from newage.domain.state import HubState
from newage.domain.webhooks import Delivery, Due, Queue
from newage.errors import BadParameter, NotFound, RoomMissing
from newage.ports import (
    IKeyStore,
    IMarkStore,
    IMessageStore,
    IOpenOutputStore,
    IRequestStore,
    IResidentStore,
    IRoomStore,
    ISpentStore,
    IStateStore,
    IWebhookStore,
)
from newage.storage.stores import Stores


def room(name: str, **members: Any) -> Room:
    return Room(**{"name": name, "id": f"id of {name}", **members})


LOBBY, DEN = room("lobby").id, room("den").id


def message(number: int, room: str = "lobby", **members: Any) -> Message:
    said: dict[str, Any] = {"message_id": f"m{number}", "room": room, "room_id": f"id of {room}", "seq": number}
    return Message(**{**said, "identity": "ann", **members})


def opened(key: int, **members: Any) -> OpenRequest:
    asked: dict[str, Any] = {"identity": "ann-1", "client_id": "ann", "request_id": f"r{key}", "message_id": f"m{key}"}
    asked["ask"] = Ask(request_id=f"r{key}", text="")
    return OpenRequest(
        **{"key": key, "room_id": LOBBY, "role": Role.GUEST, "state": "queued", "created_at": 1.5, **asked, **members}
    )


def notice(key: int) -> Notice:
    events = (("ERROR", {"message": "no", "n": [1]}), ("REQUEST_STATUS_UPDATE", {"status": "failed"}))
    return Notice(key=key, identity="ann-1", client_id="ann", events=events, term=Term(9.5, 3.0))


FULL = Message(
    message_id="m7",
    room="lobby",
    room_id=LOBBY,
    seq=7,
    identity="SillyTavern-8000",
    client_id="SillyTavern-8000",
    role="assistant",
    text="eine Antwort \N{SLIGHTLY SMILING FACE} \0 'quoted'; DROP TABLE room",
    data={"prompt": ["a", 1, 2.5, None, True], "nested": {"ä": {}}},
    timestamp="2026-01-02T03:04:05.678Z",
    request_id="r1",
    response_id="a1",
    output_id="o1",
    asker="ann",
    question_id="m6",
    selected=False,
    target=["one", "two"],
    request_type="regenerateMessage",
    streamed=True,
    failed=True,
    last_edited="2026-01-02T03:04:06.000Z",
    extra={"temperature": 0.5, "stop": ["\n"]},
    name="Anna \N{SLIGHTLY SMILING FACE}",
    reasoning="hm\u20ac",
    partial=True,
    character=Character("seraphina.png", "Seraphina", "5f"),
    origin="desk",
)


@pytest.fixture
def lobby(stores: Stores) -> Stores:
    value(stores.rooms.save_room(room("lobby", created_at=1.0)))
    return stores


class TestKeys:
    def test_provides_the_port(self, stores: Stores) -> None:
        assert verifyObject(IKeyStore, stores.keys)

    def test_is_empty_at_first(self, stores: Stores) -> None:
        assert value(stores.keys.load_keys()) == ()
        assert value(stores.keys.load_trusted()) == ()

    def test_returns_keys_oldest_first(self, stores: Stores) -> None:
        records = tuple(
            KeyRecord(client_id=who, hash=f"$2b$10${n}", created_at=100.5 - n, local=n == 1)
            for n, who in enumerate(["ann", "bob", "ann"])
        )
        for record in records:
            assert value(stores.keys.add_key(record)) is None
        assert value(stores.keys.load_keys()) == records

    def test_the_same_hash_again_is_one_key_and_the_newest(self, stores: Stores) -> None:
        first = KeyRecord(client_id="ann", hash="h1", created_at=1.0)
        second = KeyRecord(client_id="ann", hash="h2", created_at=2.0)
        for record in (first, second, first):
            value(stores.keys.add_key(record))
        assert value(stores.keys.load_keys()) == (second, first)

    def test_a_key_keeps_what_it_was_issued_for(self, stores: Stores) -> None:
        records = tuple(
            KeyRecord(
                client_id="ann",
                hash=f"h {scope.value} {rank}",
                created_at=1.5,
                local=True,
                key_id="1a2b3c4d",
                name="Ann's phone",
                rank=rank,
                scope=scope,
                made_by="monitor",
                expires=2.5,
                last_used=2.25,
            )
            for scope in Scope
            for rank in (*Rank, None)
        )
        for record in records:
            value(stores.keys.add_key(record))
        found = value(stores.keys.load_keys())
        assert found == records
        assert {record.last_used for record in found} == {2.25}

    def test_an_update_keeps_the_place_and_what_the_key_was_issued_for(self, stores: Stores) -> None:
        first, second = (KeyRecord(client_id="ann", hash=h, created_at=1.0, name=h) for h in ("h1", "h2"))
        for record in (first, second):
            value(stores.keys.add_key(record))
        use: dict[str, Any] = {"last_used": 9.0, "last_address": "::1", "digest": b"d", "digest_secret": "s"}
        changed = evolve(first, key_id="k1", rank=Rank.ADMIN, name="not this", **use)
        assert value(stores.keys.update_key(changed)) is None
        assert value(stores.keys.update_key(evolve(first, client_id="eve"))) is None
        found = value(stores.keys.load_keys())
        assert found == (evolve(first, key_id="k1", rank=Rank.ADMIN), second)
        assert [{name: getattr(record, name) for name in use} for record in found] == [
            use,
            {"last_used": None, "last_address": "", "digest": None, "digest_secret": ""},
        ]

    def test_removes_one_key(self, stores: Stores) -> None:
        one, other = (KeyRecord(client_id="ann", hash=h, created_at=1.0) for h in ("h1", "h2"))
        value(stores.keys.add_key(one))
        value(stores.keys.add_key(other))
        assert value(stores.keys.remove_key("ann", "h1")) is None
        assert value(stores.keys.remove_key("ann", "h1")) is None
        assert value(stores.keys.remove_key("bob", "h2")) is None
        assert value(stores.keys.load_keys()) == (other,)

    def test_removes_all_keys_of_a_client_and_says_how_many(self, stores: Stores) -> None:
        for n, who in enumerate(["ann", "bob", "ann"]):
            value(stores.keys.add_key(KeyRecord(client_id=who, hash=str(n), created_at=1.0)))
        assert value(stores.keys.remove_keys("ann")) == 2
        assert value(stores.keys.remove_keys("ann")) == 0
        assert [record.client_id for record in value(stores.keys.load_keys())] == ["bob"]

    def test_trust_is_idempotent_and_ordered(self, stores: Stores) -> None:
        for at, who in enumerate(["zoe", "ann", "zoe"]):
            assert value(stores.keys.add_trusted(who, float(at))) is None
        assert value(stores.keys.load_trusted()) == ("zoe", "ann")
        assert value(stores.keys.remove_trusted("zoe")) is None
        assert value(stores.keys.remove_trusted("zoe")) is None
        assert value(stores.keys.load_trusted()) == ("ann",)


class TestRooms:
    def test_provides_the_port(self, stores: Stores) -> None:
        assert verifyObject(IRoomStore, stores.rooms)

    def test_returns_what_was_saved_in_order_of_creation(self, stores: Stores) -> None:
        rooms = (
            room("zoo", kind=RoomKind.PERSONAL, members={"zoo": Role.MASTER}, seq=3, created_at=12.25),
            room(
                "äther",
                mode=RequestMode.SEPARATE,
                members={"zoe": Role.MASTER, "ann": Role.GUEST, "bob": Role.SPECIAL, "kim": Role.MANAGER},
                muted={"ann": Term(1e9 + 0.5, 60.25), "bob": Term(PERMANENT, math.inf), "gone": Term(2e9, 5.0)},
                clients={"zoe": "z", "bob": "b", "gone": "g"},
                barred={
                    "cid": Bar(Term(1e9 + 0.5, 60.25), "cid-1", "zoe", "noise"),
                    "eve": Bar(Term(PERMANENT, math.inf), "eve"),
                },
                access=Access.INVITED,
                created_at=11.0,
            ),
            room("empty"),
        )
        for each in rooms:
            assert value(stores.rooms.save_room(each)) is None
        loaded = value(stores.rooms.load_rooms())
        assert loaded == rooms
        assert list(loaded[1].members) == ["zoe", "ann", "bob", "kim"]

    def test_saving_replaces_members_and_mutes_and_keeps_the_place(self, stores: Stores) -> None:
        bars = {"cid": Bar(Term(1.0, 2.0), "cid"), "eve": Bar(Term(1.0, 2.0), "eve")}
        first = room("one", members={"ann": Role.MASTER, "bob": Role.GUEST}, barred=bars, access=Access.INVITED)
        value(stores.rooms.save_room(first))
        value(stores.rooms.save_room(room("two")))
        changed = room(
            "one",
            mode=RequestMode.IMMEDIATE,
            members={"bob": Role.MASTER},
            muted={"bob": Term(5.0, 4.0)},
            barred={"eve": Bar(Term(3.0, 4.0), "eve-2", "bob", "more")},
        )
        value(stores.rooms.save_room(changed))
        assert value(stores.rooms.load_rooms()) == (changed, room("two"))

    def test_keeps_clients_of_members_and_muted_ones_only(self, stores: Stores) -> None:
        clients = {"ann": "a", "bob": "b", "gone": "g"}
        saved = room("one", members={"ann": Role.MASTER}, muted={"bob": Term(5.0, 4.0)}, clients=clients)
        value(stores.rooms.save_room(saved))
        assert value(stores.rooms.load_rooms())[0].clients == {"ann": "a", "bob": "b"}

    def test_a_room_of_the_same_name_is_another_one(self, lobby: Stores) -> None:
        """Even where the old one could not be deleted: nothing of it is left, and nothing more gets in."""
        value(lobby.messages.add_message(message(1), 10))
        value(lobby.marks.save_marks("ann", {LOBBY: 1}))
        again = room("lobby", id="another", members={"bob": Role.MASTER})
        value(lobby.rooms.save_room(again))
        assert value(lobby.rooms.load_rooms()) == (again,)
        assert value(lobby.marks.load_marks()) == {}
        for room_id in (LOBBY, "another"):
            assert value(lobby.messages.last_messages(room_id, 9)) == ()
        with pytest.raises(RoomMissing):
            value(lobby.messages.add_message(message(2), 10))
        value(lobby.rooms.delete_room(LOBBY))
        assert value(lobby.rooms.load_rooms()) == (again,)

    def test_seq_never_goes_back(self, stores: Stores) -> None:
        value(stores.rooms.save_room(room("one", seq=9)))
        value(stores.rooms.save_room(room("one", seq=4)))
        assert value(stores.rooms.load_rooms())[0].seq == 9

    def test_deleting_takes_the_messages_along(self, lobby: Stores) -> None:
        value(lobby.messages.add_message(message(1), 10))
        assert value(lobby.rooms.delete_room(LOBBY)) is None
        assert value(lobby.rooms.delete_room(LOBBY)) is None
        assert value(lobby.rooms.load_rooms()) == ()
        value(lobby.rooms.save_room(room("lobby")))
        assert value(lobby.messages.last_messages(LOBBY, 9)) == ()
        assert value(lobby.rooms.load_rooms())[0].seq == 0


class TestMessages:
    def test_provides_the_port(self, stores: Stores) -> None:
        assert verifyObject(IMessageStore, stores.messages)

    @pytest.mark.parametrize(
        "stored",
        [
            FULL,
            message(1),
            message(2, data=0, target="x"),
            message(3, data=[], extra={}),
            message(4, character=Character("a", "b")),
        ],
    )
    def test_returns_what_was_stored(self, lobby: Stores, stored: Message) -> None:
        assert value(lobby.messages.add_message(stored, 10)) == ()
        assert value(lobby.messages.last_messages(LOBBY, 1)) == (stored,)

    def test_raises_the_rooms_seq(self, lobby: Stores) -> None:
        value(lobby.messages.add_message(message(5), 10))
        value(lobby.messages.add_message(message(4), 10))
        assert value(lobby.rooms.load_rooms())[0].seq == 5

    def test_evicts_the_oldest_beyond_keep(self, lobby: Stores) -> None:
        for number in (1, 2, 5, 9):
            value(lobby.messages.add_message(message(number), 3))
        assert [m.seq for m in value(lobby.messages.last_messages(LOBBY, 99))] == [2, 5, 9]
        value(lobby.messages.add_message(message(10), 1))
        assert [m.seq for m in value(lobby.messages.last_messages(LOBBY, 99))] == [10]

    def test_eviction_counts_what_was_deleted_and_cleared(self, lobby: Stores) -> None:
        for number in range(1, 6):
            value(lobby.messages.add_message(message(number), 5))
        value(lobby.messages.delete_messages(LOBBY, ["m2", "m3"], 6))
        for number in (7, 8):
            value(lobby.messages.add_message(message(number), 5))
        assert [m.seq for m in value(lobby.messages.last_messages(LOBBY, 99))] == [1, 4, 5, 7, 8]
        value(lobby.messages.clear_messages(LOBBY, True, True, 9))
        for number in range(10, 16):
            value(lobby.messages.add_message(message(number), 5))
        assert [m.seq for m in value(lobby.messages.last_messages(LOBBY, 99))] == [11, 12, 13, 14, 15]

    def test_an_unknown_room_has_nothing_and_takes_nothing(self, stores: Stores) -> None:
        messages = stores.messages
        assert value(messages.last_messages(LOBBY, 5)) == ()
        assert value(messages.messages_after(LOBBY, 0, 5)) == ((), False)
        assert value(messages.find_message(LOBBY, "m1")) is None
        for refused in (
            messages.add_message(message(1), 5),
            messages.update_message(message(1), 2),
            messages.delete_messages(LOBBY, ["m1"], 2),
            messages.clear_messages(LOBBY, True, True, 2),
        ):
            with pytest.raises(RoomMissing):
                value(refused)

    @pytest.mark.parametrize("twin", [message(1, message_id="other"), message(2, message_id="m1")])
    def test_neither_id_nor_seq_is_given_twice(self, lobby: Stores, twin: Message) -> None:
        value(lobby.messages.add_message(message(1), 5))
        with pytest.raises(BadParameter):
            value(lobby.messages.add_message(twin, 5))
        assert value(lobby.messages.last_messages(LOBBY, 9)) == (message(1),)

    def test_one_answer_to_a_question_takes_the_place_of_the_others(self, lobby: Stores) -> None:
        answers = {"role": "assistant", "question_id": "m1"}
        for stored, beside in (
            (message(1), ()),
            (message(2, response_id="a2", **answers), ()),
            (message(3, response_id="a3", role="assistant", question_id="m9"), ()),
            (message(4, response_id="a4", selected=True, **answers), ("a4",)),
            (message(5, response_id="a5", selected=False, failed=True, **answers), ()),
            (message(6, response_id="a6", selected=True, **answers), ("a6", "a4")),
        ):
            value(lobby.messages.add_message(stored, 10, beside))
        assert self.chosen(lobby) == {2: False, 4: True, 5: False, 6: True}
        assert [m.seq for m in value(lobby.messages.last_messages(LOBBY, 3, selected=True))] == [3, 4, 6]
        pages = [value(lobby.messages.messages_before(LOBBY, None, 3, selected=only)) for only in (False, True)]
        assert [([m.seq for m in page], more) for page, more in pages] == [([4, 5, 6], True), ([3, 4, 6], True)]
        value(lobby.messages.update_message(message(2, response_id="a2", selected=True, text="new", **answers), 7))
        assert self.chosen(lobby)[2] is False

    def test_where_the_selected_answer_goes_the_newest_that_is_left_counts(self, lobby: Stores) -> None:
        answers = {"role": "assistant", "question_id": "m1"}
        for number in (2, 3, 4):
            value(lobby.messages.add_message(message(number, selected=True, response_id=f"a{number}", **answers), 10))
        value(lobby.messages.add_message(message(5, selected=False, failed=True, **answers), 10))
        value(lobby.messages.delete_messages(LOBBY, ["m3"], 6))
        assert self.chosen(lobby) == {2: False, 4: True, 5: False}
        value(lobby.messages.delete_messages(LOBBY, ["m4"], 7))
        assert self.chosen(lobby) == {2: True, 5: False}
        value(lobby.messages.delete_messages(LOBBY, ["m2", "m5"], 8))
        assert self.chosen(lobby) == {}

    def test_one_of_the_answers_is_chosen(self, lobby: Stores) -> None:
        answer: dict[str, Any] = {"role": "assistant", "question_id": "m1"}
        for number, members in ((1, {}), (2, answer), (3, answer), (4, {**answer, "question_id": "m9"})):
            value(lobby.messages.add_message(message(number, **members), 9))
        messages = lobby.messages
        assert value(messages.select_answer(LOBBY, "m2", 6)) == ("m2", "m3")
        assert [(m.message_id, m.selected) for m in value(messages.find_answers(LOBBY, "m1"))] == [
            ("m2", True),
            ("m3", False),
        ]
        assert value(messages.select_answer(LOBBY, "m3", 7)) == ("m2", "m3")
        assert self.chosen(lobby) == {2: False, 3: True}
        assert value(lobby.rooms.load_rooms())[0].seq == 7
        assert value(messages.behind(LOBBY, 5)).changed
        for nothing in ("m1", "m8"):
            assert value(messages.select_answer(LOBBY, nothing, 9)) == ()
        assert value(lobby.rooms.load_rooms())[0].seq == 7
        assert value(messages.find_answers(LOBBY, "m7")) == ()
        with pytest.raises(RoomMissing):
            value(messages.select_answer(DEN, "m1", 1))

    @staticmethod
    def chosen(stores: Stores) -> dict[int, bool]:
        stored = value(stores.messages.last_messages(LOBBY, 99))
        return {m.seq: m.selected for m in stored if m.selected is not None}

    def test_a_request_is_opened_and_closed_with_a_message(self, lobby: Stores) -> None:
        value(lobby.messages.add_message(message(1), 9, opens=opened(4)))
        assert value(lobby.requests.load_requests()) == (opened(4),)
        value(lobby.messages.add_message(message(2), 9, opens=opened(5)))
        value(lobby.messages.add_message(message(3), 9, closes=[4, 9]))
        assert value(lobby.requests.load_requests()) == (opened(5),)

    def test_what_is_closed_while_it_is_being_stored_is_not_open(self, lobby: Stores) -> None:
        adding = lobby.messages.add_message(message(1), 9, opens=opened(4))
        value(lobby.requests.close_requests([4]))
        assert adding.called
        assert value(lobby.requests.load_requests()) == ()

    def test_a_message_that_is_not_stored_opens_nothing(self, lobby: Stores) -> None:
        value(lobby.messages.add_message(message(1), 9))
        with pytest.raises(BadParameter):
            value(lobby.messages.add_message(message(1), 9, opens=opened(4)))
        assert value(lobby.requests.load_requests()) == ()

    def test_finds_a_question_by_its_id_then_by_its_words(self, lobby: Stores) -> None:
        for stored in (
            message(1, text="hi", request_id="r1"),
            message(2, text="hi", request_id="r2"),
            message(3, text="hi", request_id="r1", identity="bob"),
            message(4, text="hi", request_id="r1", role="assistant"),
            message(5, text="ho", request_id="r1"),
        ):
            value(lobby.messages.add_message(stored, 9))
        asked = [("r1", "hi"), ("r2", "ho"), ("r9", "hi"), ("r9", "")]
        found = [value(lobby.messages.find_question(LOBBY, "ann", *each, 9)) for each in asked]
        assert [None if each is None else each.seq for each in found] == [5, 2, 2, None]
        for limit, seqs in ((3, [5, 5]), (4, [5, 5]), (1, [5, 5])):
            found = [
                value(lobby.messages.find_question(LOBBY, "ann", *each, limit)) for each in (("r1", ""), ("", "ho"))
            ]
            assert [None if each is None else each.seq for each in found] == seqs
        limits = [value(lobby.messages.find_question(LOBBY, "ann", "r2", "", limit)) for limit in (3, 4, 5)]
        assert [None if each is None else each.seq for each in limits] == [None, 2, 2], "among the newest"

    def test_finds_outputs_without_their_words(self, lobby: Stores) -> None:
        value(lobby.rooms.save_room(room("den")))
        said = evolve(FULL, role="assistant", output_id="o1", reasoning="hm")
        value(lobby.messages.add_message(said, 9))
        later: dict[str, Any] = {"role": "assistant", "timestamp": "2026-01-02T03:04:07.000Z"}
        value(lobby.messages.add_message(message(1, room="den", output_id="o1", **later), 9))
        value(lobby.messages.add_message(message(8, output_id="o2", **later), 9))
        value(lobby.messages.add_message(message(9, output_id="o3", **later), 9))

        def found(rooms: list[str], *output_ids: str) -> list[Message]:
            return list(value(lobby.messages.find_outputs(rooms, output_ids)))

        bare = evolve(said, text="", data=None, target=None, extra={}, reasoning="")
        assert found([LOBBY], "o1") == [bare]
        assert [(each.room_id, each.output_id) for each in found([LOBBY], "o1", "o2")] == [(LOBBY, "o2"), (LOBBY, "o1")]
        assert [each.room_id for each in found([LOBBY, DEN], "o1")] == [DEN, LOBBY], "newest first"
        assert [each.room_id for each in found([DEN, LOBBY], "o1")] == [DEN, LOBBY]
        assert found([DEN], "o2", "o9") == found([], "o1") == found([LOBBY]) == []

    def test_two_rooms_do_not_mix(self, lobby: Stores) -> None:
        value(lobby.rooms.save_room(room("den")))
        value(lobby.messages.add_message(message(1), 1))
        value(lobby.messages.add_message(message(1, room="den"), 1))
        assert value(lobby.messages.last_messages(DEN, 9)) == (message(1, room="den"),)
        assert value(lobby.messages.last_messages(LOBBY, 9)) == (message(1),)

    def test_an_update_keeps_seq_and_place(self, lobby: Stores) -> None:
        for number in (1, 7, 8):
            value(lobby.messages.add_message(message(number), 9))
        value(lobby.messages.update_message(evolve(FULL, seq=999), 12))
        assert value(lobby.messages.last_messages(LOBBY, 9)) == (
            message(1),
            evolve(FULL, selected=None, name=None),
            message(8),
        )
        assert value(lobby.rooms.load_rooms())[0].seq == 12

    @pytest.mark.parametrize("changed", [{"text": "b"}, {"data": 5}, {"extra": {"a": 1}}, {"last_edited": "now"}])
    def test_an_update_of_what_is_another_by_now_changes_nothing(self, lobby: Stores, changed: dict[str, Any]) -> None:
        first = message(1, data={"a": [1]}, extra={"b": 2, "a": 1}, last_edited="then")
        value(lobby.messages.add_message(first, 9))
        assert value(lobby.messages.update_message(evolve(first, **changed), 12, first)) is True
        assert value(lobby.messages.update_message(evolve(first, text="late"), 13, first)) is False
        assert value(lobby.messages.last_messages(LOBBY, 9)) == (evolve(first, **changed),)
        assert value(lobby.messages.update_message(message(2), 14, message(2))) is False
        assert value(lobby.rooms.load_rooms())[0].seq == 12

    def test_an_update_of_nothing_fails_and_changes_nothing(self, lobby: Stores) -> None:
        with pytest.raises(NotFound):
            value(lobby.messages.update_message(message(1), 12))
        assert value(lobby.rooms.load_rooms())[0].seq == 0

    def test_deletes_what_there_is_and_says_what_it_was(self, lobby: Stores) -> None:
        for number in (1, 2, 3):
            value(lobby.messages.add_message(message(number), 9))
        assert value(lobby.messages.delete_messages(LOBBY, ["m3", "nope", "m1", "m3"], 4)) == ("m3", "m1")
        assert value(lobby.messages.last_messages(LOBBY, 9)) == (message(2),)
        assert value(lobby.rooms.load_rooms())[0].seq == 4
        assert value(lobby.messages.delete_messages(LOBBY, [], 5)) == ()

    @pytest.mark.parametrize(
        ("requests", "responses", "left"),
        [(True, False, [2]), (False, True, [1, 3]), (True, True, []), (False, False, [1, 2, 3])],
    )
    def test_clears_by_kind(self, lobby: Stores, requests: bool, responses: bool, left: list[int]) -> None:
        for number, role in ((1, "guest"), (2, "assistant"), (3, "system")):
            value(lobby.messages.add_message(message(number, role=role), 9))
        assert value(lobby.messages.clear_messages(LOBBY, requests, responses, 5)) == 3 - len(left)
        assert [m.seq for m in value(lobby.messages.last_messages(LOBBY, 9))] == left
        assert value(lobby.rooms.load_rooms())[0].seq == 5

    def test_finds_by_message_id_then_by_the_first_response_id(self, lobby: Stores) -> None:
        by_id = message(3, message_id="x")
        for stored in (message(1, response_id="x"), message(2, response_id="y"), by_id, message(4, response_id="y")):
            value(lobby.messages.add_message(stored, 9))
        assert value(lobby.messages.find_message(LOBBY, "x")) == by_id
        assert value(lobby.messages.find_message(LOBBY, "y")) == message(2, response_id="y")
        assert value(lobby.messages.find_message(LOBBY, "z")) is None

    def test_finds_those_of_some_that_are_stored(self, lobby: Stores) -> None:
        for number in (1, 2, 3):
            value(lobby.messages.add_message(message(number, response_id=f"a{number}"), 9))
        wanted = ["m3", "nope", "m1", "m3", "a2", "'"]
        assert value(lobby.messages.find_messages(LOBBY, wanted)) == (
            message(1, response_id="a1"),
            message(3, response_id="a3"),
        )
        assert value(lobby.messages.find_messages(LOBBY, [])) == ()
        assert value(lobby.messages.find_messages(DEN, ["m1"])) == ()

    def test_pages(self, lobby: Stores) -> None:
        for number in range(1, 8):
            value(lobby.messages.add_message(message(number), 99))
        messages = lobby.messages
        assert [m.seq for m in value(messages.last_messages(LOBBY, 3))] == [5, 6, 7]
        assert [m.seq for m in value(messages.last_messages(LOBBY, 0))] == []
        for seq, limit, expected in ((2, 3, [3, 4, 5]), (4, 3, [5, 6, 7]), (4, 2, [5, 6]), (7, 3, [])):
            page, more = value(messages.messages_after(LOBBY, seq, limit))
            assert ([m.seq for m in page], more) == (expected, bool(expected) and expected[-1] < 7)
        for before, limit, seqs, more in (
            (None, 3, [5, 6, 7], True),
            (5, 3, [2, 3, 4], True),
            (4, 3, [1, 2, 3], False),
            (2, 3, [1], False),
            (1, 3, [], False),
            (99, 7, [1, 2, 3, 4, 5, 6, 7], False),
        ):
            page, older = value(messages.messages_before(LOBBY, before, limit))
            assert ([m.seq for m in page], older) == (seqs, more)
        assert value(messages.messages_before(DEN, None, 3)) == ((), False)

    def test_reads_no_more_than_fits_but_always_one(self, lobby: Stores) -> None:
        """A weight is text, data, further members and reasoning; a room of long messages must not be read whole."""
        written: tuple[dict[str, Any], ...] = (
            {"text": "x" * 9},
            {"text": "x" * 9, "data": "1234567"},
            {"text": "x" * 9, "extra": {"a": "b"}},
            {"text": "\u20ac" * 2, "reasoning": "\u20ac"},
        )
        for number, members in enumerate(written, start=1):
            value(lobby.messages.add_message(message(number, **members), 99))
        messages = lobby.messages
        assert value(messages.message_weights(LOBBY)) == (9, 18, 18, 9)
        assert value(messages.message_weights("nowhere")) == ()
        for limit, max_bytes, newest, oldest in (
            (9, 45, [2, 3, 4], [1, 2, 3]),
            (9, 44, [3, 4], [1, 2]),
            (2, 99, [3, 4], [1, 2]),
            (9, 1, [4], [1]),
            (9, None, [1, 2, 3, 4], [1, 2, 3, 4]),
        ):
            assert [m.seq for m in value(messages.last_messages(LOBBY, limit, max_bytes))] == newest
            page, more = value(messages.messages_after(LOBBY, 0, limit, max_bytes))
            assert ([m.seq for m in page], more) == (oldest, len(oldest) < 4)


class TestState:
    def test_provides_the_port(self, stores: Stores) -> None:
        assert verifyObject(IStateStore, stores.state)

    def test_nothing_was_ever_stored(self, stores: Stores) -> None:
        assert value(stores.state.load_state()) == HubState()

    def test_keeps_each_member(self, stores: Stores) -> None:
        state = stores.state
        assert value(state.save_policy(ConnectionPolicy.MANUAL)) is None
        assert value(state.save_default_mode(RequestMode.SEPARATE)) is None
        assert value(state.save_assignments({"id-1": ("X", "Y"), "id-2": ()})) is None
        assert value(state.save_assignments_by_name({"lounge": ("X",)})) is None
        assert value(state.save_extensions(("X", "Y"))) is None
        assert value(state.save_keys_imported("2023-11-14T22:13:20.000Z")) is None
        assert value(state.save_running_seconds(86_400.5)) is None
        assert value(state.load_state()) == HubState(
            policy=ConnectionPolicy.MANUAL,
            default_mode=RequestMode.SEPARATE,
            assignments={"id-1": ("X", "Y"), "id-2": ()},
            assignments_by_name={"lounge": ("X",)},
            extensions=("X", "Y"),
            keys_imported="2023-11-14T22:13:20.000Z",
            running_seconds=86_400.5,
        )

    def test_replaces(self, stores: Stores) -> None:
        value(stores.state.save_assignments({"id-1": ("X",)}))
        value(stores.state.save_assignments({"id-2": ("Y",)}))
        assert value(stores.state.load_state()).assignments == {"id-2": ("Y",)}

    def test_a_value_cannot_be_changed_from_outside(self, stores: Stores) -> None:
        mutable = {"id-1": ("X",)}
        value(stores.state.save_assignments(mutable))
        mutable["id-2"] = ("Y",)
        assert value(stores.state.load_state()).assignments == {"id-1": ("X",)}


class TestRequests:
    def test_provides_the_port(self, stores: Stores) -> None:
        assert verifyObject(IRequestStore, stores.requests)

    def test_tells_which_of_the_last_messages_are_answers(self, lobby: Stores) -> None:
        assert value(lobby.requests.load_answered(9)) == ()
        value(lobby.rooms.save_room(room("den")))
        roles = ["assistant", "master", "assistant", "system", "assistant"]
        for number, role in enumerate(roles, start=1):
            ids = {"request_id": f"r{number}", "output_id": f"o{number}" if number < 5 else None}
            place = "lobby" if number < 5 else "den"
            value(lobby.messages.add_message(message(number, place, role=role, timestamp=f"{number}", **ids), 9))
        answers = (Answered("ann", "r1", "o1"), Answered("ann", "r3", "o3"), Answered("ann", "r5", None))
        assert [value(lobby.requests.load_answered(limit)) for limit in (9, 3, 1)] == [
            answers,
            answers[1:],
            answers[2:],
        ]

    def test_keeps_all_of_it_in_the_order_of_the_keys(self, lobby: Stores) -> None:
        full = opened(
            2,
            role=Role.MANAGER,
            state="forwarded",
            ask=Ask(
                request_id="r2",
                text="",
                targets=("a", "b"),
                request_type="regenerateMessage",
                action="swipe",
                streaming=[True],
                character="c.png",
                failover=True,
                message_id="a7",
            ),
            thread="bob",
            grows="m0",
            author="x",
        )
        for each in (opened(3), full, opened(1)):
            value(lobby.requests.add_request(each))
        assert value(lobby.requests.load_requests()) == (opened(1), full, opened(3))
        value(lobby.requests.mark_requests([1, 2, 9], "forwarded"))
        value(lobby.requests.close_requests([2, 9]))
        assert value(lobby.requests.load_requests()) == (opened(1, state="forwarded"), opened(3))

    def test_goes_with_the_room(self, lobby: Stores) -> None:
        value(lobby.requests.add_request(opened(1)))
        value(lobby.rooms.delete_room(LOBBY))
        assert value(lobby.requests.load_requests()) == ()
        with pytest.raises(RoomMissing):
            value(lobby.requests.add_request(opened(2)))

    def test_keeps_notices_until_they_are_dropped(self, lobby: Stores) -> None:
        value(lobby.requests.add_request(opened(1)))
        value(lobby.requests.add_request(opened(2)))
        for key in (7, 6):
            value(lobby.requests.add_notice(notice(key), [1] if key == 6 else []))
        assert value(lobby.requests.load_requests()) == (opened(2),)
        assert value(lobby.requests.load_notices()) == (notice(6), notice(7))
        value(lobby.requests.drop_notices([6, 99]))
        assert value(lobby.requests.load_notices()) == (notice(7),)


class TestMarks:
    def test_provides_the_port(self, stores: Stores) -> None:
        assert verifyObject(IMarkStore, stores.marks)

    def test_keeps_marks_of_rooms_that_exist(self, lobby: Stores) -> None:
        value(lobby.rooms.save_room(room("den")))
        assert value(lobby.marks.save_marks("ann", {LOBBY: 3, "nowhere": 1, DEN: 0})) is None
        assert value(lobby.marks.save_marks("bob", {LOBBY: 5})) is None
        assert value(lobby.marks.load_marks()) == {"ann": {LOBBY: 3, DEN: 0}, "bob": {LOBBY: 5}}

    def test_replaces_and_forgets(self, lobby: Stores) -> None:
        value(lobby.marks.save_marks("ann", {LOBBY: 3}))
        value(lobby.rooms.save_room(room("den")))
        value(lobby.marks.save_marks("ann", {DEN: 4}))
        assert value(lobby.marks.load_marks()) == {"ann": {DEN: 4}}
        value(lobby.marks.save_marks("ann", {}))
        assert value(lobby.marks.load_marks()) == {}

    def test_goes_with_the_room(self, lobby: Stores) -> None:
        value(lobby.marks.save_marks("ann", {LOBBY: 3}))
        value(lobby.rooms.delete_room(LOBBY))
        assert value(lobby.marks.load_marks()) == {}


class TestOpenOutputs:
    ANSWER = evolve(
        FULL,
        seq=0,
        text="",
        data=None,
        request_type="newMessage",
        target=None,
        extra={},
        name=None,
        reasoning="",
        origin="",
    )

    def piece(self, part: int, text: str, output: str = "o1") -> OpenText:
        answer = evolve(self.ANSWER, output_id=output, message_id=f"of {output}") if part == 0 else None
        return OpenText(output, part, text, answer)

    def texts(self, stores: Stores) -> list[tuple[str | None, str]]:
        return [(m.output_id, m.text) for m in value(stores.open_outputs.load_texts())]

    def test_provides_the_port(self, stores: Stores) -> None:
        assert verifyObject(IOpenOutputStore, stores.open_outputs)
        assert value(stores.open_outputs.load_texts()) == ()

    def test_pieces_are_one_text_and_whose_answer_it_is_stays_known(self, stores: Stores) -> None:
        for part, text in enumerate(("one", " tw😀", " three")):
            assert value(stores.open_outputs.append_texts([self.piece(part, text)])) is None
        (found,) = value(stores.open_outputs.load_texts())
        whole = "one tw😀 three"
        assert found == evolve(
            self.ANSWER,
            output_id="o1",
            message_id="of o1",
            text=whole,
            data=whole,
            streamed=True,
            failed=True,
            timestamp=found.timestamp,
            last_edited=found.last_edited,
        )

    def test_reasoning_is_kept_beside_the_text(self, stores: Stores) -> None:
        first = evolve(self.piece(0, "so"), reasoning=True)
        value(stores.open_outputs.append_texts([first, OpenText("o1", 0, "yes")]))
        value(stores.open_outputs.append_texts([OpenText("o1", 1, ".", None, True), self.piece(1, "!")]))
        (found,) = value(stores.open_outputs.load_texts())
        assert (found.reasoning, found.text, found.data, found.partial) == ("so.", "yes!", "yes!", True)
        assert found.character == FULL.character
        value(stores.open_outputs.append_texts([evolve(self.piece(0, "anew"), reasoning=True)]))
        (found,) = value(stores.open_outputs.load_texts())
        assert (found.reasoning, found.text) == ("anew", "")
        value(stores.open_outputs.append_texts([OpenText("o2", 0, "", evolve(self.ANSWER, character=None))]))
        assert value(stores.open_outputs.load_texts())[1].character is None

    def test_several_at_once_of_which_one_is_over_and_one_begins_anew(self, stores: Stores) -> None:
        value(stores.open_outputs.append_texts([self.piece(0, "a", "o1"), self.piece(0, "b", "o2")]))
        value(stores.open_outputs.append_texts([self.piece(1, "a", "o1"), self.piece(0, "c", "o3")]))
        value(stores.open_outputs.append_texts([self.piece(0, "B", "o2")]))
        assert value(stores.open_outputs.forget_texts("o1")) is None
        assert value(stores.open_outputs.forget_texts("unknown")) is None
        assert sorted(self.texts(stores), key=str) == [("o2", "B"), ("o3", "c")]


class TestWhatLasts:
    """A42."""

    def test_a_room_keeps_its_heir_and_since_when_it_is_empty(self, stores: Stores) -> None:
        vacant = room("lobby", said=True, heir="ann", vacant_since=12.5)
        value(stores.rooms.save_room(vacant))
        assert value(stores.rooms.load_rooms()) == (vacant,)
        value(stores.rooms.save_room(room("lobby", said=True, members={"ann": Role.MASTER})))
        (back,) = value(stores.rooms.load_rooms())
        assert (back.heir, back.vacant_since) == (None, None)

    def test_what_somebody_says_makes_it_a_room_where_something_was_said(self, lobby: Stores) -> None:
        value(lobby.messages.add_message(message(1, role="system"), 10))
        assert not value(lobby.rooms.load_rooms())[0].said
        value(lobby.messages.add_message(message(2), 10))
        value(lobby.messages.add_message(message(3, role="system"), 10))
        assert value(lobby.rooms.load_rooms())[0].said
        value(lobby.rooms.save_room(room("lobby", created_at=1.0)))
        assert value(lobby.rooms.load_rooms())[0].said, "who saves it may not know yet"

    def test_provides_the_port(self, stores: Stores) -> None:
        assert verifyObject(IResidentStore, stores.residents)

    def test_residents_come_back_as_they_were(self, stores: Stores) -> None:
        residents = stores.residents
        assert value(residents.load_residents()) == {}
        value(residents.save_resident("ann-1", Resident("ann")))
        value(residents.save_resident("bob", Resident("bob", 3.5)))
        assert value(residents.load_residents()) == {"ann-1": Resident("ann"), "bob": Resident("bob", 3.5)}
        value(residents.save_resident("bob", Resident("bob")))
        value(residents.remove_resident("ann-1"))
        value(residents.remove_resident("ann-1"))
        assert value(residents.load_residents()) == {"bob": Resident("bob")}


class TestSpent:
    """Budgets and ceilings (B19)."""

    def test_provides_the_port(self, stores: Stores) -> None:
        assert verifyObject(ISpentStore, stores.spent)

    def test_it_comes_back_as_it_was_and_is_replaced(self, stores: Stores) -> None:
        spent = stores.spent
        assert value(spent.load_spent()) == ()
        ann, key, other = (
            Spent("x", "a 😀", 5.5, 1, 10**12),
            Spent("y", "a 😀", 4.0, 0, 7),
            Spent("x", "all", 5.5, 2, 3),
        )
        value(spent.save_spent([ann, key, other], 0.0, 10))
        assert value(spent.load_spent()) == (key, ann, other)
        again = Spent("x", "a 😀", 6.0, 2, 11)
        value(spent.save_spent([again], 0.0, 10))
        assert value(spent.load_spent()) == (key, other, again)

    def test_days_that_are_over_go_and_so_many_stay(self, stores: Stores) -> None:
        days = [Spent("x", str(number), float(number), 1, 1) for number in range(6)]
        value(stores.spent.save_spent(days, 1.0, 10))
        assert value(stores.spent.load_spent()) == tuple(days[2:])
        value(stores.spent.save_spent([], 0.0, 3))
        assert value(stores.spent.load_spent()) == tuple(days[3:])


def delivery(number: int, message_id: str = "", **members: Any) -> Delivery:
    told: dict[str, Any] = {"webhook": "bot", "event": "e", "at": "t", "since": float(number), "most": 9}
    told["room_id"] = LOBBY if message_id else ""
    return Delivery(**{**told, "id": f"msg_{number}", "message_id": message_id, **members})


class TestWebhooks:
    def test_provides_the_port(self, stores: Stores) -> None:
        assert verifyObject(IWebhookStore, stores.webhooks)
        assert value(stores.webhooks.queue_of("bot")) == Queue(0)

    def test_what_is_told_of_no_room_comes_back_in_order(self, stores: Stores) -> None:
        first, second = (delivery(number, data={"a": [1, None, "\u20ac"]}) for number in (1, 2))
        assert value(stores.webhooks.add_deliveries([first, second])) == ()
        assert value(stores.webhooks.queue_of("bot")) == Queue(2, Due(first))
        assert value(stores.webhooks.drop_delivery("msg_1")) is None
        assert value(stores.webhooks.drop_delivery("msg_1")) is None
        assert value(stores.webhooks.queue_of("bot")) == Queue(1, Due(second))
        assert value(stores.webhooks.queue_of("other")) == Queue(0)

    def test_it_is_queued_with_its_message(self, lobby: Stores) -> None:
        said = message(1, text="hello", role="guest")
        told = delivery(1, "m1")
        assert value(lobby.messages.add_message(said, 9, tells=[told])) == ()
        assert value(lobby.webhooks.queue_of("bot")) == Queue(1, Due(told, "lobby", said))

    def test_it_is_not_where_its_message_is_not(self, lobby: Stores) -> None:
        value(lobby.messages.add_message(message(1), 9))
        with pytest.raises(BadParameter):
            value(lobby.messages.add_message(message(1), 9, tells=[delivery(1, "m1")]))
        with pytest.raises(RoomMissing):
            value(lobby.messages.add_message(message(1, "den"), 9, tells=[delivery(2, "m1", room_id=DEN)]))
        assert value(lobby.webhooks.queue_of("bot")) == Queue(0)

    def test_it_tells_the_text_of_the_moment(self, lobby: Stores) -> None:
        value(lobby.messages.add_message(message(1, text="one"), 9, tells=[delivery(1, "m1")]))
        value(lobby.messages.update_message(message(1, text="two"), 2))
        first = value(lobby.webhooks.queue_of("bot")).first
        assert first is not None and first.message is not None
        assert first.message.text == "two"

    def test_the_queue_forgets_what_is_deleted(self, lobby: Stores) -> None:
        for number in range(1, 7):
            said = message(number, role="assistant" if number == 3 else "guest")
            value(lobby.messages.add_message(said, 5, tells=[delivery(number, f"m{number}")]))

        def waiting() -> tuple[int, str]:
            length, first = value(lobby.webhooks.queue_of("bot"))
            return length, "" if first is None else first.delivery.id

        assert waiting() == (5, "msg_2")  # the room keeps no more than that
        value(lobby.messages.delete_messages(LOBBY, ["m2", "m5"], 7))
        assert waiting() == (3, "msg_3")
        value(lobby.messages.clear_messages(LOBBY, False, True, 8))
        assert waiting() == (2, "msg_4")
        value(lobby.rooms.delete_room(LOBBY))
        assert waiting() == (0, "")

    def test_the_queue_forgets_a_room_that_is_made_again(self, lobby: Stores) -> None:
        value(lobby.messages.add_message(message(1), 9, tells=[delivery(1, "m1")]))
        value(lobby.webhooks.add_deliveries([delivery(2, data={}, room_id=LOBBY)]))
        value(lobby.rooms.save_room(room("lobby", id="another")))
        assert value(lobby.webhooks.queue_of("bot")) == Queue(0)

    def test_what_is_told_beside_its_message(self, lobby: Stores) -> None:
        value(lobby.messages.add_message(message(1), 9))
        known, unknown = delivery(1, "m1", data={"a": 1}), delivery(2, "m2", data={"a": 2})
        nowhere, nothing = delivery(3, "m1", data={}, room_id=DEN), delivery(4, "m2")
        value(lobby.webhooks.add_deliveries([known, unknown, nowhere, nothing]))
        assert value(lobby.webhooks.queue_of("bot")) == Queue(2, Due(known, "lobby"))
        value(lobby.messages.delete_messages(LOBBY, ["m1"], 2))
        assert value(lobby.webhooks.queue_of("bot")) == Queue(1, Due(evolve(unknown, message_id=""), "lobby"))

    def test_a_full_queue_takes_no_more(self, lobby: Stores) -> None:
        told = [delivery(number, data={}, most=2) for number in range(1, 5)]
        other = delivery(9, data={}, webhook="other", most=1)
        assert value(lobby.webhooks.add_deliveries([*told, other])) == ("bot",)
        assert value(lobby.webhooks.queue_of("bot")).length == 2
        assert value(lobby.messages.add_message(message(1), 9, tells=[delivery(5, "m1", most=2)])) == ("bot",)
        assert value(lobby.messages.find_message(LOBBY, "m1")) == message(1)
        value(lobby.webhooks.drop_delivery("msg_1"))
        assert value(lobby.webhooks.add_deliveries([delivery(6, data={}, most=2)])) == ()

    def test_what_is_old_is_dropped(self, stores: Stores) -> None:
        value(stores.webhooks.add_deliveries([delivery(number, data={}) for number in range(1, 5)]))
        value(stores.webhooks.add_deliveries([delivery(0, data={}, webhook="other")]))
        assert value(stores.webhooks.drop_older("bot", 3.0)) == 2
        assert value(stores.webhooks.drop_older("bot", 3.0)) == 0
        assert value(stores.webhooks.queue_of("bot")).length == 2
        assert value(stores.webhooks.queue_of("other")).length == 1

    def test_only_what_is_configured_is_kept(self, stores: Stores) -> None:
        value(stores.webhooks.add_deliveries([delivery(n, data={}, webhook=name) for n, name in enumerate("abca")]))
        assert value(stores.webhooks.keep_webhooks(["a", "'c'", "c"])) == 1
        assert [value(stores.webhooks.queue_of(name)).length for name in "abc"] == [2, 0, 1]
        assert value(stores.webhooks.keep_webhooks([])) == 3
