"""How often somebody may ask ``/api/v1`` for anything at all."""

from __future__ import annotations

import pytest
from twisted.logger import capturedLogs

from hubkit import HOME, Kit
from newage.domain.model import Caller, Session
from newage.errors import OverLimit
from newage.services.accounts.api_limits import ApiSettings
from newage.services.api.visits import Visits


def caller(client_id: str = "bot", credential: str = "k1") -> Caller:
    session = Session(client_id=client_id, identity=client_id)
    return Caller(sid="s", namespace="/api/v1", session=session, peer=HOME, credential=credential)


def test_a_client_may_so_often_in_a_minute_by_all_its_keys(kit: Kit) -> None:
    visits = Visits(kit.world, ApiSettings(visits_per_minute=2))
    visits.count(caller())
    kit.clock.advance(20)
    visits.count(caller(credential="k2"))
    with capturedLogs() as logged:
        for _ in range(3):
            with pytest.raises(OverLimit, match="2 in a minute") as over:
                visits.count(caller())
    assert over.value.members == {"retry_after": 40}
    assert [each["client"] for each in logged] == ["bot"]
    visits.count(caller("ann"))
    kit.clock.advance(40)
    visits.count(caller())


def test_who_rests_is_forgotten(kit: Kit) -> None:
    visits = Visits(kit.world, ApiSettings())
    for number in range(5):
        visits.count(caller(f"bot{number}"))
    assert len(visits) == 5
    kit.clock.advance(61)
    visits.count(caller())
    assert len(visits) == 1
