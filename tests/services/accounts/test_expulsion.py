"""Revoking ends the sessions that a credential let in (contract 2.8, A14)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from authkit import EXTENSION, LOCAL, REMOTE, FakeSocket, Gatehouse
from deferreds import value
from newage.domain.model import Agent, Rank, Scope
from newage.errors import ClientMissing
from newage.gateway.socketio.dispatch import Namespace
from newage.services.accounts.expulsion import NO_ADMINISTRATOR, REVOKED, UNTRUSTED
from newage.services.accounts.keys import Grant
from newage.services.sessions.admissions import EXPIRED

PAGE = LOCAL._replace(agent=Agent.OWN_PAGE)


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    house = Gatehouse(tmp_path, network_safe=True)
    house.trusts("web1", "web2", EXTENSION, "monitor")
    return house


@pytest.fixture
def space(house: Gatehouse) -> Namespace:
    return house.clients_namespace()


def enter(house: Gatehouse, space: Namespace, client_id: str, **auth: Any) -> FakeSocket:
    peer = auth.pop("peer", REMOTE)
    socket = FakeSocket(house, space, peer).connect({"clientId": client_id, **auth})
    assert socket.refusal is None
    return socket


def end_of(house: Gatehouse, socket: FakeSocket) -> str | None:
    """What it was told when it was put out, in the next turn; None while it is there."""
    house.clock.advance(0)
    said = [body["message"] for body in house.outbox.bodies(socket.sid, "ERROR")]
    return said[-1] if said and not socket.connected else None


def test_every_socket_that_a_key_let_in(house: Gatehouse, space: Namespace) -> None:
    key, others = house.issue("web1"), house.issue("web2")
    mine = [enter(house, space, "web1", key=key, identity=name) for name in ("web1", "web1-tab", "web1")]
    other, keyless = enter(house, space, "web2", key=others), enter(house, space, "web1", peer=LOCAL)
    monitor = enter(house, space, "monitor", clientType="monitor", peer=LOCAL)
    assert monitor.ask("REMOVE_CLIENT_KEY", {"targetClientId": "web1"})["success"]
    assert [end_of(house, each) for each in mine] == [REVOKED] * 3
    assert [end_of(house, each) for each in (other, keyless, monitor)] == [None] * 3
    assert house.sessions.sids("web1-tab", "/clients") == ()


def test_the_operators_command_does_so(house: Gatehouse, space: Namespace) -> None:
    first = value(house.keys.generate("web1", local=True, grant=Grant(key_id="0badcafe")))
    second = house.issue("web1")
    sockets = [enter(house, space, "web1", key=key) for key in (first, second)]
    value(house.operator.handle({"do": "keys.revoke", "subject": "0badcafe"}))
    assert [end_of(house, each) for each in sockets] == [REVOKED, None]
    value(house.operator.handle({"do": "keys.revoke", "subject": "web1"}))
    assert end_of(house, sockets[1]) == REVOKED


def test_who_removes_its_own_keys_is_answered_first(house: Gatehouse, space: Namespace) -> None:
    house.network_safe = False
    socket = enter(house, space, EXTENSION, key=house.issue(EXTENSION), clientType="SillyTavern")
    assert socket.ask("REMOVE_CLIENT_KEY", {"targetClientId": EXTENSION})["success"]
    assert socket.connected
    assert end_of(house, socket) == REVOKED


def test_a_key_that_goes_for_another_one_ends_nothing_until_all_are_revoked(tmp_path: Path) -> None:
    house = Gatehouse(tmp_path, network_safe=True, max_keys_per_client=2)
    house.trusts("web1")
    socket = enter(house, house.clients_namespace(), "web1", key=house.issue("web1"))
    for _ in range(3):
        house.issue("web1")
    assert end_of(house, socket) is None
    value(house.revocation.of_client("web1"))
    assert end_of(house, socket) == REVOKED


def test_a_key_that_is_over(house: Gatehouse, space: Namespace) -> None:
    socket = enter(house, space, "web1", key=value(house.keys.generate("web1", local=True, grant=Grant(seconds=60))))
    house.clock.advance(59)
    assert end_of(house, socket) is None
    house.clock.advance(1)
    assert end_of(house, socket) == EXPIRED


class TestTrust:
    def test_that_a_settings_file_takes_back(self, house: Gatehouse, space: Namespace) -> None:
        socket = enter(house, space, "web1", key=house.issue("web1"))
        keyless = enter(house, space, "web1", peer=LOCAL)
        house.trusts("web2", desc="another file changes")
        assert end_of(house, socket) is None
        house.write("settings/web1.json", {"clientId": "web1", "isTrust": False})
        value(house.trust.rescan())
        assert (end_of(house, socket), end_of(house, keyless)) == (UNTRUSTED, None)

    def test_that_goes_with_a_file(self, house: Gatehouse, space: Namespace) -> None:
        socket = enter(house, space, "web1", key=house.issue("web1"))
        (house.home / "settings/web1.json").unlink()
        value(house.trust.rescan())
        assert end_of(house, socket) == UNTRUSTED

    def test_that_was_given_at_run_time(self, house: Gatehouse, space: Namespace) -> None:
        value(house.trust.trust("new"))
        house.write("settings/pw.json", {"clientId": "pw", "isTrust": True, "sillyTavernPassWord": "secret"})
        value(house.trust.rescan())
        socket = FakeSocket(house, house.auth_namespace(), REMOTE).connect({"clientId": "pw", "password": "secret"})
        value(house.revocation.of_client("pw"))
        assert end_of(house, socket) is None  # its file trusts it, and its password is what it was
        by_key = enter(house, space, "new", key=house.issue("new"))
        value(house.revocation.of_client("new"))
        assert end_of(house, by_key) == REVOKED

    def test_of_one_that_has_no_key_yet(self, house: Gatehouse) -> None:
        house.network_safe = False
        socket = FakeSocket(house, house.auth_namespace(), LOCAL).connect({"clientId": "web1"})
        assert socket.caller.bootstrap
        house.write("settings/web1.json", {"clientId": "web1", "isTrust": False})
        value(house.trust.rescan())
        assert end_of(house, socket) == UNTRUSTED

    def test_as_an_administrator(self, house: Gatehouse, space: Namespace) -> None:
        house.trusts("boss", isAdmin=True)
        key, client = house.issue("boss"), house.issue("web1")
        by_scope = value(house.keys.generate("web2", local=True, grant=Grant(rank=Rank.ADMIN, scope=Scope.ADMIN)))
        boss = enter(house, space, "boss", key=key, clientType="monitor", peer=PAGE)
        as_client = enter(house, space, "boss", key=key)
        other = enter(house, space, "web1", key=client)
        made = enter(house, space, "web2", key=by_scope, clientType="monitor", peer=PAGE)
        house.trusts("boss", isAdmin=False)
        assert end_of(house, boss) == NO_ADMINISTRATOR
        assert [end_of(house, each) for each in (as_client, other, made)] == [None] * 3

    def test_a_change_of_network_safe_ends_nothing(self, house: Gatehouse, space: Namespace) -> None:
        local, remote = enter(house, space, "nobody", peer=LOCAL), enter(house, space, "web1", key=house.issue("web1"))
        house.network_safe = False
        house.trusts("web2", desc="changed")
        assert (end_of(house, local), end_of(house, remote)) == (None, None)

    def test_who_logged_in_though_nothing_was_asked_stays(self, house: Gatehouse) -> None:
        house.write("settings/pw.json", {"clientId": "pw", "isTrust": True, "sillyTavernPassWord": "secret"})
        value(house.trust.rescan())
        socket = FakeSocket(house, house.auth_namespace(), LOCAL).connect({"clientId": "pw"})
        assert socket.ask("LOGIN", {"clientId": "pw", "password": "secret"})["success"]
        (house.home / "settings/pw.json").unlink()
        value(house.trust.rescan())
        assert end_of(house, socket) is None


class TestDisconnect:
    def test_ends_all_sockets_of_a_client_or_of_one_identity(self, house: Gatehouse, space: Namespace) -> None:
        monitor = enter(house, space, "monitor", clientType="monitor", peer=LOCAL)
        key = house.issue("web1")
        tabs = [enter(house, space, "web1", key=key, identity=name) for name in ("web1", "web1-tab", "web1-tab")]
        local = enter(house, space, "web1", peer=LOCAL)

        def ask(**payload: object) -> Any:
            return monitor.ask("DISCONNECT_CLIENT", {"targetClientId": "web1", **payload})

        assert ask(identity="web1-tab", reason="Good night.") == {"status": "ok", "success": True, "sockets": 2}
        assert [end_of(house, each) for each in tabs] == [None, "Good night.", "Good night."]
        assert ask(identity="web1-tab")["errorCode"] == 401
        assert ask()["sockets"] == 2
        assert end_of(house, tabs[0]) == end_of(house, local) == "You were disconnected by an administrator."
        assert enter(house, space, "web1", key=key).connected  # it may come back

    def test_who_disconnects_itself_is_answered_first(self, house: Gatehouse, space: Namespace) -> None:
        monitor = enter(house, space, "monitor", clientType="monitor", peer=LOCAL)
        assert monitor.ask("DISCONNECT_CLIENT", {"targetClientId": "monitor"})["sockets"] == 1
        assert end_of(house, monitor) is not None

    def test_is_for_administrators_and_not_above_their_rank(self, house: Gatehouse, space: Namespace) -> None:
        monitor = enter(house, space, "monitor", clientType="monitor", peer=LOCAL)
        extension = enter(house, space, EXTENSION, clientType="SillyTavern", peer=LOCAL)
        for stranger in (extension, enter(house, space, "web2", peer=LOCAL)):
            answer = stranger.ask("DISCONNECT_CLIENT", {"targetClientId": "monitor"})
            assert (answer["message"], answer["errorCode"]) == ("Unauthorized", 6)
        grant = Grant(rank=Rank.CLIENT)
        poor = house.caller("poor", client_type="monitor", rank=Rank.CLIENT)
        value(house.keys.generate("poor", local=True, grant=grant))
        with pytest.raises(ClientMissing, match=r"Client not found\."):
            house.expulsion.disconnect(poor, "monitor", None, "")
        assert monitor.connected

    @pytest.mark.parametrize("target", ["nobody", "web2"])
    def test_nobody(self, house: Gatehouse, space: Namespace, target: str) -> None:
        monitor = enter(house, space, "monitor", clientType="monitor", peer=LOCAL)
        answer = monitor.ask("DISCONNECT_CLIENT", {"targetClientId": target})
        assert (answer["message"], answer["errorCode"]) == ("Client not found.", 401)

    @pytest.mark.parametrize(
        "payload",
        [
            None,
            {},
            "web1",
            {"targetClientId": []},
            {"targetClientId": "web1", "identity": {}},
            {"targetClientId": "web1", "reason": 7},
            {"targetClientId": "web1", "reason": "x" * 513},
        ],
    )
    def test_what_cannot_be_read(self, house: Gatehouse, space: Namespace, payload: object) -> None:
        monitor = enter(house, space, "monitor", clientType="monitor", peer=LOCAL)
        assert monitor.ask("DISCONNECT_CLIENT", payload)["message"] == "Invalid request data."
