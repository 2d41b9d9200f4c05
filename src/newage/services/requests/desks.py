"""Who of the extensions was asked what: a ``Desk`` for each (contract 5.4, 5.5; A17, A31, A32)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from newage.domain.correlation import MAX_REMEMBERED_IDS, NEVER, Desk, Nobody
from newage.domain.model import Caller, Kind, Session
from newage.domain.open_request import Answered
from newage.domain.request import Request
from newage.services.events import SessionListener
from newage.services.requests.limits import RequestSettings
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live


class Desks(SessionListener):
    """Times are the clock's, never the wall's.

    :param make_desk: what decides whose an answer is.
    """

    def __init__(
        self,
        world: World,
        sessions: SessionService,
        settings: Live[RequestSettings],
        make_desk: Callable[[], Desk] = Desk,
    ) -> None:
        self._make_desk = make_desk
        self._world = world
        self._sessions = sessions
        self._desks: dict[str, Desk] = {}
        self._former: tuple[str, ...] = ()
        self._former_outputs: dict[str, list[str]] = {}  # by extension, until it has been here
        self._settles: dict[str, float] = {}  # extensions that have just come back, and until when they get nothing
        self._settings = settings
        self._patience = settings.value.patience  # asked at every token of the real extension
        settings.on_change(self._changed)

    def _changed(self, settings: RequestSettings) -> None:
        self._patience = settings.patience

    def know_former(self, request_ids: Sequence[str], answered: Sequence[Answered]) -> None:
        """Extensions were sent these before the hub was restarted, and said those: what still comes of them belongs to
        nobody."""
        ids = [*(each.request_id for each in answered if each.request_id), *request_ids]
        self._former = tuple(ids[-MAX_REMEMBERED_IDS:])
        for each in answered:
            if each.output_id:
                self._former_outputs.setdefault(each.extension, []).append(each.output_id)

    # --------------------------------------------------------------------------------------------------------- asking

    def admits(self, extension: str, request: Request) -> bool:
        """May it be sent now? Never while the extension is away."""
        caller = self._sessions.answering(extension)
        if caller is None or self._settles.get(extension, NEVER) > self._world.clock.seconds():
            return False
        limit = caller.capacity or self._settings.value.extension_max_in_flight
        return self._desk(extension).admits(request, limit, self._world.clock.seconds(), self._patience)

    def ask(self, extension: str, request: Request) -> str:
        """Count it as sent from now on; its time begins.

        :return: the requestId that this extension shall know it by.
        """
        now = self._world.clock.seconds()
        caller = self._sessions.answering(extension)
        request.send_to(extension, now, caller.sid if caller is not None else "")
        return self._desk(extension).ask(request, now, self._world.new_id)

    def runs(self, extension: str, request: Request) -> bool:
        """As ``Desk.runs``."""
        desk = self._desks.get(extension)
        return desk is not None and desk.runs(request)

    def heard(self, extension: str, request: Request) -> None:
        if (desk := self._desks.get(extension)) is not None:
            after_all = desk.is_put_off(request)
            desk.heard(request, self._world.clock.seconds())
            if desk.runs(request) and extension in request.targets:
                request.sent.add(extension)
            if after_all:
                request.give()

    def lost(self, extension: str, request: Request) -> None:
        """As ``Desk.lose``."""
        self._desk(extension).lose(request)

    def put_off(self, extension: str, request: Request, seconds: float) -> bool:
        """As ``Desk.put_off``, from now on."""
        desk = self._desks.get(extension)
        return desk is not None and desk.put_off(request, self._world.clock.seconds() + seconds)

    def settle(self, extension: str, seconds: float) -> None:
        """It has just come back: for so long it gets nothing, so that what it says of before is heard first."""
        self._settles[extension] = self._world.clock.seconds() + seconds

    def resumed(self, extension: str, request: Request) -> list[Request]:
        """As ``Desk.resumed``."""
        dropped = self._desk(extension).resumed(request, self._world.clock.seconds())
        for each in dropped:
            each.unsend(extension)
        return dropped

    def done(self, extension: str, request: Request) -> None:
        if (desk := self._desks.get(extension)) is not None:
            desk.done(request)

    def given_up(self, extension: str, request: Request) -> None:
        if (desk := self._desks.get(extension)) is not None:
            desk.given_up(request, self._world.clock.seconds())

    def stop(self, extension: str, request: Request) -> bool:
        """As ``Desk.stop``."""
        desk = self._desks.get(extension)
        return desk is not None and desk.stop(request)

    def stopped(self, extension: str, request: Request) -> None:
        """As ``Desk.stopped``."""
        if (desk := self._desks.get(extension)) is not None:
            desk.stopped(request, known=extension in request.begun)

    def heard_at(self, extension: str, request: Request) -> float:
        """As ``Desk.heard_at``."""
        desk = self._desks.get(extension)
        return desk.heard_at(request) if desk is not None else NEVER

    def name_of(self, extension: str, request: Request) -> str:
        """The requestId by which this extension knows it."""
        desk = self._desks.get(extension)
        return (desk.name_of(request) if desk is not None else None) or request.request_id

    def silent(self) -> list[tuple[str, Request]]:
        """Requests that an extension gave no sign of, though it has not answered anything since it connected."""
        now = self._world.clock.seconds()
        return [(who, request) for who, desk in self._desks.items() for request in desk.silent(now, self._patience)]

    def awaits(self, request: Request) -> bool:
        """Is an answer to it still to come from an extension?"""
        now = self._world.clock.seconds()
        return any(
            self._desk(extension).awaits(request, now, self._patience) for extension in (*request.sent, *request.tried)
        )

    def forget(self, request: Request) -> None:
        for extension in (*request.targets, *request.tried):  # what was taken back has a name there, too
            desk = self._desks.get(extension)
            if desk is None:
                continue
            desk.forget(request)
            if desk.idle and not self._sessions.is_available(extension):
                del self._desks[extension]

    # ------------------------------------------------------------------------------------------------------- answering

    def named(self, extension: str, request_id: str | None) -> Request | None:
        """The request that this extension knows by that id, live or in its tail."""
        desk = self._desks.get(extension)
        return desk.named(request_id) if desk is not None else None

    def label(self, extension: str, request_id: str | None) -> Request | Nobody | None:
        """As ``Desk.label``."""
        return self._desk(extension).label(request_id)

    def running_in(self, extension: str, room_id: str) -> list[Request]:
        return self._desk(extension).running_in(room_id)

    def whose(
        self,
        extension: str,
        request_id: str | None,
        output_id: str | None,
        bound: Request | None,
        over: Collection[Request] = (),
    ) -> Request | Nobody:
        """As ``Desk.whose``."""
        now = self._world.clock.seconds()
        return self._desk(extension).whose(request_id, output_id, bound, now, self._patience, over)

    def output_over(self, extension: str, output_id: str, request: Request) -> None:
        """As ``Desk.output_over``."""
        if (desk := self._desks.get(extension)) is not None:
            desk.output_over(output_id, request)

    # ------------------------------------------------------------------------------------------------------ listeners

    def socket_attached(self, caller: Caller) -> None:
        if caller.features and caller.kind is Kind.EXTENSION and caller.namespace == "/llm":
            self._desk(caller.identity).declare()

    def extension_lost(self, session: Session) -> None:
        self._settles.pop(session.identity, None)
        desk = self._desks.get(session.identity)
        if desk is not None:
            desk.left()
            if desk.idle:
                del self._desks[session.identity]

    def _desk(self, extension: str) -> Desk:
        desk = self._desks.get(extension)
        if desk is None:
            desk = self._desks[extension] = self._make_desk()
            desk.know_former(self._former, self._former_outputs.pop(extension, ()))
        return desk
