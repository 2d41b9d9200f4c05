"""What waits, for what, and at which place: all ways of waiting as one list (contract 5.4; A18, A22, A32)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from attrs import define

from newage.domain.model import Caller
from newage.domain.policy import may_read
from newage.domain.request import Queued, Request, Waiting
from newage.errors import RoomMissing
from newage.services.requests.held import HeldRequests
from newage.services.requests.queues import HostQueues
from newage.services.requests.slots import Pacer
from newage.services.rooms.registry import RoomRegistry
from newage.services.sessions.sessions import SessionService
from newage.services.world import World


@define(eq=False, kw_only=True)
class WaitingLines:
    """A look, without a memory of its own. The next one stands first in each line.

    The line of an extension is what it was sent in vain, then what waits for its turn, of all rooms; what is merged
    stands where its whole does.
    """

    _world: World
    _sessions: SessionService
    _rooms: RoomRegistry
    _queues: HostQueues
    _pacer: Pacer
    _held: HeldRequests

    def all(self) -> dict[Request, Waiting]:
        """For its turn, for an extension, for its host; what waits at several extensions where it comes soonest."""
        found: dict[Request, Waiting] = {}
        for extension, line in self._of_extensions().items():
            self._enter(found, "turn" if self._sessions.is_available(extension) else "extension", line, extension)
        asked: defaultdict[str, list[Request]] = defaultdict(list)
        for request in self._held.asked():
            asked[request.room_id].append(request)
        for line in asked.values():
            self._enter(found, "extension", line)
        for line in self._queues.all():
            self._enter(found, "host", line)
        return found

    def seen(self, actor: Caller, name: str) -> list[Queued]:
        """What waits of a room: who is in it sees what is said there, and so what waits to be answered; what somebody
        asked for himself alone only he sees (A19).

        :raises RoomMissing: there is none that is the actor's to read.
        """
        room = self._rooms.seen(actor, name)
        if room is None or not may_read(actor, room):
            raise RoomMissing("Room not found")
        return [
            self._queued(request, waiting)
            for request, waiting in self.all().items()
            if request.room_id == room.id and not request.ask.submits and self._shows(actor, request)
        ]

    # ------------------------------------------------------------------------------------------------------ internals

    def _of_extensions(self) -> dict[str, list[Request]]:
        lines = dict(self._held.lost())
        for extension in self._pacer.extensions:
            lines[extension] = [*lines.get(extension, ()), *self._pacer.line(extension)]
        return lines

    @staticmethod
    def _enter(found: dict[Request, Waiting], what: str, line: Iterable[Request], extension: str = "") -> None:
        requests = list(line)
        for position, request in enumerate(requests, start=1):
            if not request.waits or (request in found and found[request].position <= position):
                continue
            waiting = Waiting(what=what, position=position, of=len(requests), extension=extension)
            for each in (*request.merged, request):
                if each.live:
                    found[each] = waiting

    @staticmethod
    def _shows(actor: Caller, request: Request) -> bool:
        own = (actor.identity, actor.client_id) == (request.identity, request.client_id)
        return own or bool(request.message_id)

    def _queued(self, request: Request, waiting: Waiting) -> Queued:
        return Queued(
            request_id=request.request_id,
            identity=request.identity,
            name=self._sessions.named(request.identity).name,
            message_id=request.message_id,
            since=self._world.wall() - (self._world.clock.seconds() - request.created_at),
            waiting=waiting,
        )
