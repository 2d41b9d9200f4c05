"""What extensions say of their work: START_PROCESSING and STOP_PROCESSING (contract 4.9, 5.6 d)."""

from __future__ import annotations

from attrs import frozen

from newage.domain.model import Caller, Kind
from newage.errors import NotAuthorised
from newage.ports import Said
from newage.services.requests.desks import Desks
from newage.services.requests.ledger import RequestLedger
from newage.services.rooms.activity import ActivityService
from newage.services.rooms.assignments import AssignmentService
from newage.services.streams.upstream import UpstreamService


@frozen(kw_only=True)
class ProcessingService:
    """For extensions alone, in rooms that they serve or are asked in.

    :raises NotAuthorised: it is no extension. :raises NotMember: it has nothing to do with that room.
    """

    _assignments: AssignmentService
    _activity: ActivityService
    _desks: Desks
    _ledger: RequestLedger
    _streams: UpstreamService

    def started(self, actor: Caller, room_name: str | None, request_id: str | None) -> None:
        """It is at work on a request, or on what it has of a room."""
        room, room_id = self._room(actor, room_name, request_id)
        self._ledger.started(actor.identity, request_id, room_id)
        self._activity.show(room, actor.identity, "processing", room_id=room_id)

    def stopped(self, actor: Caller, room_name: str | None, request_id: str | None) -> None:
        """It is done with it; what it has answered is complete."""
        room, room_id = self._room(actor, room_name, request_id)
        self._streams.processing_stopped(Said(actor.identity, request=request_id, socket=actor.sid), room_name)
        self._activity.show(room, actor.identity, "idle", room_id=room_id)

    def _room(self, actor: Caller, name: str | None, request_id: str | None) -> tuple[str, str]:
        """Name and id of the room it is at work for; that of a request may be gone."""
        if actor.kind is not Kind.EXTENSION:
            raise NotAuthorised("Unauthorized")
        request = self._desks.named(actor.identity, request_id)
        if request is not None:
            return request.room, request.room_id
        room = self._assignments.taking_part(actor, name)
        return room.name, room.id
