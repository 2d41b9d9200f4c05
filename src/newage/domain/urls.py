"""Which URLs are the hub's own, whatever else has files (contract 7.6, A43, B21)."""

from __future__ import annotations

from typing import Final

# First segments; with all that is below them. Some of them answer nothing yet.
RESERVED: Final = frozenset(
    {
        "admin",
        "i",
        "v1",
        "api",
        "docs",
        "healthz",
        "readyz",
        "metrics",
        "static",
        ".well-known",
    }
)
RESERVED_BEGINNING: Final = "newage-extension"  # newage-extension.zip among them


def segments(path: str) -> list[str]:
    """What stands between the slashes of a path that is percent-decoded; empty segments and ``.`` do not count."""
    return [segment for segment in path.split("/") if segment not in ("", ".")]


def is_reserved(path: str) -> bool:
    """Whether that path is the hub's own: in any case, for a look-alike would be taken for it."""
    first = next(iter(segments(path)), "").lower()
    return first in RESERVED or first.startswith(RESERVED_BEGINNING)
