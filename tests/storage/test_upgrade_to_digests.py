"""Schema 3 on a home of before: keys open what they did, and no digest is of a secret that is known (B7)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from authkit import Gatehouse, quick_hash
from deferreds import value
from hubkit import EPOCH
from newage.domain.model import Rank, Scope
from newage.services.accounts.hashing import Turn
from newage.storage.database import Database
from newage.storage.migrations import migrations, open_file
from newage.storage.stores import sql_stores

ADD_KEY = """
    INSERT INTO client_key (client_id, hash, created_at, local, key_id, name, rank, scope, made_by, expires, digest)
        VALUES (?, ?, 1.0, 1, ?, ?, ?, ?, 'boss', ?, ?)
"""


def test_keys_of_before_open_what_they_did(tmp_path: Path, make_database: Callable[..., Database]) -> None:
    with closing(open_file(tmp_path / "newage.sqlite3", 1.0, migrations()[:2])) as old:
        old.execute("BEGIN")
        rows = [
            ("phone", "plain", "0000000a", "", None, "all", None, None),
            ("anna", "dear", "0000000b", "desk", "admin", "admin", EPOCH + 60, b"of another form"),
        ]
        for client_id, key, *others in rows:
            old.execute(ADD_KEY, (client_id, quick_hash(key.encode()), *others))
        old.execute("COMMIT")
    store = sql_stores(make_database()).keys
    phone, anna = value(store.load_keys())
    assert (phone.rank, phone.scope, phone.expires) == (None, Scope.ALL, None)
    assert (anna.rank, anna.scope, anna.expires, anna.name) == (Rank.ADMIN, Scope.ADMIN, EPOCH + 60, "desk")
    assert {(each.digest_secret, each.last_address, each.made_by) for each in (phone, anna)} == {("", "", "boss")}

    house = Gatehouse(tmp_path, store=store)
    value(house.keys.load())
    for client_id, key in (("phone", "plain"), ("anna", "dear")):
        assert house.keys.verified(client_id, key) is None, "only bcrypt can tell"
        assert value(house.keys.verify(client_id, key, Turn())) is not None
        assert house.keys.verified(client_id, key) is not None, "from then on a digest does"
    assert all(record.digest_secret for record in value(store.load_keys()))
    house.clock.advance(60)
    assert house.keys.records("anna") == ()
