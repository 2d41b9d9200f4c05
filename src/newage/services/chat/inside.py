"""Desks of extensions inside the process, beside those that are asked over sockets."""

from __future__ import annotations

from attrs import define
from zope.interface import implementer

from newage.domain.character import Character
from newage.domain.chat import Characters, Picture, Snapshot
from newage.domain.model import Room
from newage.errors import NotFound
from newage.ports import ICharacters, IChatCalls
from newage.services.sessions.sessions import SessionService

NO_PICTURE = "It has no picture."


@implementer(IChatCalls)
@define(eq=False)
class DeskCalls:
    """Who is inside tells its characters, without pictures; it has no chat that could be chosen in, or shown.

    :param calls: asks all others.
    """

    _sessions: SessionService
    _calls: IChatCalls

    async def characters(self, sid: str) -> Characters:
        link = self._sessions.link_of(sid)
        return link.characters() if ICharacters.providedBy(link) else await self._calls.characters(sid)

    async def picture(self, sid: str, character_id: str) -> Picture:
        if ICharacters.providedBy(self._sessions.link_of(sid)):
            raise NotFound(NO_PICTURE)
        return await self._calls.picture(sid, character_id)

    async def select(self, sid: str, room: Room, character_id: str) -> Character:
        return await self._calls.select(sid, room, character_id)

    async def snapshot(self, sid: str, room: Room, limit: int) -> Snapshot:
        return await self._calls.snapshot(sid, room, limit)
