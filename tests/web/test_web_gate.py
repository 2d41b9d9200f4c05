"""Who is let in, whose a socket is, and what the log says of it (contract 2.12, B1)."""

from __future__ import annotations

import os
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from web_doubles import House, with_settings

from logkit import Logged
from newage.domain.model import Peer
from newage.web.gate import PROBE

POLLING = "/socket.io/?EIO=4&transport=polling"


def peer_of(house: House) -> Peer:
    connection = house.engines.get(f"sid{house._made}")
    assert connection is not None
    return connection.peer


def test_whose_a_socket_is_is_asked_once_and_only_when_somebody_wants_to_know() -> None:
    asked: list[tuple[tuple[str, int], tuple[str, int]]] = []

    def lookup(ours: tuple[str, int], theirs: tuple[str, int]) -> int:
        asked.append((ours, theirs))
        return os.geteuid()

    house = House(owner_lookup=lookup)
    house.ask(POLLING)
    peer = peer_of(house)
    assert not asked
    assert peer.owned() and peer.owned()
    assert asked == [(("127.0.0.1", 4000), ("127.0.0.1", 50_000))]


@pytest.mark.parametrize("owner", [None, os.geteuid() + 1])
def test_other_uid_is_not_ours(owner: int | None) -> None:
    house = House(owner_lookup=lambda ours, theirs: owner)
    house.ask(POLLING)
    assert peer_of(house).local
    assert not peer_of(house).owned()


@pytest.mark.parametrize("headers", [{"X_Real_IP": "203.0.113.7"}, {"Host": "host.docker.internal:4000"}])
def test_who_is_remote_owns_nothing(headers: dict[str, Any]) -> None:
    house = House(owner_lookup=lambda ours, theirs: os.geteuid())
    house.ask(POLLING, **headers)
    assert not peer_of(house).owned()


def test_a_trusted_network_owns_nothing() -> None:
    house = House(with_settings(trusted_networks=["10.0.0.0/8"]), owner_lookup=lambda ours, theirs: os.geteuid())
    house.line("10.0.0.7").ask(POLLING)
    assert peer_of(house).local
    assert not peer_of(house).owned()


def test_the_owner_is_the_one_of_the_socket_that_speaks() -> None:
    """A program's polling GET may be over when its CONNECT comes on another connection."""
    owners = iter([None, os.geteuid()])
    house = House(owner_lookup=lambda ours, theirs: next(owners))
    url = house.open_polling()
    assert not peer_of(house).owned()
    house.ask(url, "POST", b"4x")
    assert peer_of(house).owned()


def test_a_poll_that_is_over_hides_no_websocket() -> None:
    house = House(owner_lookup=lambda ours, theirs: os.geteuid() if theirs[1] == 50_001 else None)
    url = house.open_polling()
    upgrade = house.line()
    upgrade.transport.peerAddr = IPv4Address("TCP", "127.0.0.1", 50_001)
    upgrade.open_websocket(url.replace("polling", "websocket"))
    house.line().request(url)
    assert peer_of(house).owned()


def test_the_log_names_the_dissenter_within_a_quota(logged: Logged) -> None:
    house = House()
    for _ in range(20):
        house.ask(POLLING, X_Real_IP="203.0.113.7")
    lines = [line for line in logged() if "counts as remote" in line]
    assert 0 < len(lines) <= 5
    assert "X-Real-Ip" in lines[0] and "203.0.113.7" not in lines[0]
    house.clock.advance(1)
    house.ask(POLLING, Origin="http://192.168.1.20:8000")
    (line,) = [line for line in logged() if "counts as remote" in line and "Origin" in line]
    assert "15 more" in line


def test_the_log_says_which_names_a_local_host_has(logged: Logged) -> None:
    House().ask(POLLING, Host="192.168.1.20:4000")
    (line,) = [line for line in logged() if "counts as remote" in line]
    assert line.endswith("Host is not localhost or another loopback name")


def test_a_refusal_names_itself_its_cause_and_its_cure_within_a_quota(logged: Logged) -> None:
    """Contract 2.12, B1."""
    house = House()
    assert {house.ask(POLLING, Host="evil.example").status for _ in range(20)} == {403}
    lines = [line for line in logged() if "(403)" in line]
    assert 0 < len(lines) <= 5
    assert "evil.example" in lines[0] and "allowed_hosts" in lines[0]
    house.clock.advance(1)
    house.ask(POLLING, Origin="http://evil.example")
    assert any("cors_origins" in line for line in logged())


# ---------------------------------------------------------------------------------------- the question to itself


def test_the_expected_question_is_recognised_once() -> None:
    house = House()
    told: list[bool] = []
    house.site.gate.expect("a nonce", told.append)
    house.ask(f"{POLLING}&{PROBE}=another")
    assert told == []
    house.ask(f"{POLLING}&{PROBE}=a%20nonce", X_Real_IP="203.0.113.7")
    assert told == [False]
    house.ask(f"{POLLING}&{PROBE}=a%20nonce")
    assert told == [False]
    assert not house.site.gate.expect_nothing()


def test_what_comes_by_a_proxy_and_looks_local_is_told_so() -> None:
    house = House()
    told: list[bool] = []
    house.site.gate.expect("nonce", told.append)
    house.ask(f"{POLLING}&{PROBE}=nonce")
    assert told == [True]


def test_a_question_may_be_given_up() -> None:
    house = House()
    house.site.gate.expect("nonce", lambda proxied: pytest.fail("nobody waits any more"))
    assert house.site.gate.expect_nothing()
    assert not house.site.gate.expect_nothing()
    house.ask(f"{POLLING}&{PROBE}=nonce")


def test_behind_a_proxy_nobody_is_local_any_more() -> None:
    house = House()
    house.ask(POLLING)
    assert peer_of(house).local
    house.site.gate.act_behind_proxy()
    house.ask(POLLING)
    assert not peer_of(house).local
