"""Which extensions are asked a request: steps 5 and 6 of contract 5.2, and who may be back soon (5.8, A22)."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define

from newage.domain.policy import default_targets
from newage.domain.request import Request
from newage.errors import ClientMissing, NotAuthorised
from newage.services.requests.forwarding import Forwarder
from newage.services.rooms.assignments import AssignmentService
from newage.services.sessions.sessions import SessionService

NO_EXTENSION = "No connected SillyTavern extensions."


@define(eq=False)
class Targets:
    _sessions: SessionService
    _assignments: AssignmentService
    _forwarder: Forwarder

    def of(self, request: Request, room: str, *, exempt: bool) -> tuple[str, ...]:
        """Live extensions, assigned to the room.

        :param exempt: whoever asked may ask any extension.
        :raises ClientMissing: there is none. :raises NotAuthorised: it is there and not for this room.
        """
        assigned = self._assignments.assigned(room)
        if request.restored and not assigned:  # nobody of the room may be here again yet
            assigned = self._assignments.would_serve(room, self._assignments.extensions())
        if request.ask.targets is None:
            candidates = assigned or (self._assignments.asked() if exempt else ())
            chosen = self._chosen(request, candidates)
            if not chosen:
                raise ClientMissing(NO_EXTENSION)
            return chosen
        found: dict[str, None] = {}
        missing: list[str] = []
        for target in request.ask.targets:
            session = self._sessions.resolve_extension(target)
            if session is None:
                missing.append(target)
            elif session.identity not in assigned and not exempt:
                raise NotAuthorised(f"Client {request.client_id} is not allowed to send messages to room {target}.")
            else:
                found[session.identity] = None
        if not found:
            raise ClientMissing(f"Target client not found: {', '.join(missing)}")
        if missing:
            self._forwarder.warn(request, f"Target client not found: {', '.join(missing)}")
        return tuple(found)

    def likely(self, request: Request, room: str, *, exempt: bool) -> tuple[str, ...]:
        """As ``of``, without a word where there are none."""
        if request.ask.targets is None:
            assigned = self._assignments.assigned(room) or (self._assignments.asked() if exempt else ())
            return self._chosen(request, assigned)
        found = (self._sessions.resolve_extension(target) for target in request.ask.targets)
        return tuple(session.identity for session in found if session is not None)

    def _chosen(self, request: Request, candidates: Sequence[str]) -> tuple[str, ...]:
        """An answer grows where it came from, if that is there; that, and words for who asks, want one extension."""
        if request.grows and request.author in candidates:
            return (request.author,)
        chosen = default_targets(self._assignments.policy, candidates)
        return chosen[:1] if request.grows or request.unsaid is not None else chosen

    def may_return(self, request: Request, room: str, *, exempt: bool) -> bool:
        """Has one of them just gone?"""
        absent = self._sessions.absent_extensions()
        if not absent:
            return False
        serving = self._assignments.would_serve(room, [session.identity for session in absent])
        named = request.ask.targets
        meant = {*(named or ()), *map(self._sessions.instead_of, named or ())}
        return any(
            (exempt or session.identity in serving)
            and (named is None or session.identity in meant or session.client_id in meant)
            for session in absent
        )
