"""Every package of the sources is in the list from which the wheel is made."""

from __future__ import annotations

import configparser
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
NOT_FROM_SRC = {"newage.static", "newage.client"}


def packages_of_the_wheel() -> set[str]:
    settings = configparser.ConfigParser()
    settings.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    return set(settings["options"]["packages"].split())


def packages_of_the_sources() -> set[str]:
    root = CHECKOUT / "src"
    return {".".join(found.parent.relative_to(root).parts) for found in root.rglob("__init__.py")}


def test_the_wheel_gets_every_package() -> None:
    assert packages_of_the_wheel() - NOT_FROM_SRC == packages_of_the_sources()
