"""Listeners that do nothing: a service overrides what concerns it."""

from __future__ import annotations

from zope.interface import implementer

from newage.domain.model import Caller, Role, Room, Session
from newage.ports import IRoomListener, ISessionListener


@implementer(ISessionListener)
class SessionListener:
    def session_appeared(self, session: Session) -> None:
        pass

    def socket_attached(self, caller: Caller) -> None:
        pass

    def socket_detached(self, caller: Caller) -> None:
        pass

    def session_gone(self, session: Session) -> None:
        pass

    def extension_available(self, session: Session) -> None:
        pass

    def extension_lost(self, session: Session) -> None:
        pass


@implementer(IRoomListener)
class RoomListener:
    def room_created(self, room: Room) -> None:
        pass

    def member_joined(self, room: Room, identity: str, role: Role) -> None:
        pass

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        pass

    def room_deleted(self, room: Room) -> None:
        pass
