"""Which room is served in the chat at an extension's desk: SET_CHAT_ROOM (contract 5.9, B17)."""

from __future__ import annotations

from attrs import define, field

from newage.domain.model import Caller, Kind, Room, Session
from newage.domain.policy import governs
from newage.errors import NotAuthorised, NotFound, NotMember
from newage.services.events import RoomListener, SessionListener
from newage.services.rooms.registry import RoomRegistry


@define(eq=False)
class Link:
    """One extension and its room. ``chat_id`` is the chat that is shown there, "" as long as that is not known."""

    extension: str
    room_id: str
    chat_id: str = ""


@define(eq=False)
class ChatLinks(SessionListener, RoomListener):
    """One room for each extension that is there: until it says otherwise, is given up, or leaves the room.

    Nothing of it is stored: an extension says it whenever it comes.
    """

    _rooms: RoomRegistry
    _links: dict[str, Link] = field(factory=dict, init=False)  # by identity, in the order in which they were made

    def link(self, actor: Caller, name: str | None) -> Room | None:
        """From now on the actor's chat is this room's; None: no room's.

        :raises NotAuthorised: it is no extension. :raises NotMember: there is no such room of which it is a member.
        """
        if actor.kind is not Kind.EXTENSION:
            raise NotAuthorised("Only extensions serve a room in their chat.")
        if name is None:
            self._links.pop(actor.identity, None)
            return None
        room = self._rooms.get(name)
        if room is None or actor.identity not in room.members:
            raise NotMember(f"You are not a member of room {name}.")
        known = self._links.pop(actor.identity, None)
        if known is None or known.room_id != room.id:
            known = Link(actor.identity, room.id)
        self._links[actor.identity] = known
        return room

    def of(self, extension: str) -> Link | None:
        return self._links.get(extension)

    def linked(self, room: Room) -> str | None:
        """The extension in whose chat a room is; of several the one that said so last."""
        return next((each.extension for each in reversed(self._links.values()) if each.room_id == room.id), None)

    def of_staff(self, actor: Caller, name: str, refusal: str) -> tuple[Room, str]:
        """A room, and the extension in whose chat it is, for who governs the room.

        :raises NotAuthorised: with these words: not the room's staff, or there is none.
        :raises NotFound: no chat is the room's.
        """
        room = self._rooms.seen(actor, name)
        if room is None or not governs(actor, room):
            raise NotAuthorised(refusal)
        extension = self.linked(room)
        if extension is None:
            raise NotFound("This room is not linked with a chat.")
        return room, extension

    # ------------------------------------------------------------------------------------------------ what ends a link

    def extension_gone(self, session: Session) -> None:
        self._links.pop(session.identity, None)

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        link = self._links.get(identity)
        if link is not None and link.room_id == room.id:
            del self._links[identity]

    def room_deleted(self, room: Room) -> None:
        self._links = {who: link for who, link in self._links.items() if link.room_id != room.id}
