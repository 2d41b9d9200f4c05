"""The operator's commands: keys made, listed and revoked, logins unlocked (A37)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from authkit import REMOTE, Gatehouse
from deferreds import value
from hubkit import EPOCH
from logkit import Logged
from newage.domain.model import KeyRecord, Rank, Scope
from newage.errors import BadParameter, NewAgeError, NotFound, Unavailable
from newage.services.accounts.attempts import Guess, Place
from newage.services.accounts.hashing import Turn
from newage.services.accounts.operator import MADE_BY, PAGE

EXTENSION = "SillyTavern-8000"


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    house = Gatehouse(tmp_path)
    house.trusts("phone", EXTENSION, "monitor")
    return house


def told(house: Gatehouse, do: str, **members: Any) -> dict[str, Any]:
    operator = house.operator
    answer: dict[str, Any] = value(operator.handle({"do": do, **members}))
    return answer


class TestNew:
    @pytest.mark.parametrize(
        ("client_id", "wanted", "rank", "scope"),
        [
            ("phone", None, Rank.CLIENT, Scope.ALL),
            ("unknown", None, Rank.CLIENT, Scope.ALL),
            (EXTENSION, None, Rank.EXTENSION, Scope.ALL),
            ("monitor", None, Rank.ADMIN, Scope.ALL),
            ("monitor", "all", Rank.ADMIN, Scope.ALL),
            ("monitor", "client", Rank.CLIENT, Scope.CLIENT),
            ("monitor", "api", Rank.CLIENT, Scope.API),
            ("phone", "client", Rank.CLIENT, Scope.CLIENT),
            ("phone", "admin", Rank.ADMIN, Scope.ADMIN),
            ("unknown", "admin", Rank.ADMIN, Scope.ADMIN),
            (EXTENSION, "extension", Rank.EXTENSION, Scope.EXTENSION),
        ],
    )
    def test_the_key_is_what_was_asked_for_else_what_its_client_is(
        self, house: Gatehouse, client_id: str, wanted: str | None, rank: Rank, scope: Scope
    ) -> None:
        answer = told(house, "keys.new", clientId=client_id, scope=wanted)
        record = value(house.keys.verify(client_id, answer["key"], Turn()))
        assert (record.rank, record.scope, record.made_by) == (rank, scope, MADE_BY)
        assert answer["keyIds"] == [record.key_id] == [answer["keyId"]]
        assert (answer["rank"], answer["scope"], answer["expires"]) == (rank.wire, scope.value, None)
        assert house.trust.knows(client_id, network_safe=False)

    def test_one_that_is_over_at_once(self, house: Gatehouse) -> None:
        answer = told(house, "keys.new", clientId="phone", days=1e-300)
        assert (answer["live"], answer["rank"]) == (False, "client")

    def test_with_a_name_and_an_end(self, house: Gatehouse) -> None:
        answer = told(house, "keys.new", clientId="phone", name="Ann's", days=1.5)
        (record,) = house.keys.records("phone")
        assert (record.name, record.expires) == ("Ann's", EPOCH + 1.5 * 86_400)
        assert (answer["name"], answer["expires"]) == ("Ann's", "2023-11-16T10:13:20.000Z")

    @pytest.mark.parametrize(
        ("command", "reason"),
        [
            ({}, "None cannot be a client id"),
            ({"clientId": "a/b"}, "'a/b' cannot be a client id"),
            ({"clientId": "server"}, "cannot be a client id"),
            ({"clientId": "carl "}, "'carl ' cannot be a client id: blanks around it, or something that nobody sees"),
            ({"clientId": "carl\u3164"}, "something that nobody sees"),
            (
                {"clientId": "phone", "scope": "root"},
                "'root' is no scope of a key: all, client, extension, api, webhook, admin",
            ),
            ({"clientId": "phone", "scope": ["all"]}, "is no scope of a key"),
            ({"clientId": "phone", "scope": "extension"}, "begin with SillyTavern"),
            ({"clientId": EXTENSION, "scope": "admin"}, "choose another one for an administrator"),
            ({"clientId": EXTENSION, "scope": "client"}, "choose another one for a client"),
            ({"clientId": EXTENSION, "scope": "api"}, "choose another one for a program that uses the API"),
            ({"clientId": "phone", "name": "x" * 65}, "at most 64 printable"),
            ({"clientId": "phone", "name": "a\nb"}, "at most 64 printable"),
            ({"clientId": "phone", "name": 7}, "at most 64 printable"),
            *(({"clientId": "phone", "days": days}, "at most 36500 days") for days in (0, -1, 36_501, True, "7")),
        ],
    )
    def test_what_is_wrong(self, house: Gatehouse, command: dict[str, Any], reason: str, logged: Logged) -> None:
        with pytest.raises(BadParameter, match=reason):
            told(house, "keys.new", **command)
        assert house.keys.client_ids() == ()
        (fact,) = logged.audited()
        assert (fact["action"], fact["outcome"]) == ("key.generate", "failed")

    def test_too_many(self, tmp_path: Path) -> None:
        house = Gatehouse(tmp_path, max_client_keys=1)
        told(house, "keys.new", clientId="a")
        with pytest.raises(Unavailable):
            told(house, "keys.new", clientId="b")

    def test_is_a_fact_without_the_key(self, house: Gatehouse, logged: Logged) -> None:
        answer = told(house, "keys.new", clientId="unknown")
        facts = logged.audited()
        assert [(fact["action"], fact["outcome"], fact["client"]) for fact in facts] == [
            ("client.trust", "ok", "unknown"),
            ("key.generate", "ok", "unknown"),
        ]
        assert facts[1]["keyIds"] == answer["keyIds"]
        assert answer["key"] not in repr(logged.events)


class TestList:
    def test_shows_all_but_what_opens(self, house: Gatehouse) -> None:
        made = told(house, "keys.new", clientId="phone", name="Ann's", days=1)
        value(house.keys.verify("phone", made["key"], Turn("phone", "192.0.2.1")))
        house.clock.advance(86_400)
        answer = told(house, "keys.list")
        assert answer == {
            "keys": [
                {
                    "clientId": "phone",
                    "keyId": made["keyId"],
                    "name": "Ann's",
                    "rank": "client",
                    "scope": "all",
                    "madeBy": MADE_BY,
                    "madeAt": "2023-11-14T22:13:20.000Z",
                    "expires": "2023-11-15T22:13:20.000Z",
                    "lastUsed": "2023-11-14T22:13:20.000Z",
                    "lastFrom": "192.0.2.1",
                    "live": False,
                }
            ],
            "next": None,
        }

    def test_by_pages(self, tmp_path: Path) -> None:
        house = Gatehouse(tmp_path)
        for number in range(PAGE + 2):
            value(house.keys.add(KeyRecord(client_id=f"c{number}", hash="h", created_at=1.0)))
        first = told(house, "keys.list", after=0)
        second = told(house, "keys.list", after=first["next"])
        assert (len(first["keys"]), first["next"]) == (PAGE, PAGE)
        assert [key["clientId"] for key in second["keys"]] == [f"c{PAGE}", f"c{PAGE + 1}"]
        assert second["next"] is None
        assert told(house, "keys.list", after="x")["keys"] == first["keys"]


class TestRevoke:
    def test_all_keys_of_a_client_and_the_trust_that_came_with_one(self, house: Gatehouse, logged: Logged) -> None:
        keys = [told(house, "keys.new", clientId="unknown") for _ in range(2)]
        answer = told(house, "keys.revoke", subject="unknown", clientId="unknown")
        assert answer == {"clientId": "unknown", "keyIds": [key["keyId"] for key in keys], "trusted": False}
        assert house.keys.client_ids() == ()
        assert not house.trust.knows("unknown", network_safe=False)
        assert logged.audited()[-1]["keyIds"] == answer["keyIds"]

    def test_trust_that_settings_give_stays_and_is_told(self, house: Gatehouse) -> None:
        told(house, "keys.new", clientId="monitor")
        assert told(house, "keys.revoke", subject="monitor")["trusted"] is True

    def test_one_key_by_its_id(self, house: Gatehouse) -> None:
        first, second = (told(house, "keys.new", clientId="phone") for _ in range(2))
        answer = told(house, "keys.revoke", subject=first["keyId"])
        assert answer == {"clientId": "phone", "keyIds": [first["keyId"]], "trusted": True}
        assert [record.key_id for record in house.keys.records("phone")] == [second["keyId"]]

    def test_a_client_goes_before_a_key_of_that_id(self, house: Gatehouse) -> None:
        key_id = told(house, "keys.new", clientId="phone")["keyId"]
        told(house, "keys.new", clientId=key_id)
        assert told(house, "keys.revoke", subject=key_id)["clientId"] == key_id
        assert house.keys.records("phone")

    def test_an_id_of_several_keys_is_not_guessed(self, house: Gatehouse) -> None:
        for who in ("ann", "bob"):
            value(house.keys.add(KeyRecord(client_id=who, hash="h", created_at=1.0, key_id="00000000")))
        with pytest.raises(BadParameter, match=r"several keys.*ann, bob"):
            told(house, "keys.revoke", subject="00000000")

    @pytest.mark.parametrize("subject", ["nobody", None, 7, ""])
    def test_nothing_to_revoke(self, house: Gatehouse, subject: object) -> None:
        with pytest.raises(NotFound, match="newage keys list"):
            told(house, "keys.revoke", subject=subject)


class TestUnlock:
    def lock(self, house: Gatehouse, *client_ids: str) -> None:
        for client_id in client_ids:
            place, guess = Place(client_id, REMOTE.address), Guess(b"wrong", "/llm")
            for _ in range(10):
                house.limiter.begin(place, guess)
                house.limiter.end(place, guess, failed=True)
            assert house.limiter.is_locked(place)

    def test_one_or_all(self, house: Gatehouse, logged: Logged) -> None:
        self.lock(house, "ann", "bob")
        assert told(house, "unlock", clientId="ann") == {
            "unlocked": [{"address": REMOTE.address, "clientId": "ann"}],
            "count": 1,
        }
        assert not house.limiter.is_locked(Place("ann", REMOTE.address))
        assert told(house, "unlock", clientId=None)["unlocked"][0]["clientId"] == "bob"
        assert told(house, "unlock")["count"] == 0
        assert [(fact["action"], fact["client"], fact["unlocked"]) for fact in logged.audited()] == [
            ("login.unlock", "ann", 1),
            ("login.unlock", "everybody", 1),
            ("login.unlock", "everybody", 0),
        ]

    def test_a_strange_id(self, house: Gatehouse) -> None:
        with pytest.raises(BadParameter):
            told(house, "unlock", clientId=7)


@pytest.mark.parametrize("do", ["", None, "keys.print", ["keys.new"]])
def test_an_unknown_command(house: Gatehouse, do: Any) -> None:
    with pytest.raises(NewAgeError, match="does not know that command"):
        told(house, do)
