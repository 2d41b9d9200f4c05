"""Which URLs are the hub's own (contract 7.6, A43, B21)."""

from __future__ import annotations

import pytest

from newage.domain.urls import is_reserved, segments


@pytest.mark.parametrize(
    "path",
    [
        *("/admin", "/admin/x/y", "/ADMIN", "//admin", "/./admin", "admin", "/i", "/v1/", "/api/v1/me", "/docs"),
        *("/newage-extension", "/newage-extension.zip", "/Newage-Extension-old/x", "/healthz", "/readyz", "/metrics"),
        *("/.well-known/security.txt", "/static/app.js"),
    ],
)
def test_reserved(path: str) -> None:
    assert is_reserved(path)


@pytest.mark.parametrize("path", ["/", "", "/administrator", "/id", "/v10", "/public/admin", "/newage", "/my/healthz"])
def test_free(path: str) -> None:
    assert not is_reserved(path)


def test_segments() -> None:
    assert segments("//a/./b/") == ["a", "b"]
