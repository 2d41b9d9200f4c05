"""What administration takes and gives."""

from __future__ import annotations

from newage.domain.logs import LogPage
from newage.domain.model import KeyRecord, Scope
from newage.web.api_v1 import typed
from newage.web.api_v1.admin_bodies import Key, LogLines


def test_a_key_shows_nothing_that_opens_anything() -> None:
    record = KeyRecord(
        client_id="bot", hash="$2b$hash", created_at=0.0, key_id="k1", scope=Scope.API, expires=60.0, digest=b"digest"
    )
    shown = typed.write(Key.of(record, live=False))
    assert shown == {
        "id": "k1",
        "clientId": "bot",
        "name": "",
        "rank": "client",
        "scope": "api",
        "madeBy": "",
        "madeAt": "1970-01-01T00:00:00.000Z",
        "expires": "1970-01-01T00:01:00.000Z",
        "live": False,
    }


def test_a_page_of_a_log() -> None:
    page = LogPage(lines=("a", "b"), total=9, page=1, page_size=2, level="all", truncated=True)
    assert typed.write(LogLines.of(page)) == {"lines": ["a", "b"], "total": 9, "truncated": True}
