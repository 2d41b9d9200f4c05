"""What the hub says of itself under SERVER_STATUS (contract 10.2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from attrs import define, field

from newage import __version__
from newage.assembly.talk import Talk
from newage.domain.model import Caller
from newage.domain.policy import may_see
from newage.domain.status import HubStatus
from newage.services.home.server_file import ServerFile
from newage.services.sessions.sessions import SessionService
from newage.services.world import World


@define(eq=False, kw_only=True)
class Status:
    """Made when the hub is; a call gives its state.

    :param port: the one that is listened on.
    """

    _world: World
    _port: Callable[[], int]
    _server_file: ServerFile
    _sessions: SessionService
    _talk: Talk
    _wall: float = field(init=False)
    _clock: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._wall, self._clock = self._world.wall(), self._world.clock.seconds()

    def __call__(self, actor: Caller | None = None) -> HubStatus:
        """:param actor: who asks over the wire; None is the operator, who sees all rooms."""
        talk = self._talk
        return HubStatus(
            port=self._port(),
            address=self._server_file.values.get("serverAddress"),
            network_safe=self._server_file.network_safe,
            started=_local(self._wall),
            uptime=int(self._world.clock.seconds() - self._clock),
            version=__version__,
            clients=len(self._sessions.online_sessions()),
            extensions=talk.assignments.extensions(),
            rooms=sum(1 for room in talk.rooms.all() if actor is None or may_see(actor, room)),
            live_requests=talk.requests.live_count,
            open_outputs=talk.streams.open_outputs,
            policy=talk.assignments.policy,
            default_mode=talk.default_mode.mode,
            memory_bytes=_resident_bytes(),
        )


def _local(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}"


def _resident_bytes() -> int:
    """What the process holds now; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096
    except (OSError, ValueError, IndexError):
        return 0
