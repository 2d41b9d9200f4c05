"""An extension that declares features hears of others of its id that do not (contract 2.9)."""

from __future__ import annotations

from typing import Any

import pytest

from hubkit import Kit, Link
from newage.services.sessions.companions import Companions

ID = "SillyTavern-8000"
OURS = {"features": ("accept",)}


@pytest.fixture(autouse=True)
def companions(kit: Kit) -> None:
    kit.sessions.add_listener(Companions(kit.world, kit.outbox, kit.sessions))


def page(kit: Kit, **declared: Any) -> str:
    return kit.connect(ID, client_type="SillyTavern", link=Link(), **declared)


def told(kit: Kit, sid: str) -> list[str]:
    kit.settle()
    return [body["code"] for body in kit.outbox.bodies(sid, "WARNING")]


@pytest.mark.parametrize("identity", [ID, f"{ID}-b"])
def test_it_is_told_once_that_others_are_here_and_that_the_last_has_gone(kit: Kit, identity: str) -> None:
    ours = page(kit, identity=identity, **OURS)
    assert told(kit, ours) == []
    others = [page(kit), page(kit)]
    assert told(kit, ours) == ["OTHER_EXTENSION"]
    kit.disconnect(others[0])
    assert told(kit, ours) == ["OTHER_EXTENSION"]
    kit.disconnect(others[1])
    assert told(kit, ours) == ["OTHER_EXTENSION", "OTHER_EXTENSION_GONE"]
    assert kit.outbox.bodies(others[0], "WARNING") == kit.outbox.bodies(others[1], "WARNING") == []


def test_who_comes_later_is_told_of_those_who_are_here(kit: Kit) -> None:
    page(kit)
    first, second = page(kit, **OURS), page(kit, **OURS)
    assert told(kit, first) == told(kit, second) == ["OTHER_EXTENSION"]
    kit.disconnect(first)
    assert told(kit, second) == ["OTHER_EXTENSION"]


def test_others_of_another_id_and_other_namespaces_are_no_matter(kit: Kit) -> None:
    ours = page(kit, **OURS)
    kit.extension("SillyTavern-9000")
    kit.connect(ID, "/clients", client_type="SillyTavern")
    page(kit, identity=f"{ID}-b", **OURS)
    assert told(kit, ours) == []
