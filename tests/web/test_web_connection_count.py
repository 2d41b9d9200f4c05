"""How many connections there may be, in total and of one address (contract 16.2)."""

from __future__ import annotations

from web_doubles import House, with_settings

from newage.web.connection_count import ConnectionCount


def test_connections_of_one_address_are_limited() -> None:
    house = House(with_settings(max_connections_per_address=2))
    lines = [house.line("203.0.113.7") for _ in range(3)]
    assert [line.protocol is not None for line in lines] == [True, True, False]
    assert house.line("203.0.113.8").protocol is not None
    assert all(house.line("127.0.0.1").protocol is not None for _ in range(5)), "loopback is exempt"
    lines[0].transport.lose()
    assert house.line("203.0.113.7").protocol is not None


def test_trusted_proxies_are_exempt() -> None:
    house = House(with_settings(max_connections_per_address=1, trusted_proxies=["203.0.113.7"]))
    assert all(house.line("203.0.113.7").protocol is not None for _ in range(5))


def test_connections_in_total_are_limited() -> None:
    house = House(with_settings(max_connections=3))
    lines = [house.line() for _ in range(4)]
    assert [line.protocol is not None for line in lines] == [True, True, True, False]
    for line in lines[:3]:
        line.transport.lose()
    assert house.site.connections.total == 0


def test_counts_return_to_nothing() -> None:
    count = ConnectionCount(with_settings(max_connections_per_address=2), lambda address: address == "::1")
    for address in ("a", "a", "b", "::1"):
        assert count.take(address)
    assert not count.take("a")
    for address in ("a", "a", "b", "::1"):
        count.give_back(address)
    assert count.total == 0
    assert count._each == {}
