"""Schema 2 on a home of before: rooms get ids, old answers their askers, nothing is lost (A16, A17, A24)."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from time import monotonic

import pytest

from deferreds import value
from newage.domain.model import PERMANENT, Message, RequestMode, Role, Room, RoomKind, Term
from newage.storage.database import Database
from newage.storage.migrations import migrations, open_file
from newage.storage.stores import Stores, sql_stores

# As version 0.1 wrote them.
ADD_ROOM = "INSERT INTO room (name, kind, mode, seq, created_at, messages) VALUES (?, ?, ?, ?, ?, ?)"
ADD_MEMBER = "INSERT INTO member (room_id, position, identity, role) VALUES (?, ?, ?, ?)"
ADD_MUTE = "INSERT INTO mute (room_id, identity, until) VALUES (?, ?, ?)"
ADD_MARK = "INSERT INTO mark (identity, room_id, seq) SELECT ?, id, ? FROM room WHERE name = ?"
ADD_MESSAGE = """
    INSERT INTO message (room_id, seq, message_id, identity, client_id, role, text, data, timestamp, request_id,
        response_id, output_id, target, request_type, streamed, failed, last_edited, extra)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def row(room: int, seq: int, identity: str, role: str, request_id: str | None) -> tuple[object, ...]:
    answers = role == "assistant"
    response_id, output_id = (f"a{seq}", f"o{seq}") if answers else (None, None)
    said = (f"m{seq}", identity, identity.partition("-")[0], role, f"text {seq}", b'"x"', "2026-01-02T03:04:05.678Z")
    return (room, seq, *said, request_id, response_id, output_id, None, "newMessage", answers, False, None, None)


def of_version_1(path: Path, messages: Iterable[tuple[object, ...]]) -> None:
    """Two rooms, the first with members, a mute, a mark and these messages."""
    with closing(open_file(path, 1.0, migrations()[:1])) as old:
        old.execute("BEGIN")
        old.execute(ADD_ROOM, ("lobby", "group", "Separate", 9, 11.0, 0))
        old.execute(ADD_ROOM, ("den", "personal", "Default", 0, 12.0, 0))
        old.executemany(ADD_MEMBER, [(1, 0, "ann", 3), (1, 1, "bob-2", 0)])
        old.executemany(ADD_MUTE, [(1, "bob-2", 4e9), (1, "over", 1e9), (1, "ever", PERMANENT)])
        old.execute(ADD_MARK, ("bob-2", 4, "lobby"))
        old.executemany(ADD_MESSAGE, messages)
        old.execute("UPDATE room SET messages = (SELECT count(*) FROM message WHERE room_id = room.id)")
        old.execute("COMMIT")


@pytest.fixture
def upgraded(tmp_path: Path, make_database: Callable[..., Database]) -> Callable[..., Stores]:
    def upgrade(*messages: tuple[object, ...]) -> Stores:
        of_version_1(tmp_path / "newage.sqlite3", messages)
        return sql_stores(make_database())

    return upgrade


def test_rooms_get_ids_of_their_own_and_keep_all_they_had(upgraded: Callable[..., Stores]) -> None:
    stores = upgraded(row(1, 1, "ann", "master", None))
    lobby, den = value(stores.rooms.load_rooms())
    assert lobby == Room(
        name="lobby",
        id=lobby.id,
        mode=RequestMode.SEPARATE,
        members={"ann": Role.MASTER, "bob-2": Role.GUEST},
        muted=lobby.muted,
        seq=9,
        created_at=11.0,
        said=True,
    )
    assert den == Room(name="den", id=den.id, kind=RoomKind.PERSONAL, created_at=12.0)
    assert lobby.id != den.id
    for room in (lobby, den):
        assert uuid.UUID(room.id).version == 4
        assert str(uuid.UUID(room.id)) == room.id
        assert uuid.UUID(room.id).variant == uuid.RFC_4122
    assert value(stores.marks.load_marks()) == {"bob-2": {lobby.id: 4}}
    assert [m.room_id for m in value(stores.messages.last_messages(lobby.id, 9))] == [lobby.id]
    value(
        stores.messages.add_message(
            Message(message_id="new", room="lobby", room_id=lobby.id, seq=10, identity="ann"), 9
        )
    )
    assert len(value(stores.messages.last_messages(lobby.id, 9))) == 2


def test_of_a_mute_is_left_what_was_left_when_the_file_was_upgraded(upgraded: Callable[..., Stores]) -> None:
    lobby, _ = value(upgraded().rooms.load_rooms())
    left = 4e9 - datetime.now(UTC).timestamp()
    mute = lobby.muted["bob-2"]
    assert mute.seconds == pytest.approx(left, abs=60)
    assert lobby.muted == {
        "bob-2": Term(4e9, mute.seconds),
        "over": Term(1e9, 0.0),
        "ever": Term(PERMANENT, inf),
    }


def test_an_old_answer_belongs_to_the_newest_earlier_question_of_its_request(upgraded: Callable[..., Stores]) -> None:
    stores = upgraded(
        row(1, 1, "ann", "master", "r1"),
        row(1, 2, "bob-2", "guest", "r1"),  # the same id, used again
        row(1, 3, "SillyTavern", "assistant", "r1"),
        row(1, 4, "ann", "master", "r1"),  # and once more, after the answer
        row(1, 5, "SillyTavern", "assistant", "gone"),  # its question was deleted
        row(1, 6, "SillyTavern", "assistant", None),
        row(1, 7, "SillyTavern", "assistant", "r1"),
        row(1, 8, "System", "system", None),
        row(2, 9, "den", "master", "r2"),  # of another room
        row(1, 9, "SillyTavern", "assistant", "r2"),
    )
    lobby = value(stores.rooms.load_rooms())[0]
    asked = {m.seq: (m.asker, m.question_id) for m in value(stores.messages.last_messages(lobby.id, 99))}
    nobody = (None, None)
    assert asked == {
        1: nobody,
        2: nobody,
        3: ("bob-2", "m2"),
        4: nobody,
        5: nobody,
        6: nobody,
        7: ("ann", "m4"),
        8: nobody,
        9: nobody,
    }


def test_the_old_file_stands_beside_the_new_one(tmp_path: Path, upgraded: Callable[..., Stores]) -> None:
    upgraded(row(1, 1, "ann", "master", "r1"))
    with closing(sqlite3.connect(tmp_path / "newage.sqlite3.v1.bak")) as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (1,)
        assert copy.execute("SELECT identity FROM message").fetchall() == [("ann",)]
    with closing(open_file(tmp_path / "newage.sqlite3.v1.bak", 1.0, migrations()[:1])) as restored:
        assert restored.execute("SELECT count(*) FROM member").fetchone() == (2,)


def test_a_hundred_thousand_messages_take_seconds(tmp_path: Path) -> None:
    """Without an index each answer would look through all: 2.5 thousand million rows, hours."""
    path = tmp_path / "large.sqlite3"

    def messages() -> Iterable[tuple[object, ...]]:
        for pair in range(50_000):
            yield row(1, 2 * pair + 1, "ann", "master", f"r{pair}")
            yield row(1, 2 * pair + 2, "SillyTavern", "assistant", f"r{pair}")

    of_version_1(path, messages())
    begun = monotonic()
    with closing(open_file(path, 1.0)) as new:
        taken = monotonic() - begun
        (answered,) = new.execute("SELECT count(*) FROM message WHERE asker = 'ann' AND question_id <> ''").fetchone()
    assert answered == 50_000
    assert taken < 15  # measured: below one second
