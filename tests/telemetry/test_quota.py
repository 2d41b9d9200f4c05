"""How often a line that peers can provoke is logged."""

from __future__ import annotations

from newage.telemetry.quota import MAX_ADDRESSES, AddressQuotas, LogQuota, left_out


def test_a_quota_says_how_much_it_kept_back() -> None:
    times = iter([0.0, 0.1, 0.2, 0.9, 1.0, 1.1, 5.0])
    quota = LogQuota(2, lambda: next(times))
    assert [quota.take() for _ in range(7)] == [0, 0, None, None, 2, 0, 0]


def test_a_line_ends_with_how_many_were_left_out_before_it() -> None:
    assert left_out(0) == ""
    assert left_out(3) == " (3 more were not logged)"
    assert left_out(3, "ends before") == " (3 ends before were not logged)"


def test_addresses_are_bounded() -> None:
    quotas = AddressQuotas(1, lambda: 0.0)
    assert quotas.take("first") == 0
    for number in range(MAX_ADDRESSES - 1):
        quotas.take(f"10.{number}")
    assert quotas.take("first") is None
    quotas.take("one more")
    assert quotas.take("first") is None, "who was heard last is kept"
    assert quotas.take("10.0") == 0
