"""The characters that an extension offers, and who chooses among them (contract 5.9, B17)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field

from newage.dialect import chat
from newage.domain.character import Character
from newage.domain.chat import Characters, Picture
from newage.domain.delivery import Audience
from newage.domain.model import Caller, Room, Session
from newage.domain.policy import administers, may_read
from newage.errors import ClientMissing, NotMember
from newage.ports import IChatCalls, IOutbox
from newage.services.chat.asking import NOT_FOUND, Asking, Shared
from newage.services.chat.kept import KeptLists, KeptPictures
from newage.services.chat.limits import ChatSettings
from newage.services.chat.links import ChatLinks
from newage.services.events import SessionListener
from newage.services.rooms.registry import RoomRegistry
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live

FEATURE = "characters"


@define(eq=False, kw_only=True)
class CharacterService(SessionListener):
    """:param serving: the extensions assigned to a room, by its name."""

    _world: World
    _outbox: IOutbox
    _sessions: SessionService
    _rooms: RoomRegistry
    _serving: Callable[[str], Sequence[str]]
    _links: ChatLinks
    _asking: Asking
    _calls: IChatCalls
    _settings: Live[ChatSettings]
    _lists: KeptLists = field(init=False)
    _pictures: KeptPictures = field(init=False)
    _shared_lists: Shared[Characters] = field(factory=Shared, init=False)
    _shared_pictures: Shared[Picture] = field(factory=Shared, init=False)

    @_lists.default
    def _make_lists(self) -> KeptLists:
        return KeptLists(self._world, self._settings)

    @_pictures.default
    def _make_pictures(self) -> KeptPictures:
        return KeptPictures(self._world, self._settings)

    async def offered(self, actor: Caller, name: str | None, target: str | None) -> tuple[str, Characters]:
        """An extension, and what it offers.

        :param name: a room; None without a ``target``: the actor's own. :param target: an identity or clientId; None:
            in whose chat the room is, else the first that serves it.
        :raises RoomMissing: no such room. :raises NotMember: it is none of the actor's.
        :raises ClientMissing: no such extension serves it. :raises Unavailable: it offers none; or see ``IChatCalls``.
        """
        extension = self._extension(actor, name, target)
        sid = self._asking.socket(extension, FEATURE)
        kept = self._lists.get(extension)
        if kept is not None:
            return extension, kept
        with self._asking.slot(actor):
            return extension, await self._shared_lists.get((extension, sid), lambda: self._list(extension, sid))

    async def _list(self, extension: str, sid: str) -> Characters:
        found = await self._calls.characters(sid)
        self._lists.put(extension, found)
        return found

    async def picture(self, actor: Caller, target: str, character_id: str) -> Picture:
        """Of a character of an extension that serves one of the actor's rooms; raises as ``offered``, and NotFound."""
        extension = self._extension(actor, None, target)
        sid = self._asking.socket(extension, FEATURE)
        kept = self._pictures.get(extension, character_id)
        if kept is not None:
            return kept
        question = (extension, sid, character_id)
        with self._asking.slot(actor):
            return await self._shared_pictures.get(question, lambda: self._picture(*question))

    async def _picture(self, extension: str, sid: str, character_id: str) -> Picture:
        found = await self._calls.picture(sid, character_id)
        self._pictures.put(extension, character_id, found)
        return found

    async def select(self, actor: Caller, name: str, character_id: str) -> Character:
        """The chat of a room goes on with this one, and the room is told.

        :raises NotAuthorised: not the room's staff, or there is none. :raises NotFound: no chat is the room's, or it
            has no such character. :raises Unavailable: somebody is at work there; or see ``IChatCalls``.
        """
        room, extension = self._links.of_staff(actor, name, "Permission denied to select a character.")
        sid = self._asking.socket(extension, FEATURE)
        with self._asking.slot(actor):
            character = await self._calls.select(sid, room, character_id)
        self._lists.forget(extension)
        now = self._rooms.current(room)
        if now is not None:
            self._outbox.publish(*chat.changed(now, extension, character).to(Audience.room(now.name)))
        return character

    def extension_lost(self, session: Session) -> None:
        """What comes back may offer others."""
        self._lists.forget(session.identity)
        self._pictures.forget(session.identity)

    # ------------------------------------------------------------------------------------------------------ internals

    def _extension(self, actor: Caller, name: str | None, target: str | None) -> str:
        if target is None or name is not None:
            room = self._rooms.require_seen(actor, self._rooms.meant(actor, name))
            if not may_read(actor, room):
                raise NotMember(f"You are not a member of room {room.name}.")
            among = self._at_work_in(room)
        else:
            rooms = map(self._rooms.require, self._rooms.rooms_of(actor.identity))
            among = [extension for room in rooms for extension in self._at_work_in(room)]
        if target is None:
            found = next(iter(among), None)
        else:
            session = self._sessions.resolve_extension(target)
            found = None if session is None else session.identity
            if found not in among and not (name is None and administers(actor)):
                found = None
        if found is None:
            raise ClientMissing(NOT_FOUND)
        return found

    def _at_work_in(self, room: Room) -> list[str]:
        """In whose chat it is, before those that serve it."""
        linked = self._links.linked(room)
        return [*([] if linked is None else [linked]), *self._serving(room.name)]
