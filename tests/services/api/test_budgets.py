"""What keys and clients have asked of models over HTTP (B19)."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.logger import capturedLogs

from hubkit import HOME, Kit
from newage.domain.budget import DAY
from newage.domain.model import Caller, Session
from newage.errors import OverLimit
from newage.services.accounts.api_limits import ApiSettings
from newage.services.api.budgets import Budgets


def caller(client_id: str = "bot", credential: str = "k1") -> Caller:
    session = Session(client_id=client_id, identity=client_id)
    return Caller(sid="s", namespace="/v1", session=session, peer=HOME, credential=credential)


def make(kit: Kit, **settings: Any) -> Budgets:
    return Budgets(kit.world, ApiSettings(**settings))


def test_a_client_has_one_budget_by_all_its_keys(kit: Kit) -> None:
    budgets = make(kit, requests_per_minute=2)
    budgets.begin(caller())
    budgets.begin(caller(credential="k2"))
    with capturedLogs() as logged, pytest.raises(OverLimit, match="in a minute") as over:
        budgets.begin(caller(credential="k3"))
    assert over.value.members == {"retry_after": 60}
    assert [each["client"] for each in logged] == ["bot"]
    budgets.begin(caller("ann", "k4"))


def test_who_shows_no_key_shares_one(kit: Kit) -> None:
    budgets = make(kit, requests_at_once=1)
    spending = budgets.begin(caller("api-local", ""))
    assert len(budgets) == 1
    with pytest.raises(OverLimit, match="at once"):
        budgets.begin(caller("api-local", ""))
    for _ in range(2):
        spending.end(5)
    budgets.begin(caller("api-local", ""))


def test_tokens_are_counted_when_it_is_over(kit: Kit) -> None:
    budgets = make(kit, tokens_per_day=10)
    budgets.begin(caller()).end(10)
    with pytest.raises(OverLimit, match="in a day"):
        budgets.begin(caller())
    kit.clock.advance(DAY)
    budgets.begin(caller("ann", "")).end(0)
    assert len(budgets) == 1  # who rests is forgotten
    budgets.begin(caller())
