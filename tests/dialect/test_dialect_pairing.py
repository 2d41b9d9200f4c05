"""What CREATE_PAIRING and the command line say of a code."""

from __future__ import annotations

import pytest

from newage.dialect import pairing
from newage.domain.pairing import Applicant, Standing
from newage.errors import InvalidRequest


def test_a_code_and_what_became_of_it() -> None:
    assert pairing.made("012345", 300.0) == {"code": "012345", "expiresIn": 300}
    assert pairing.standing(Standing("over")) == {"state": "over"}
    asks = {"confirm": 3, "clientId": "SillyTavern-1", "name": "Ann", "address": "192.0.2.1"}
    found = Standing("asked", Applicant(3, "SillyTavern-1", "Ann", "192.0.2.1"))
    assert pairing.standing(found) == {"state": "asked", "asks": asks}


def test_what_is_said_of_it() -> None:
    assert pairing.code_of({"code": "1"}) == "1"
    assert pairing.number_of({"confirm": 2}) == 2
    assert [pairing.accepts({"accept": each}) for each in (True, 1, "yes", None)] == [True, False, False, False]
    with pytest.raises(InvalidRequest):
        pairing.code_of({"code": 1})
    with pytest.raises(InvalidRequest):
        pairing.number_of({"confirm": True})
