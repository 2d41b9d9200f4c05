"""Issuing, revoking and listing the keys of others (contract 3.6, A11)."""

from __future__ import annotations

from pathlib import Path

import pytest

from authkit import Gatehouse
from deferreds import value
from newage.domain.model import Caller
from newage.errors import ClientMissing, NotAuthorised, Unavailable

EXTENSION = "SillyTavern-8000"


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    house = Gatehouse(tmp_path)
    house.trusts("web1", EXTENSION, "SillyTavern-9000", "monitor")
    return house


def extension(house: Gatehouse, **caller: object) -> Caller:
    return house.caller(EXTENSION, client_type="SillyTavern", **caller)


def admin(house: Gatehouse, **caller: object) -> Caller:
    return house.caller("monitor", client_type="monitor", **caller)


def generate(house: Gatehouse, caller: Caller, client_id: str) -> str:
    key: str = value(house.administration.generate(caller, client_id))
    return key


def test_an_extension_makes_keys_for_the_trusted_and_the_connected(house: Gatehouse) -> None:
    caller = extension(house)
    house.caller("guest", identity="guest-tab")
    for client_id in ("web1", "guest", EXTENSION):
        key = generate(house, caller, client_id)
        assert value(house.keys.verify(client_id, key, "lane"))
        assert house.trust.knows(client_id, network_safe=False)
    assert house.trust.is_runtime_trusted("guest")
    assert not house.trust.is_runtime_trusted("web1")
    for stranger in ("unknown", "guest-tab", "", "a/b", "server", "x" * 200):
        with pytest.raises(ClientMissing, match=r"^Client not found\.$"):
            generate(house, caller, stranger)


def test_a_trusted_file_that_has_just_appeared_counts(house: Gatehouse) -> None:
    house.clock.advance(5)
    house.write("settings/new.json", {"clientId": "new", "isTrust": True})
    assert generate(house, extension(house), "new")


@pytest.mark.parametrize("other", ["SillyTavern-9000", "SillyTavern-7", "disguised"])
def test_an_extension_has_no_say_over_another(house: Gatehouse, other: str) -> None:
    caller = extension(house)
    house.caller("disguised", client_type="extension")
    for act in (house.administration.generate, house.administration.remove):
        with pytest.raises(NotAuthorised, match=r"^Unauthorized$"):
            value(act(caller, other))


def test_an_administrator_makes_keys_for_anybody_who_is_thereby_trusted(house: Gatehouse) -> None:
    """A11."""
    for client_id in ("brand-new", "SillyTavern-9000"):
        assert value(house.keys.verify(client_id, generate(house, admin(house), client_id), "lane"))
        assert house.trust.knows(client_id, network_safe=False)
    assert value(house.store.load_trusted()) == ("brand-new",)
    for bad in ("server", "a/b", ""):
        with pytest.raises(ClientMissing):
            generate(house, admin(house), bad)


def test_removing_takes_keys_and_granted_trust(house: Gatehouse) -> None:
    caller = admin(house)
    key = generate(house, caller, "brand-new")
    generate(house, caller, "web1")
    for client_id in ("brand-new", "web1", "never-seen"):
        assert value(house.administration.remove(caller, client_id)) is None
    assert value(house.keys.verify("brand-new", key, "lane")) is None
    assert not house.trust.knows("brand-new", network_safe=False)
    assert house.trust.knows("web1", network_safe=False)  # its file says so
    assert house.administration.overview(caller) == {}


def test_the_overview_is_masked_for_extensions(house: Gatehouse) -> None:
    generate(house, admin(house), "web1")
    generate(house, admin(house), "web1")
    hashed = house.keys.newest_hash("web1")
    assert house.administration.overview(admin(house)) == {"web1": {"key": hashed, "rooms": []}}
    assert house.administration.overview(extension(house)) == {"web1": {"key": "***", "rooms": []}}


def test_who_may_not(house: Gatehouse) -> None:
    callers = [
        house.caller("web1"),
        house.caller("web1", sensitive=True),
        extension(house, sensitive=False),
        admin(house, sensitive=False),
    ]
    for caller in callers:
        with pytest.raises(NotAuthorised):
            house.administration.overview(caller)
        for act in (house.administration.generate, house.administration.remove):
            with pytest.raises(NotAuthorised, match=r"^Unauthorized$"):
                value(act(caller, "web1"))


def test_there_is_a_limit(tmp_path: Path) -> None:
    house = Gatehouse(tmp_path, max_client_keys=2)
    generate(house, admin(house), "a")
    generate(house, admin(house), "b")
    with pytest.raises(Unavailable):
        generate(house, admin(house), "c")
    assert not house.trust.knows("c", network_safe=False)
