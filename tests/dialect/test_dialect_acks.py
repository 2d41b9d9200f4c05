"""Acks in both dialects at once, and ERROR (contract C2, 3.0)."""

from __future__ import annotations

from newage.dialect import Event, acks
from newage.errors import NotFound

FAULT = NotFound("No such thing.", extensions=[])


def test_success() -> None:
    assert acks.success() == acks.success({}) == {"status": "ok", "success": True}
    assert acks.success({"a": 1}) == {"status": "ok", "success": True, "a": 1}


def test_a_warning_is_a_success_with_words() -> None:
    assert acks.warning("Careful.", {"a": 1}) == {"status": "warning", "success": True, "message": "Careful.", "a": 1}


def test_a_failure_says_it_in_each_place_where_readers_look() -> None:
    assert acks.failure(FAULT) == {
        "status": "error",
        "success": False,
        "message": "No such thing.",
        "error": {"message": "No such thing.", "code": "not_found"},
        "errorCode": 7,
        "extensions": [],
    }


def test_an_error_event_names_its_request_if_it_has_a_name() -> None:
    body = {"type": "ERROR", "message": "No such thing.", "code": "not_found", "errorCode": 7, "extensions": []}
    assert acks.failed(FAULT) == Event("ERROR", body)
    assert acks.failed(FAULT, "r1") == Event("ERROR", {**body, "requestId": "r1"})
    assert acks.failed(FAULT, 0) == Event("ERROR", {**body, "requestId": 0})
