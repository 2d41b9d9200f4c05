"""What receivers outside are told: which events there are, and that they are queued with what they tell of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from attrs import define
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from newage.domain.model import Message, Session
from newage.domain.request import Request
from newage.domain.webhooks import (
    MESSAGE_CREATED,
    REQUEST_FAILED,
    RESPONSE_COMPLETED,
    SESSION_CONNECTED,
    SESSION_DISCONNECTED,
    Delivery,
)
from newage.ports import IRequestListener, IWebhookStore
from newage.services.events import SessionListener
from newage.services.webhooks.line import Line
from newage.services.world import World
from newage.telemetry.trouble import Trouble, trouble

_COMPLETED, _FAILED = "completed", ("failed", "expired")


@implementer(IRequestListener)
@define(eq=False, kw_only=True)
class WebhookEvents(SessionListener):
    """
    :param running: seconds that the hub has run in all its runs.
    :param of_session: what is told of one. :param of_request: what of one that failed, and why.
    """

    _log: ClassVar[Logger] = Logger()

    _world: World
    _store: IWebhookStore
    lines: Sequence[Line]
    _running: Callable[[], float]
    _of_session: Callable[[Session], Mapping[str, Any]]
    _of_request: Callable[[Request, str], Mapping[str, Any]]
    _trouble: Trouble = trouble()

    async def load(self) -> None:
        """What waits for who is not in the configuration any more is forgotten."""
        gone = await self._store.keep_webhooks([line.name for line in self.lines])
        if gone:
            self._log.warn("{count} events for webhooks that are not configured any more were dropped", count=gone)

    def start(self) -> None:
        for line in self.lines:
            line.start()

    def close(self) -> None:
        for line in self.lines:
            line.close()

    # ------------------------------------------------------------------------------------------------------ messages

    def of(self, message: Message) -> tuple[Delivery, ...]:
        """What is to be stored with that message. What the hub notes by itself is told nobody, nor an answer that
        failed."""
        if message.is_system or message.failed:
            return ()
        event = RESPONSE_COMPLETED if message.is_response else MESSAGE_CREATED
        return tuple(self._made(event, message.room, room_id=message.room_id, message_id=message.message_id))

    def stored(self, deliveries: Sequence[Delivery], full: Iterable[str]) -> None:
        """:param full: the webhooks of these that had no place."""
        names = {each.webhook for each in deliveries}
        for line in self.lines:
            if line.name in full:
                line.left_out()
            elif line.name in names:
                line.queued()

    # -------------------------------------------------------------------------------------------- everything else

    def request_ended(self, request: Request, words: str | None) -> None:
        if request.state == _COMPLETED and request.grows:
            self._queue(RESPONSE_COMPLETED, request.room, room_id=request.room_id, message_id=request.grows)
        elif request.state in _FAILED and request.unsaid is None:
            self.request_lost(request, words or request.why)

    def request_lost(self, request: Request, words: str) -> None:
        """It has failed, or did so while the hub was down."""
        data = self._of_request(request, words)
        place = {"room_id": request.room_id, "message_id": request.message_id}
        self._queue(REQUEST_FAILED, request.room, data, **place)

    def session_appeared(self, session: Session) -> None:
        self._queue(SESSION_CONNECTED, "", self._of_session(session))

    def session_gone(self, session: Session) -> None:
        self._queue(SESSION_DISCONNECTED, "", self._of_session(session))

    def _queue(self, event: str, room: str, data: Mapping[str, Any] | None = None, **place: str) -> None:
        deliveries = tuple(self._made(event, room, data, **place))
        if deliveries:
            stored: Deferred[None] = Deferred.fromCoroutine(self._store_them(deliveries))
            stored.addErrback(lambda failure: self._trouble.say("an event for a webhook could not be stored", failure))

    async def _store_them(self, deliveries: Sequence[Delivery]) -> None:
        self.stored(deliveries, await self._store.add_deliveries(deliveries))

    def _made(self, event: str, room: str, data: Mapping[str, Any] | None = None, **place: str) -> Iterable[Delivery]:
        for line in self.lines:
            if line.webhook.wants(event, room) and not line.gone:
                yield Delivery(
                    id=f"msg_{self._world.new_id()}",
                    webhook=line.name,
                    event=event,
                    at=self._world.timestamp(),
                    since=self._running(),
                    data=data,
                    most=line.webhook.settings.max_queue,
                    **place,
                )
