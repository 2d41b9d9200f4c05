"""Rooms of very many messages (A36): pages, weights and points in time are found without reading the room."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from deferreds import SteppedWorkers, value
from newage.domain.history import KEPT_CHANGES, Behind
from newage.domain.model import Message, Room
from newage.storage import sql
from newage.storage.database import Database
from newage.storage.stores import Stores, memory_stores, sql_stores

MANY = 10_000
ROOM = Room(name="hall", id="id of hall")


def message(seq: int, **members: Any) -> Message:
    return Message(
        **{"message_id": f"m{seq}", "room": "hall", "room_id": ROOM.id, "seq": seq, "identity": "ann", **members}
    )


@pytest.fixture
def hall(stores: Stores) -> Stores:
    value(stores.rooms.save_room(ROOM))
    return stores


def seqs(messages: tuple[Message, ...]) -> list[int]:
    return [each.seq for each in messages]


def plan_of(database: Database, statement: str, values: tuple[object, ...]) -> str:
    def explain(connection: sqlite3.Connection) -> str:
        return "\n".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values))

    plan: str = value(database.read(explain))
    return plan


def test_ten_thousand_messages_are_paged_backwards_while_they_change(make_database: Callable[..., Database]) -> None:
    database = make_database()
    stores = sql_stores(database)
    value(stores.rooms.save_room(ROOM))

    def fill(connection: sqlite3.Connection) -> None:
        rows = [
            (1, n, f"m{n}", *sql.message_values(message(n, text="x" * 200)), None, None) for n in range(1, MANY + 1)
        ]
        connection.executemany(sql.ADD_MESSAGE.replace("RETURNING weight", ""), rows)

    value(database.write(fill))
    seen: list[int] = []
    before, more, pages = None, True, 0
    while more:
        page, more = value(stores.messages.messages_before(ROOM.id, before, 200))
        seen[:0] = seqs(page)
        before = page[0].seq
        pages += 1
        value(stores.messages.add_message(message(MANY + pages), 2 * MANY))
        value(stores.messages.delete_messages(ROOM.id, [f"m{before - 1}", f"m{before + 1}"], MANY))
    assert len(set(seen)) == len(seen)
    gone = set(range(1, MANY + 1)) - set(seen)
    assert 0 < len(gone) < pages, "what was deleted before it was read"
    assert pages == 50


@pytest.mark.parametrize(
    ("statement", "values", "how"),
    [
        (sql.MESSAGES_BEFORE, ("r", 9, 9), "(room_id=? AND seq<?)"),
        (sql.MESSAGES_AFTER, ("r", 9, 9), "(room_id=? AND seq>?)"),
        (sql.BEFORE_SELECTED, ("r", 9, 9), "(room_id=? AND seq<?)"),
        (sql.WEIGHTS, ("r",), "COVERING INDEX message_weight (room_id=?)"),
        (sql.LAST_SEQ, ("r", "2026"), "COVERING INDEX message_weight (room_id=?)"),
        (sql.BEHIND, ("r", 9), "COVERING INDEX"),
        (sql.OLDEST, (1, 9), "COVERING INDEX message_weight (room_id=?)"),
    ],
)
def test_no_query_reads_more_than_it_shows(
    make_database: Callable[..., Database], statement: str, values: tuple[object, ...], how: str
) -> None:
    plan = plan_of(make_database(), statement, values)
    assert how in plan, plan
    assert "SCAN m" not in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize(
    ("statement", "values", "how"),
    [
        (sql.FIND_MESSAGES, ("r", '["m"]'), "(room_id=? AND message_id=?)"),
        (sql.FIND_RESPONSE, ("r", "a"), "INDEX message_response (room_id=? AND response_id=?)"),
        (sql.FIND_ANSWERS, ("r", "q"), "INDEX message_question (room_id=? AND question_id=?)"),
        (sql.ANSWERS, (1, "q"), "INDEX message_question (room_id=? AND question_id=?)"),
        (sql.DESELECT, (1, "q", "m", "[]"), "INDEX message_question (room_id=? AND question_id=?)"),
        (sql.RESELECT, (1, "q"), "INDEX message_question (room_id=? AND question_id=?)"),
        (sql.FIND_OUTPUTS, ('["o"]', '["r"]'), "INDEX message_output (output_id=?)"),
    ],
)
def test_what_is_asked_for_by_name_is_found_by_it(
    make_database: Callable[..., Database], statement: str, values: tuple[object, ...], how: str
) -> None:
    """Of the few that there are the order is made afterwards; an index of the order would read the whole room."""
    plan = plan_of(make_database(), statement, values)
    assert how in plan, plan
    assert "INDEX message_weight" not in plan
    assert "SCAN m" not in plan


def test_the_oldest_go_when_a_room_holds_too_many_bytes(hall: Stores) -> None:
    for seq in range(1, 5):
        value(hall.messages.add_message(message(seq, text="x" * 100), 99, keep_bytes=300))
    assert seqs(value(hall.messages.last_messages(ROOM.id, 9))) == [2, 3, 4]
    value(hall.messages.add_message(message(5, text="x" * 250), 99, keep_bytes=300))
    assert seqs(value(hall.messages.last_messages(ROOM.id, 9))) == [5]
    value(hall.messages.add_message(message(6, text="x" * 500), 99, keep_bytes=300))
    assert seqs(value(hall.messages.last_messages(ROOM.id, 9))) == [6], "one always fits"
    assert value(hall.messages.behind(ROOM.id, 4)) == Behind(1, changed=False, truncated=True)
    assert value(hall.messages.behind(ROOM.id, 5)) == Behind(1, changed=False, truncated=False)


def test_an_edit_makes_place_for_itself(hall: Stores) -> None:
    for seq in range(1, 4):
        value(hall.messages.add_message(message(seq, text="x" * 100), 99, keep_bytes=300))
    value(hall.messages.update_message(message(1, text="x" * 150), 4, keep_bytes=300))
    assert seqs(value(hall.messages.last_messages(ROOM.id, 9))) == [1, 3], "it does not go itself"
    value(hall.messages.delete_messages(ROOM.id, ["m1"], 5))
    value(hall.messages.add_message(message(6, text="x" * 200), 99, keep_bytes=300))
    assert seqs(value(hall.messages.last_messages(ROOM.id, 9))) == [3, 6], "what was deleted takes no place"
    value(hall.messages.clear_messages(ROOM.id, True, True, 7))
    value(hall.messages.add_message(message(8, text="x" * 300), 99, keep_bytes=300))
    assert seqs(value(hall.messages.last_messages(ROOM.id, 9))) == [8]


def test_what_changed_is_remembered_by_what_it_touched(hall: Stores) -> None:
    for seq in range(1, 6):
        value(hall.messages.add_message(message(seq), 99))
    value(hall.messages.update_message(message(4), 6))
    value(hall.messages.delete_messages(ROOM.id, ["m5", "m2"], 7))
    changed = [value(hall.messages.behind(ROOM.id, seq)).changed for seq in range(9)]
    assert changed == [False, False, True, True, True, True, True, False, False]
    assert value(hall.messages.behind("no such room", 3)) == Behind(0, changed=False, truncated=False)
    value(hall.messages.delete_messages(ROOM.id, ["m5"], 8))
    value(hall.messages.clear_messages(ROOM.id, False, True, 9))
    assert not value(hall.messages.behind(ROOM.id, 7)).changed, "nothing was there to be deleted"
    value(hall.messages.clear_messages(ROOM.id, True, False, 10))
    assert [value(hall.messages.behind(ROOM.id, seq)).changed for seq in (1, 9, 10)] == [True, True, False]


@pytest.mark.parametrize("kind", ["sqlite", "memory"])
def test_so_many_changes_are_remembered(
    kind: str, make_database: Callable[..., Database], writer: SteppedWorkers
) -> None:
    """Who is further behind is told that something changed: it may have."""
    hall = memory_stores() if kind == "memory" else sql_stores(make_database(writer=writer))  # one commit for many
    hall.rooms.save_room(ROOM)
    for seq in (1, 2):
        hall.messages.add_message(message(seq), 9)
    last = [hall.messages.update_message(message(2), seq) for seq in range(3, 3 + KEPT_CHANGES + 1)][-1]
    writer.flush()
    assert value(last)
    assert [value(hall.messages.behind(ROOM.id, seq)).changed for seq in (0, 1, 2, 3)] == [False, True, True, True]


def test_a_point_in_time_is_found(hall: Stores) -> None:
    for seq, second in ((1, 10), (2, 20), (3, 20), (4, 30)):
        value(hall.messages.add_message(message(seq, timestamp=f"2026-01-02T03:04:{second}.000Z"), 9))
    found = [value(hall.messages.last_seq(ROOM.id, f"2026-01-02T03:04:{second}.000Z")) for second in ("09", 10, 25, 59)]
    assert found == [0, 1, 3, 4]


def test_a_question_is_looked_for_among_the_newest(make_database: Callable[..., Database]) -> None:
    plan = plan_of(make_database(), sql.FIND_QUESTION, ("r", "r", 9, "i", "q", "t", "q"))
    assert "SEARCH m" in plan
    assert "(room_id=? AND seq>?)" in plan, plan
    assert "SCAN" not in plan.replace("SCALAR", "")
