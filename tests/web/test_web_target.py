"""Targets of requests (RFC 9112, 3.2)."""

from __future__ import annotations

import pytest

from newage.web.target import BAD, MISDIRECTED, Target, read_target


@pytest.mark.parametrize(
    ("target", "read"),
    [
        (b"/a?b=http://c/", Target(b"/a?b=http://c/")),
        (b"//evil.example/x", Target(b"//evil.example/x")),
        (b"*", Target(b"*")),
        (b"http://hub:4000", Target(b"/", b"hub:4000")),
        (b"HTTP://Hub/a/b?c#d", Target(b"/a/b?c", b"Hub")),
        (b"http://[::1]:4000?q", Target(b"/?q", b"[::1]:4000")),
        (b"http://hub#f", Target(b"/", b"hub")),
        (b"https://hub/", MISDIRECTED),
        (b"http://", BAD),
        (b"http://me@hub/", BAD),
        (b"http:/hub/", BAD),
        (b"ws://hub/", BAD),
        (b"hub:4000", BAD),
        (b"", BAD),
    ],
)
def test_a_target_is_read_or_refused(target: bytes, read: object) -> None:
    assert read_target(target, secure=False) == read


def test_https_is_meant_for_us_where_we_speak_tls() -> None:
    assert read_target(b"https://hub/x", secure=True) == Target(b"/x", b"hub")
