"""Schema 3 on a home of before: what rooms hold is counted, and what is not known of their past is not denied."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from deferreds import value
from newage.domain.history import Behind
from newage.domain.model import Message
from newage.storage.database import Database
from newage.storage.migrations import migrations, open_file
from newage.storage.stores import sql_stores

ADD_ROOM = "INSERT INTO room (name, uuid, kind, mode, seq, created_at, messages) VALUES (?, ?, 'group', '', ?, 1.0, ?)"
ADD_MESSAGE = """
    INSERT INTO message (room_id, seq, message_id, identity, client_id, role, text, data, extra, timestamp,
        request_type, streamed, failed) VALUES (?, ?, ?, 'a', 'a', 'guest', ?, ?, ?, '2026', 'newMessage', 0, 0)
"""


def test_rooms_of_before_are_counted(tmp_path: Path, make_database: Callable[..., Database]) -> None:
    with closing(open_file(tmp_path / "newage.sqlite3", 1.0, migrations()[:2])) as old:
        old.execute("BEGIN")
        old.execute(ADD_ROOM, ("small", "small", 9, 2))
        old.execute(ADD_ROOM, ("full", "full", 2_050, 2_000))
        old.execute(ADD_MESSAGE, (1, 1, "m1", "ä" * 50, b'"x"', None))
        old.execute(ADD_MESSAGE, (1, 8, "m8", "x" * 10, None, b'{"a":1}'))
        old.executemany(ADD_MESSAGE, [(2, n, f"m{n}", "x", None, None) for n in range(51, 2_051)])
        old.execute("COMMIT")
    messages = sql_stores(make_database()).messages
    assert value(messages.message_weights("small")) == (103, 17)
    assert value(messages.behind("small", 1)) == Behind(1, changed=True, truncated=False), "who knows what was edited"
    assert value(messages.behind("small", 9)) == Behind(0, changed=False, truncated=False)
    assert value(messages.behind("full", 50)).truncated is False
    assert value(messages.behind("full", 49)).truncated is True
    late = Message(message_id="m10", room="small", room_id="small", seq=10, identity="a", text="x" * 100)
    value(messages.add_message(late, 99, keep_bytes=120))
    assert [m.seq for m in value(messages.last_messages("small", 9))] == [8, 10]
