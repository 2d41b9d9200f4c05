"""Schema 3 on a home of before: who said something, or was given a role, is kept for long from then on (A42)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from deferreds import value
from newage.domain.resident import Resident
from newage.storage.database import Database
from newage.storage.migrations import migrations, open_file
from newage.storage.stores import sql_stores

ADD_ROOM = "INSERT INTO room (name, uuid, kind, mode, seq, created_at) VALUES (?, ?, ?, 'Default', 9, 1.0)"
ADD_MEMBER = "INSERT INTO member (room_id, position, identity, role, client_id) VALUES (?, ?, ?, ?, ?)"
ADD_MESSAGE = """
    INSERT INTO message (room_id, seq, message_id, identity, client_id, role, text, timestamp, request_type, streamed,
        failed) VALUES (?, ?, ?, ?, ?, ?, 'x', '2026-01-02T03:04:05.678Z', 'newMessage', 0, 0)
"""


def of_version_2(path: Path) -> None:
    with closing(open_file(path, 1.0, migrations()[:2])) as old:
        old.execute("BEGIN")
        for number, (name, kind) in enumerate((("lobby", "group"), ("ann-1", "personal"), ("quiet", "group"))):
            old.execute(ADD_ROOM, (name, f"id-{number}", kind))
        old.executemany(
            ADD_MEMBER,
            [
                (1, 0, "ann-1", 0, "ann"),
                (1, 1, "silent", 0, "silent"),
                (1, 2, "promoted", 1, None),
                (2, 0, "ann-1", 3, "ann"),
                (2, 1, "lurker", 0, "lurker"),
                (3, 0, "silent", 0, "silent"),
            ],
        )
        old.executemany(
            ADD_MESSAGE,
            [
                (1, 1, "m1", "ann-1", "ann", "guest"),
                (1, 2, "m2", "left-long-ago", "left-long-ago", "guest"),
                (3, 1, "m3", "System", "", "system"),
            ],
        )
        old.execute("COMMIT")


def test_words_and_roles_of_before_count(tmp_path: Path, make_database: Callable[..., Database]) -> None:
    of_version_2(tmp_path / "newage.sqlite3")
    stores = sql_stores(make_database())
    assert {room.name: room.said for room in value(stores.rooms.load_rooms())} == {
        "lobby": True,
        "ann-1": False,
        "quiet": False,
    }
    assert value(stores.residents.load_residents()) == {"ann-1": Resident("ann"), "promoted": Resident("promoted")}
    assert value(stores.state.load_state()).running_seconds == 0.0
