"""What happens in the chat of a linked room, shown in that room: CHAT_EVENT (contract 5.9, B17)."""

from __future__ import annotations

from typing import ClassVar
from uuid import NAMESPACE_URL, uuid5

from attrs import define, evolve, field
from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.dialect import chat
from newage.dialect.messages import carried_bytes
from newage.domain.chat import DESK, ChatEvent, ChatLine, Op
from newage.domain.model import Caller, Message, Room
from newage.errors import RoomMissing, Unavailable
from newage.ports import IMessageStore
from newage.services.chat.limits import ChatSettings
from newage.services.chat.links import ChatLinks, Link
from newage.services.events import SessionListener
from newage.services.history.editing import EditingService
from newage.services.history.log import HistoryService
from newage.services.rooms.registry import RoomRegistry
from newage.services.sessions.rates import EventRates, Pace
from newage.services.world import World
from newage.settings import Live
from newage.telemetry.quota import LogQuota, left_out
from newage.telemetry.trouble import Trouble, trouble

FEATURE = "mirror"
LOGGED_PER_SECOND = 1  # of what is dropped


def message_id_of(extension: str, chat_id: str, line_id: str) -> str:
    """The id in the hub of a message of a chat: found again from what its extension says, also after a restart."""
    return str(uuid5(NAMESPACE_URL, "\0".join((extension, chat_id, line_id))))


@define(eq=False, kw_only=True)
class Mirror(SessionListener):
    """Events of one extension are stored one after the other, in their order; what is too much is dropped, with a line
    in the log. What is asked of a message that is not there, or of another chat than the one that is shown, is nothing.
    """

    _log: ClassVar[Logger] = Logger()

    _world: World
    _rooms: RoomRegistry
    _links: ChatLinks
    _history: HistoryService
    _editing: EditingService
    _store: IMessageStore
    _rates: EventRates
    _settings: Live[ChatSettings]
    _turns: dict[str, DeferredLock] = field(factory=dict, init=False)  # extension -> who is being stored
    _trouble: Trouble = trouble()
    _quota: LogQuota = field(init=False)

    @_quota.default
    def _make_quota(self) -> LogQuota:
        return LogQuota(LOGGED_PER_SECOND, self._world.clock.seconds)

    def heard(self, actor: Caller, event: ChatEvent) -> None:
        """Total: nobody is answered."""
        link = self._links.of(actor.identity)
        if link is None or FEATURE not in actor.features:
            self._drop(actor, "no room is linked")
            return
        size = _size(event.line)
        if size > self._settings.value.mirrored_bytes:
            self._drop(actor, "it is too large")
            return
        try:
            self._rates.spend(actor, Pace.MIRROR, "a mirrored event")
            self._rates.tell(actor, size, "a mirrored event", Pace.MIRROR)
        except Unavailable:
            return  # which has said so
        if event.op is Op.CHAT or not link.chat_id:
            link.chat_id = event.chat_id
        if event.op is Op.CHAT:
            return
        turns = self._turns.setdefault(actor.identity, DeferredLock())
        if event.chat_id != link.chat_id:
            self._drop(actor, "another chat is shown")
        elif len(turns.waiting) >= self._settings.value.mirror_backlog:
            self._drop(actor, "mirror_backlog")
        else:
            d = turns.run(lambda: Deferred.fromCoroutine(self._store_it(actor, link, event)))
            d.addErrback(self._failed, actor)

    def unreadable(self, actor: Caller) -> None:
        """An event that makes no sense."""
        self._drop(actor, "it makes no sense")

    def extension_gone(self, session: object) -> None:
        """Locks that nobody holds are made again."""
        self._turns = {who: turns for who, turns in self._turns.items() if turns.locked}

    # ------------------------------------------------------------------------------------------------------ internals

    async def _store_it(self, actor: Caller, link: Link, event: ChatEvent) -> None:
        room = self._rooms.with_id(link.room_id)
        if room is None or self._links.of(actor.identity) is not link:
            return  # what came before it was unlinked, and shall not be seen any more
        if room.is_muted(actor.identity, actor.client_id):
            self._drop(actor, "it is muted")
            return
        line = event.line
        message_id = message_id_of(actor.identity, event.chat_id, line.id)
        if event.op is Op.DELETE:
            if await self._store.find_message(room.id, message_id) is not None:
                await self._editing.withdraw(room, [message_id], DESK)
            return
        known = await self._editing.rewrite(room, message_id, lambda message: _rewritten(message, line))
        if known is None and event.op is Op.ADD:
            await self._history.add(_said(actor, room, message_id, line))

    def _drop(self, actor: Caller, why: str) -> None:
        if (unsaid := self._quota.take()) is not None:
            self._log.warn(
                "an event of the chat of {identity} was dropped: {why}{unsaid}",
                identity=repr(actor.identity)[:140],
                why=why,
                unsaid=left_out(unsaid),
            )

    def _failed(self, failure: Failure, actor: Caller) -> None:
        if not isinstance(failure.value, CancelledError | RoomMissing):  # the end of the daemon, or of the room
            self._trouble.say(
                "an event of the chat of {identity} could not be stored", failure, identity=actor.identity
            )


def _size(line: ChatLine) -> int:
    """Bytes that others shall hear."""
    return carried_bytes(line.text or "", line.reasoning, {"name": line.name})


def _said(actor: Caller, room: Room, message_id: str, line: ChatLine) -> Message:
    """What was said at the desk: by its person, in the role that the extension has, or by a character."""
    text = line.text or ""
    return Message(
        message_id=message_id,
        room=room.name,
        room_id=room.id,
        seq=0,
        identity=actor.identity,
        client_id=actor.client_id,
        role=room.role_of(actor.identity).wire if line.is_user else "assistant",
        text=text,
        data=text,
        response_id=None if line.is_user else message_id,
        name=line.name or None,
        reasoning="" if line.is_user else line.reasoning,
        character=None if line.is_user else line.character,
        origin=DESK,
        extra=chat.beside(line),
    )


def _rewritten(message: Message, line: ChatLine) -> Message:
    """Who said it stays."""
    text = message.text if line.text is None else line.text
    changed = evolve(message, text=text, data=text, extra={**message.extra, **chat.beside(line)})
    if not message.is_response:
        return changed
    return evolve(changed, reasoning=line.reasoning, character=line.character or message.character)
