"""As many connections are taken as there are descriptors for."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from logkit import Logged
from newage.daemon.descriptors import RESERVED, DescriptorLimit, connections, raise_limit


@pytest.fixture
def limits() -> Iterator[tuple[int, int]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_soft_limit_is_raised_as_far_as_is_wanted(limits: tuple[int, int]) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    assert raise_limit(300) == 300
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, limits[1])
    assert raise_limit(200) == 200
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, limits[1])


def test_never_beyond_the_hard_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 400))
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: asked.append(both))
    assert raise_limit(12_000) == 400
    assert asked == [(400, 400)]


def test_a_system_that_refuses_leaves_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int, __: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert raise_limit(12_000) == 256


@pytest.mark.parametrize(("hard", "granted"), [(12_128, 12_000), (1_024, 1_024 - RESERVED), (100, 1)])
def test_what_they_leave_for_clients(hard: int, granted: int, monkeypatch: pytest.MonkeyPatch, logged: Logged) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: None)
    assert connections(12_000) == granted
    DescriptorLimit(12_000, granted).startService()
    assert [f"{granted} connections at once, not 12000" in line for line in logged()] == [True] * (granted < 12_000)
