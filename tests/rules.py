"""What the tests of the house's rules share: the source as trees, and exceptions that can only become fewer."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).parent.parent
SOURCE = CHECKOUT / "src" / "newage"


class Module(NamedTuple):
    """One file of ``src/newage``."""

    path: str  # "services/rooms/rooms.py"
    tree: ast.Module

    @property
    def name(self) -> str:
        """``newage.services.rooms.rooms``; a package goes by its own name."""
        parts = ["newage", *self.path.removesuffix(".py").split("/")]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def layer(self) -> str:
        """The folder or module right below ``newage``."""
        return self.path.split("/")[0].removesuffix(".py")


def module(path: str, code: str) -> Module:
    """One that is made up, to see whether a rule catches it."""
    return Module(path, ast.parse(code))


def _read() -> tuple[Module, ...]:
    return tuple(
        module(path.relative_to(SOURCE).as_posix(), path.read_text("utf-8")) for path in sorted(SOURCE.rglob("*.py"))
    )


MODULES = _read()


def only_as_listed(found: Iterable[str], listed: Iterable[str], where: str) -> None:
    """Fails for what is found and not listed; and for what is listed and no longer found, so that a list only shrinks.

    :param where: the name of the list.
    """
    found, listed = set(found), set(listed)
    new, gone = sorted(found - listed), sorted(listed - found)
    assert not new, "not allowed:\n" + "\n".join(new)
    assert not gone, f"mended, take it out of {where}:\n" + "\n".join(gone)
