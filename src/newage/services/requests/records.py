"""Open requests are stored, so that a restart neither loses one nor asks it twice (contract 5.3, A35)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from newage.domain.model import Room
from newage.domain.open_request import Answered, OpenRequest
from newage.domain.request import Request
from newage.ports import IRequestListener, IRequestStore
from newage.services.world import World
from newage.telemetry.trouble import Trouble, trouble

QUEUED, FORWARDED = "queued", "forwarded"
LAST_MESSAGES = 1000  # of all rooms; what is still being said when the hub stops is among them
CUT = "cut"  # its answer was cut off by a stop, and its requester told: kept to know whose the rest of it would be


@implementer(IRequestListener)
@define(eq=False)
class RequestRecords:
    """A request is stored with its message, in the state that it will probably have at once; so the usual one costs no
    commit more than its message and its answer do. It is stored as forwarded before the first extension is told.

    What nobody waits for as a client is not kept: thoughts, and what plug-ins ask.
    """

    _log: ClassVar[Logger] = Logger()

    _world: World
    _store: IRequestStore
    _last: int = field(default=0, init=False)
    _writing: Counter[Request] = field(factory=Counter, init=False)  # writes under way that say how they are kept
    _closing: dict[Request, Deferred[None]] = field(factory=dict, init=False)
    _stopping: bool = field(default=False, init=False)
    _trouble: Trouble = trouble()

    async def load(self) -> tuple[OpenRequest, ...]:
        """What was open at the last stop, in the order of arrival, and what that cut off."""
        found = await self._store.load_requests()
        self._last = max((each.key for each in found), default=0)
        cut = [each.key for each in found if each.state == CUT]
        if cut:
            await self._store.close_requests(cut)
        return found

    async def answered(self) -> tuple[Answered, ...]:
        """What was said last: more of it may come, and belongs to nothing new."""
        return await self._store.load_answered(LAST_MESSAGES)

    def stop(self) -> None:
        """What fails from now on is cut off: its extension may go on after the restart."""
        self._stopping = True

    def opening(self, request: Request, state: str) -> OpenRequest | None:
        """To be stored with its message; None for what is not kept.

        :param state: the one that it will probably have at once.
        """
        if not request.message_id or "/" in request.client_id:
            return None
        self._last += 1
        request.keep(self._last, state)
        return OpenRequest(
            key=self._last,
            room_id=request.room_id,
            identity=request.identity,
            client_id=request.client_id,
            request_id=request.request_id,
            message_id=request.message_id,
            role=request.role,
            state=state,
            created_at=self._world.wall(),
            ask=request.ask,
            thread=request.thread,
            grows=request.grows,
            author=request.author,
        )

    def restored(self, stored: OpenRequest, room: Room, oldest: float) -> Request:
        """As it was before the last start. However wrong the machine's clock is, it is not older than it may become
        (A29).

        :param oldest: how old that is, in seconds.
        """
        age = min(max(0.0, self._world.wall() - stored.created_at), oldest)
        now = self._world.clock.seconds()
        return Request(
            request_id=stored.request_id,
            identity=stored.identity,
            client_id=stored.client_id,
            room=room.name,
            room_id=room.id,
            role=stored.role,
            mode=room.mode,
            message_id=stored.message_id,
            ask=stored.ask,
            created_at=now - age,
            active_at=now,
            again=bool(stored.thread or stored.grows),
            thread=stored.thread,
            grows=stored.grows,
            author=stored.author,
            key=stored.key,
            kept_as=stored.state,
            restored=True,
        )

    async def waits(self, request: Request) -> None:
        """It is queued: fires when a restart would find that."""
        await self._as(QUEUED, [request])

    async def puts_off(self, request: Request) -> None:
        """Nobody works on it any more, nor on what is merged into it: fires when a restart would ask it anew."""
        await self._as(QUEUED, [*request.merged, request])

    async def forwards(self, request: Request) -> None:
        """An extension is about to be told it, and what is merged into it: fires when a restart would find that."""
        await self._as(FORWARDED, [*request.merged, request])

    async def _as(self, state: str, requests: Sequence[Request]) -> None:
        """What is written later is stored later: so who finds one marked already, which is not stored yet, marks it
        once more and waits for that."""
        marked = [r for r in requests if r.live and r.key and (r.kept_as != state or r in self._writing)]
        opened = [o for r in requests if r.live and not r.key and (o := self.opening(r, state)) is not None]
        writes = [self._store.add_request(each) for each in opened]
        for each in marked:
            each.keep(each.key, state)
        if marked:
            writes.append(self._store.mark_requests([each.key for each in marked], state))
        if not writes:
            return
        writing = Counter(requests)
        self._writing += writing
        try:
            outcomes = await DeferredList(writes, consumeErrors=True)
        finally:
            self._writing -= writing
        for _, outcome in outcomes:
            if isinstance(outcome, Failure):
                outcome.raiseException()

    def closing(self, request: Request, extension: str) -> list[Request]:
        """What is over with an answer of that extension, which is about to be stored: nothing unless it is the last."""
        if not request.live or request.remaining != 1 or not request.expects(extension):
            return []
        return [each for each in (*request.merged, request) if each.key]

    async def closed(self, request: Request) -> None:
        """Wait until a restart would find that it has ended."""
        if (closing := self._closing.get(request)) is not None:
            done: Deferred[None] = Deferred()
            closing.addCallback(_pass_on, done)
            await done

    def request_ended(self, request: Request, words: str | None) -> None:
        key = request.close()
        if key:
            cut = self._stopping and request.given and request.state == "failed"
            stored = self._store.mark_requests([key], CUT) if cut else self._store.close_requests([key])
            stored.addErrback(self._failed)
            self._closing[request] = stored
            stored.addCallback(self._closed, request)

    def _closed(self, _: object, request: Request) -> None:
        del self._closing[request]

    def _failed(self, failure: Failure) -> None:
        """At the next start it is found open, and its requester told so."""
        self._trouble.say("the end of a request could not be stored", failure)


def _pass_on(result: None, to: Deferred[None]) -> None:
    to.callback(None)
