"""Model servers of the configuration become extensions of the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from twisted.web.client import Agent

from corekit import ThreadedClock, nothing
from newage.assembly.core import Core, make_core
from newage.assembly.upstreams import _Elsewhere
from newage.bridge.upstream_settings import Upstream, UpstreamSettings
from newage.config import Config, ServerSettings
from newage.domain.forwarded import ForwardedRequest
from newage.domain.model import ConnectionPolicy, RequestMode


def core(home: Path, agent: Any, *, demo: bool = False) -> Core:
    config = Config(
        server=ServerSettings(home=str(home), ephemeral=True, demo=demo),
        upstreams=tuple(Upstream(name=name, settings=UpstreamSettings()) for name in ("one", "two")),
    )
    return make_core(config, ThreadedClock(), set_debug=nothing, log_folder=None, port=lambda: 0, agent=agent)


def test_they_come_before_what_is_only_spare(tmp_path: Path) -> None:
    hub = core(tmp_path, Agent(ThreadedClock()), demo=True)
    assert [each.identity for each in hub.upstreams] == ["llm-one", "llm-two"]
    assert hub.inside == (*hub.upstreams, hub.demo)
    assert core(tmp_path, None).inside == ()


@frozen
class Rooms:
    policy: ConnectionPolicy
    serving: tuple[str, ...]

    def assigned(self, room: str) -> tuple[str, ...]:
        return self.serving


@pytest.mark.parametrize(
    ("policy", "serving", "wish", "expected"),
    [
        (ConnectionPolicy.FAILOVER, ("llm-one", "llm-two"), False, True),
        (ConnectionPolicy.FAILOVER, ("llm-one",), True, False),
        (ConnectionPolicy.FREE, ("llm-one", "llm-two"), False, False),
        (ConnectionPolicy.FREE, ("llm-one", "llm-two"), True, True),
    ],
)
def test_whether_another_would_be_asked(
    policy: ConnectionPolicy, serving: tuple[str, ...], wish: bool, expected: bool
) -> None:
    rooms: Any = Rooms(policy, serving)
    request = ForwardedRequest(
        request_id="r", target="llm-one", room="lobby", mode=RequestMode.DEFAULT, text="", failover=wish
    )
    assert _Elsewhere(rooms)(request) is expected
