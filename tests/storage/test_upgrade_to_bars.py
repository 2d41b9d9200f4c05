"""Schema 3 on a home of before: its rooms are open, nobody is barred, and both can change (A16, A41)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from attrs import evolve

from deferreds import value
from newage.domain.model import Access, Bar, Role, Term
from newage.storage.database import Database
from newage.storage.migrations import migrations, open_file
from newage.storage.stores import sql_stores

ADD_ROOM = "INSERT INTO room (name, kind, mode, seq, created_at, messages, uuid) VALUES (?, ?, ?, ?, ?, ?, ?)"
ADD_MEMBER = "INSERT INTO member (room_id, position, identity, role, client_id) VALUES (?, ?, ?, ?, ?)"
ID = "6f5d5c0a-3c53-4f0e-9d5e-0d6a3f6d3a11"


def test_rooms_of_before_are_open_and_bar_nobody(tmp_path: Path, make_database: Callable[..., Database]) -> None:
    with closing(open_file(tmp_path / "newage.sqlite3", 1.0, migrations()[:2])) as old:
        old.execute("BEGIN")
        old.execute(ADD_ROOM, ("lobby", "group", "Default", 9, 11.0, 0, ID))
        old.execute(ADD_MEMBER, (1, 0, "ann-1", 3, "ann"))
        old.execute("COMMIT")
    stores = sql_stores(make_database())
    (lobby,) = value(stores.rooms.load_rooms())
    assert (lobby.id, dict(lobby.members), lobby.access, dict(lobby.barred)) == (
        ID,
        {"ann-1": Role.MASTER},
        Access.OPEN,
        {},
    )
    changed = evolve(lobby, access=Access.INVITED, barred={"bob": Bar(Term(9.5, 3.0), "bob-1", "ann-1", "noise")})
    value(stores.rooms.save_room(changed))
    assert value(stores.rooms.load_rooms()) == (changed,)
    value(stores.rooms.delete_room(ID))
    assert value(stores.rooms.load_rooms()) == ()
