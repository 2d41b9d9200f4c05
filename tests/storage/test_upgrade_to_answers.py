"""Schema 4 on a home of before: its answers are whole, nobody's in particular, and without thoughts (A28)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from attrs import evolve

from deferreds import value
from newage.domain.character import Character
from newage.storage.database import Database
from newage.storage.migrations import migrations, open_file
from newage.storage.stores import sql_stores

OLD = """
    INSERT INTO room (name, uuid, kind, mode, created_at) VALUES ('den', 'u', 'group', 'Default', 1.0);
    INSERT INTO message (room_id, seq, message_id, identity, client_id, role, text, timestamp, response_id,
        request_type, streamed, failed) VALUES (1, 1, 'm', 'X', 'X', 'assistant', 'old', 't', 'a', 'newMessage', 1, 1);
"""


def test_old_answers_are_as_they_were_and_take_what_is_new(
    tmp_path: Path, make_database: Callable[..., Database]
) -> None:
    with closing(open_file(tmp_path / "newage.sqlite3", 1.0, migrations()[:3])) as connection:
        connection.executescript(OLD)
    messages = sql_stores(make_database()).messages
    (old,) = value(messages.last_messages("u", 9))
    assert (old.text, old.reasoning, old.partial, old.character, old.origin) == ("old", "", False, None, "")
    told = evolve(old, reasoning="hm", partial=True, character=Character("c", "Cora"), origin="desk")
    assert value(messages.update_message(told, 2)) is True
    assert value(messages.last_messages("u", 9)) == (told,)
