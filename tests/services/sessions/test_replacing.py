"""The newest page of an extension serves, the older one is told so or went already (contract 2.9)."""

from __future__ import annotations

from typing import Any

import pytest

from hubkit import Kit, Link
from newage.services.sessions.admissions import Admissions
from newage.services.sessions.replacing import REPLACED, Replacing

ID = "SillyTavern-8000"


@pytest.fixture(autouse=True)
def replacing(kit: Kit) -> None:
    kit.sessions.add_listener(Replacing(kit.sessions, Admissions(kit.world, kit.outbox, kit.sessions)))


def page(kit: Kit, **declared: Any) -> str:
    return kit.connect(ID, client_type="SillyTavern", link=Link(), **declared)


def test_the_newest_page_stays_and_the_older_one_is_told(kit: Kit) -> None:
    older, newer = page(kit, exclusive=True, instance="a"), page(kit, exclusive=True, instance="b")
    assert kit.outbox.bodies(older, "ERROR") == []
    kit.settle()
    (told,) = kit.outbox.bodies(older, "ERROR")
    assert (told["code"], told["errorCode"], told["message"]) == ("REPLACED", 9, REPLACED)
    assert kit.sessions.sids(ID, "/llm") == (newer,)
    assert kit.outbox.bodies(newer, "ERROR") == []


@pytest.mark.parametrize("instance", ["a", ""])
def test_the_same_page_on_a_new_line_replaces_itself_without_a_word(kit: Kit, instance: str) -> None:
    """Without an instance nobody can tell whether it is the same one."""
    older, newer = (page(kit, exclusive=True, instance=instance) for _ in range(2))
    kit.settle()
    assert len(kit.outbox.bodies(older, "ERROR")) == (0 if instance else 1)
    assert kit.sessions.sids(ID, "/llm") == (newer,)


def test_who_declared_nothing_is_not_replaced_and_replaces_nobody(kit: Kit) -> None:
    plain, ours = page(kit), page(kit, exclusive=True)
    later = page(kit)
    kit.settle()
    assert kit.sessions.sids(ID, "/llm") == (plain, ours, later)


def test_other_identities_and_namespaces_stay(kit: Kit) -> None:
    first = page(kit, exclusive=True)
    other = kit.connect(ID, identity=f"{ID}-2", client_type="SillyTavern", link=Link(), exclusive=True)
    clients = kit.connect(ID, "/clients", client_type="SillyTavern", exclusive=True)
    kit.settle()
    assert [kit.sessions.caller(sid) is not None for sid in (first, other, clients)] == [True] * 3


def test_a_newer_page_that_is_gone_in_the_same_turn_takes_nothing(kit: Kit) -> None:
    older, newer = page(kit, exclusive=True), page(kit, exclusive=True)
    kit.disconnect(newer)
    kit.settle()
    assert kit.sessions.sids(ID, "/llm") == (older,)
    kit.disconnect(older)
    kit.settle()
