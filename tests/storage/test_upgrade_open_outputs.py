"""Schema 3 on a home of before: answers are kept as they grow from then on (A35)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from deferreds import value
from newage.domain.model import Message
from newage.domain.open_text import OpenText
from newage.storage.database import Database
from newage.storage.migrations import migrations, open_file
from newage.storage.stores import sql_stores


def test_nothing_was_cut_off_and_what_will_be_is_kept(tmp_path: Path, make_database: Callable[..., Database]) -> None:
    with closing(open_file(tmp_path / "newage.sqlite3", 1.0, migrations()[:2])):
        pass
    kept = sql_stores(make_database()).open_outputs
    assert value(kept.load_texts()) == ()
    answer = Message(message_id="m", room="den", room_id="id", seq=0, identity="X", role="assistant", output_id="o")
    value(kept.append_texts([OpenText("o", 0, "half", answer)]))
    assert [(m.room_id, m.output_id, m.text, m.failed) for m in value(kept.load_texts())] == [("id", "o", "half", True)]
