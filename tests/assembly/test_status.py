"""SERVER_STATUS (contract 10.2)."""

from __future__ import annotations

from pathlib import Path

from corekit import ThreadedClock, ephemeral_core
from hubkit import HOME, result_of
from newage import __version__
from newage.domain.model import Access, Caller, ConnectionPolicy, RequestMode, Session
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


def test_nobody_is_told_of_rooms_by_their_number(tmp_path: Path) -> None:
    """Of an invited room its members and administrators know, and who operates the hub on its machine (A41)."""
    core = ephemeral_core(tmp_path, ThreadedClock())
    ann = Session(client_id="ann", identity="ann")
    result_of(core.talk.rooms.create("hideout", ann, Access.INVITED))
    for session, sensitive, rooms in [
        (ann, False, 1),
        (Session(client_id="SillyTavern-1", identity="SillyTavern-1", client_type="SillyTavern"), True, 0),
        (Session(client_id="monitor", identity="monitor", client_type="monitor"), True, 1),
    ]:
        actor = Caller(sid="s", namespace="/debug", session=session, peer=HOME, sensitive=sensitive)
        assert core.status(actor).rooms == rooms
    assert core.status().rooms == 1
