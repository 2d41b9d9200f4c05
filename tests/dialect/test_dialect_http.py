"""The one body of failures."""

from __future__ import annotations

from newage.dialect import http


def test_a_failure_is_what_openais_clients_read() -> None:
    assert http.failure("No.", "invalid_request_error", "bad_request") == {
        "error": {"message": "No.", "type": "invalid_request_error", "param": None, "code": "bad_request"}
    }
