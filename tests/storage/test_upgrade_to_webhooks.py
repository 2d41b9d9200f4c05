"""Schema 6 on a home of before: what it holds is as it was, and can be told of."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from deferreds import value
from newage.domain.webhooks import Delivery
from newage.storage.database import Database
from newage.storage.migrations import migrations, open_file
from newage.storage.stores import sql_stores

OLD = """
    INSERT INTO room (name, uuid, kind, mode, created_at) VALUES ('den', 'u', 'group', 'Default', 1.0);
    INSERT INTO message (room_id, seq, message_id, identity, client_id, role, text, timestamp, request_type, streamed,
        failed) VALUES (1, 1, 'm', 'X', 'X', 'guest', 'old', 't', 'newMessage', 1, 1);
"""


def test_old_messages_are_as_they_were_and_can_be_told_of(
    tmp_path: Path, make_database: Callable[..., Database]
) -> None:
    with closing(open_file(tmp_path / "newage.sqlite3", 1.0, migrations()[:5])) as connection:
        connection.executescript(OLD)
    stores = sql_stores(make_database())
    (old,) = value(stores.messages.last_messages("u", 9))
    told = Delivery(id="d", webhook="bot", event="e", at="t", since=1.0, room_id="u", message_id="m", most=1)
    assert value(stores.webhooks.add_deliveries([told])) == ()
    first = value(stores.webhooks.queue_of("bot")).first
    assert first is not None and first.message == old
    value(stores.messages.delete_messages("u", ["m"], 2))
    assert value(stores.webhooks.queue_of("bot")).length == 0
