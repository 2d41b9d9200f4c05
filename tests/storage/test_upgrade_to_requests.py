"""Schema 3 on a home of before: nothing is open, and a question of before can be asked again (A19, A35)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from deferreds import value
from newage.domain.model import Message, Role
from newage.domain.open_request import OpenRequest
from newage.domain.request import Ask
from newage.storage.database import Database
from newage.storage.migrations import migrations, open_file
from newage.storage.stores import sql_stores

ADD_ROOM = "INSERT INTO room (name, kind, mode, seq, created_at, messages, uuid) VALUES (?, ?, ?, ?, ?, ?, ?)"
ADD_MESSAGE = """
    INSERT INTO message (room_id, seq, message_id, identity, client_id, role, text, timestamp, request_id, response_id,
        question_id, request_type, streamed, failed)
    VALUES (1, ?, ?, ?, ?, ?, ?, '', 'r1', ?, ?, 'newMessage', 0, 0)
"""
ID = "6f5d5c0a-3c53-4f0e-9d5e-0d6a3f6d3a11"


def test_a_home_of_before(tmp_path: Path, make_database: Callable[..., Database]) -> None:
    with closing(open_file(tmp_path / "newage.sqlite3", 1.0, migrations()[:2])) as old:
        old.execute("BEGIN")
        old.execute(ADD_ROOM, ("lobby", "group", "Default", 2, 11.0, 2, ID))
        old.execute(ADD_MESSAGE, (1, "m1", "ann-1", "ann", "guest", "why?", None, None))
        old.execute(ADD_MESSAGE, (2, "m2", "x", "x", "assistant", "so", "a2", "m1"))
        old.execute("COMMIT")
    stores = sql_stores(make_database())
    assert (value(stores.requests.load_requests()), value(stores.requests.load_notices())) == ((), ())
    assert [m.selected for m in value(stores.messages.last_messages(ID, 9, selected=True))] == [None, None]
    asked = OpenRequest(
        key=1,
        room_id=ID,
        identity="ann-1",
        client_id="ann",
        request_id="r1",
        message_id="m1",
        role=Role.GUEST,
        state="queued",
        created_at=1.0,
        ask=Ask(request_id="r1", text=""),
    )
    value(stores.requests.add_request(asked))
    new = Message(
        message_id="m3",
        room="lobby",
        room_id=ID,
        seq=3,
        identity="x",
        role="assistant",
        question_id="m1",
        selected=True,
        response_id="a3",
    )
    value(stores.messages.add_message(new, 9, ["a3"], closes=[1]))
    assert [m.message_id for m in value(stores.messages.last_messages(ID, 9, selected=True))] == ["m1", "m3"]
    assert value(stores.requests.load_requests()) == ()
