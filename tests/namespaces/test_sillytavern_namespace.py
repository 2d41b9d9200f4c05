"""``/sillytavern``: an extension says which one it is, gets a key, and leaves its settings (contract 3.7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail

from authkit import EXTENSION, FakeSocket, Gatehouse, extension_appears, ok, refused, strict_house
from deferreds import value
from newage.domain.model import KeyRecord
from newage.errors import Unavailable
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.sillytavern import ExtensionSettings, SillyTavernSettings
from newage.services.accounts.hashing import Turn
from newage.storage.memory import MemoryKeyStore


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    return strict_house(tmp_path)


@pytest.fixture
def kept() -> ExtensionSettings:
    return ExtensionSettings(SillyTavernSettings(max_client_settings_bytes=100, max_client_settings_entries=2))


@pytest.fixture
def tavern(house: Gatehouse, kept: ExtensionSettings) -> Namespace:
    return house.sillytavern_namespace(kept)


def identify(house: Gatehouse, tavern: Namespace, client_id: str = EXTENSION, *payload: Any, **auth: Any) -> Any:
    socket = FakeSocket(house, tavern).connect({"clientId": client_id, "clientType": "SillyTavern", **auth})
    return socket.ask("IDENTIFY_SILLYTAVERN", *(payload or ({"clientId": client_id},)))


class TestIdentify:
    def test_gives_a_key_each_time_and_the_old_ones_stay(self, house: Gatehouse, tavern: Namespace) -> None:
        first, second = identify(house, tavern), identify(house, tavern)
        assert ok(first)
        assert first["clientId"] == EXTENSION
        for body in (first, second):
            assert value(house.keys.verify(EXTENSION, body["key"], Turn()))

    def test_a_second_tab_is_warned_and_gets_its_key(self, house: Gatehouse, tavern: Namespace) -> None:
        """Scenario 8."""
        first = identify(house, tavern)["key"]
        extension_appears(house, f"{EXTENSION}-tab")
        body = identify(house, tavern)
        assert (body["status"], body["success"]) == ("warning", True)
        assert body["message"] == "SillyTavern already connected."
        assert body["key"] not in ("", first)
        assert value(house.keys.verify(EXTENSION, first, Turn()))

    @pytest.mark.parametrize("payload", [{"clientId": "SillyTavern-9000"}, {"clientId": 7}, "web1", {"clientId": {}}])
    def test_for_oneself_only(self, house: Gatehouse, tavern: Namespace, payload: object) -> None:
        assert refused(identify(house, tavern, EXTENSION, payload)) == "Unauthorized"
        assert house.keys.client_ids() == ()

    @pytest.mark.parametrize("payload", [None, {}, EXTENSION])
    def test_whoever_says_nothing_else_means_himself(
        self, house: Gatehouse, tavern: Namespace, payload: object
    ) -> None:
        assert ok(identify(house, tavern, EXTENSION, payload))

    def test_only_ids_of_extensions(self, house: Gatehouse, tavern: Namespace) -> None:
        assert refused(identify(house, tavern, "my-extension")) == "Unauthorized"

    def test_network_safe_trusts_it_in_memory(self, house: Gatehouse, tavern: Namespace) -> None:
        identify(house, tavern, "SillyTavern-1234")
        assert house.trust.knows("SillyTavern-1234", network_safe=True)
        assert not house.trust.knows("SillyTavern-1234", network_safe=False)

    def test_strict_without_a_key(self, house: Gatehouse, tavern: Namespace) -> None:
        house.network_safe = False
        assert ok(identify(house, tavern, key="getKey"))
        socket = FakeSocket(house, tavern).connect({"clientId": EXTENSION, "clientType": "SillyTavern"})
        assert refused(socket.ask("CLIENT_SETTINGS", {"a": 1})) == "Unauthorized"
        unknown = FakeSocket(house, tavern).connect({"clientId": "SillyTavern-1", "clientType": "SillyTavern"})
        assert unknown.refusal == "Client is not trusted."

    def test_leaving_changes_nothing_about_the_extension(self, house: Gatehouse, tavern: Namespace) -> None:
        """Scenario 15."""
        extension_appears(house)
        socket = FakeSocket(house, tavern).connect({"clientId": EXTENSION, "clientType": "SillyTavern"})
        socket.ask("IDENTIFY_SILLYTAVERN", {"clientId": EXTENSION})
        socket.disconnect()
        assert [session.identity for session in house.sessions.available_extensions()] == [EXTENSION]


class TestClientSettings:
    def test_are_kept_in_memory_and_bounded(self, house: Gatehouse, tavern: Namespace, kept: ExtensionSettings) -> None:
        for port in (1, 2, 3):
            socket = FakeSocket(house, tavern).connect({"clientId": f"SillyTavern-{port}", "clientType": "SillyTavern"})
            assert ok(socket.ask("CLIENT_SETTINGS", {"port": port, "__proto__": {"x": 1}}))
        assert kept.of("SillyTavern-3") == {"port": 3}
        assert kept.of("SillyTavern-1") == {}
        assert refused(socket.ask("CLIENT_SETTINGS", {"x": "y" * 100})) == "The settings are too large."
        assert refused(socket.ask("CLIENT_SETTINGS", [1])) == "Invalid request data."
        assert refused(socket.ask("CLIENT_SETTINGS", {"a": [{"b": b"attached"}]})) == "Invalid request data."
        assert kept.of("SillyTavern-3") == {"port": 3}


class FullStore(MemoryKeyStore):
    def add_key(self, record: KeyRecord) -> Deferred[None]:
        return fail(Unavailable("The store refused."))


def test_a_key_that_is_not_durable_is_not_given_out(tmp_path: Path) -> None:
    house = Gatehouse(tmp_path, network_safe=True, store=FullStore())
    kept = ExtensionSettings(SillyTavernSettings())
    tavern = house.sillytavern_namespace(kept)
    assert refused(identify(house, tavern)) == "The store refused."
    assert house.keys.records(EXTENSION) == ()
