"""The rows of a room's staff."""

from __future__ import annotations

from apikit import ApiHouse
from newage.domain.model import Scope


def test_a_path_says_which_methods_it_takes(hub: ApiHouse) -> None:
    key = hub.key(scope=Scope.ALL)
    for path, allow in (
        ("/rooms/lobby/members/me", "PUT, DELETE, OPTIONS"),
        ("/rooms/lobby/members/bob", "DELETE, OPTIONS"),
        ("/rooms/lobby/messages", "GET, POST, DELETE, HEAD, OPTIONS"),
        ("/rooms/lobby/messages/m1", "PATCH, DELETE, OPTIONS"),
        ("/rooms/lobby/queue/submit", "POST, OPTIONS"),
    ):
        told = hub.ask(f"/api/v1{path}", {}, key, method="REPORT")
        assert (told.status, told.response.headers["allow"]) == (405, allow), path
