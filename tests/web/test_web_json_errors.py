"""Failures as HTTP tells them."""

from __future__ import annotations

import pytest

from newage import errors
from newage.errors import NewAgeError
from newage.web.json_errors import HttpRefusal, Sort, sort_of, told


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.InvalidRequest("x"), 400, "bad_request"),
        (errors.ProtocolError("x"), 400, "bad_request"),
        (errors.AuthenticationFailed("x"), 401, "invalid_api_key"),
        (errors.NotAuthorised("x"), 403, "forbidden"),
        (errors.RoomDenied("x"), 403, "forbidden"),
        (errors.NotFound("x"), 404, "not_found"),
        (errors.RoomExists("x"), 409, "conflict"),
        (errors.OverLimit("x"), 429, "rate_limit_exceeded"),
        (errors.Unavailable("x"), 503, "unavailable"),
        (errors.PeerGone("x"), 503, "unavailable"),
        (errors.ClientMissing("x"), 503, "no_extension"),
        (errors.TimedOut("x"), 504, "timeout"),
        (errors.CallFailed("x"), 502, "failed"),
        (NewAgeError(), 500, "internal"),
        (HttpRefusal(Sort(418, "teapot", "short"), "x"), 418, "short"),
    ],
)
def test_each_has_its_status(error: NewAgeError, status: int, code: str) -> None:
    sort = sort_of(error)
    assert (sort.status, sort.code) == (status, code)
    answer = told(error)
    assert answer.status == status
    assert answer.body["error"]["message"] == str(error)


def test_headers_say_when_and_whether_to_come_again() -> None:
    assert dict(told(errors.OverLimit("x", retry_after=7)).headers) == {b"Retry-After": b"7"}
    assert dict(told(errors.Unavailable("x")).headers) == {b"Retry-After": b"5"}
    assert dict(told(errors.ClientMissing("x")).headers) == {b"Retry-After": b"5", b"X-Should-Retry": b"false"}
    assert dict(told(errors.TimedOut("x"), keeps_off=True).headers) == {b"X-Should-Retry": b"false"}
    assert dict(told(errors.AuthenticationFailed("x")).headers) == {b"WWW-Authenticate": b"Bearer"}
    refusal = HttpRefusal(Sort(405, "a", "b"), "x", (b"Allow", b"GET"))
    assert told(refusal).headers == ((b"Allow", b"GET"),)
