"""SERVER_STATUS (contract 10.2)."""

from __future__ import annotations

from pathlib import Path

from corekit import ThreadedClock, ephemeral_core
from newage import __version__
from newage.domain.model import ConnectionPolicy, RequestMode
from newage.domain.status import HubStatus


def test_what_the_hub_says_of_itself(tmp_path: Path) -> None:
    clock = ThreadedClock()
    core = ephemeral_core(tmp_path, clock)
    clock.advance(7.9)
    status = core.status()
    assert status.memory_bytes > 0
    assert status.started
    assert status == HubStatus(
        port=4711,
        address="http://localhost",
        network_safe=True,
        started=status.started,
        uptime=7,
        version=__version__,
        clients=0,
        extensions=(),
        rooms=0,
        live_requests=0,
        open_outputs=0,
        policy=ConnectionPolicy.FREE,
        default_mode=RequestMode.DEFAULT,
        memory_bytes=status.memory_bytes,
    )
