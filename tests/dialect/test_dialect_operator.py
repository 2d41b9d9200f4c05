"""What the command line and the hub say to each other (A37)."""

from __future__ import annotations

import attrs

from newage.dialect import operator
from newage.domain.model import KeyRecord, Rank, Scope
from newage.errors import NotFound

RECORD = KeyRecord(
    client_id="phone", hash="$2b$", created_at=1.5, key_id="k1", name="my phone", rank=Rank.ADMIN, scope=Scope.ADMIN
)
SHOWN = {
    "clientId": "phone",
    "keyId": "k1",
    "name": "my phone",
    "rank": "admin",
    "scope": "admin",
    "madeBy": "",
    "madeAt": "1970-01-01T00:00:01.500Z",
    "expires": None,
    "lastUsed": None,
    "lastFrom": None,
    "live": True,
}


def test_a_key_is_shown_without_what_opens() -> None:
    assert operator.shown(RECORD, live=True) == SHOWN
    used = attrs.evolve(RECORD, expires=3.0, last_used=2.0, rank=None)
    changed = {"rank": "client", "expires": "1970-01-01T00:00:03.000Z", "lastUsed": "1970-01-01T00:00:02.000Z"}
    assert operator.shown(used, live=False) == {**SHOWN, **changed, "live": False}


def test_a_new_key_is_told_once() -> None:
    answer = operator.made(RECORD, "secret", live=True)
    assert answer == {**SHOWN, "keyIds": ["k1"], "key": "secret"}
    assert operator.done(answer) == {"client": "phone", "keyIds": ["k1"]}


def test_keys_that_were_revoked() -> None:
    answer = operator.revoked("phone", [RECORD], [], 1, trusted=False)
    assert answer == {"clientId": "phone", "keyIds": ["k1"], "trusted": False}
    told = operator.revoked("a", [], [RECORD] * 3, 1, trusted=True)
    assert (told["made"], told["more"]) == ([SHOWN], 2)
    assert operator.revoked("a", [], [RECORD], 1, trusted=True)["more"] == 0


def test_of_many_logins_the_first_are_named() -> None:
    logins = [("10.0.0.1", "ann"), ("10.0.0.2", "bob")]
    assert operator.unlocked(logins, 1) == {"unlocked": [{"address": "10.0.0.1", "clientId": "ann"}], "count": 2}


def test_what_failed_is_kept_with_its_reason() -> None:
    command = {"do": "keys.revoke", "clientId": "phone"}
    assert operator.client_of(command) == "phone"
    assert operator.failed(command, NotFound("no key")) == {"client": "phone", "errorCode": 7, "reason": "no key"}
