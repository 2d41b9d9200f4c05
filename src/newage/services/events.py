"""What happens, and who is told: bases that hear nothing, and fan-outs that tell all.

A service that wants to hear builds on ``SessionListener`` or ``RoomListener`` and overrides what concerns it.
``SessionEvents``, ``RoomEvents``, ``MessageEvents`` and ``RequestEnds`` are listeners themselves: what they are told,
they tell theirs, in order.
"""

from __future__ import annotations

from zope.interface import implementer

from newage.domain.model import Caller, Message, Role, Room, Session
from newage.domain.request import Request
from newage.ports import IAccountListener, IMessageListener, IRequestListener, IRoomListener, ISessionListener


@implementer(ISessionListener)
class SessionListener:
    def session_coming(self, session: Session) -> None:
        pass

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

    def extension_gone(self, session: Session) -> None:
        pass

    def session_put_out(self, session: Session) -> None:
        pass


@implementer(IRoomListener)
class RoomListener:
    def room_created(self, room: Room) -> None:
        pass

    def room_deleted(self, room: Room) -> None:
        pass

    def room_restored(self, room: Room) -> None:
        pass

    def member_joined(self, room: Room, identity: str, role: Role) -> None:
        pass

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        pass

    def member_came(self, room: Room, identity: str, rejoin: bool) -> None:
        pass

    def master_changed(self, room: Room, master: str) -> None:
        pass

    def role_changed(self, room: Room, identity: str, role: Role) -> None:
        pass

    def role_set(self, room: Room, identity: str, role: Role) -> None:
        pass

    def member_muted(self, room: Room, identity: str, by: str) -> None:
        pass

    def member_unmuted(self, room: Room, identity: str, by: str) -> None:
        pass

    def mode_changed(self, room: Room, by: str) -> None:
        pass

    def access_changed(self, room: Room, by: str) -> None:
        pass


@implementer(ISessionListener)
class SessionEvents:
    """Tells its listeners, in the order they were added."""

    def __init__(self) -> None:
        self._listeners: list[ISessionListener] = []

    def add(self, listener: ISessionListener) -> None:
        self._listeners.append(listener)

    def session_coming(self, session: Session) -> None:
        for listener in self._listeners:
            listener.session_coming(session)

    def session_appeared(self, session: Session) -> None:
        for listener in self._listeners:
            listener.session_appeared(session)

    def socket_attached(self, caller: Caller) -> None:
        for listener in self._listeners:
            listener.socket_attached(caller)

    def socket_detached(self, caller: Caller) -> None:
        for listener in self._listeners:
            listener.socket_detached(caller)

    def session_gone(self, session: Session) -> None:
        for listener in self._listeners:
            listener.session_gone(session)

    def extension_available(self, session: Session) -> None:
        for listener in self._listeners:
            listener.extension_available(session)

    def extension_lost(self, session: Session) -> None:
        for listener in self._listeners:
            listener.extension_lost(session)

    def extension_gone(self, session: Session) -> None:
        for listener in self._listeners:
            listener.extension_gone(session)

    def session_put_out(self, session: Session) -> None:
        for listener in self._listeners:
            listener.session_put_out(session)


@implementer(IAccountListener)
class AccountEvents:
    """Tells its listeners, in the order they were added."""

    def __init__(self) -> None:
        self._listeners: list[IAccountListener] = []

    def add(self, listener: IAccountListener) -> None:
        self._listeners.append(listener)

    def keys_revoked(self, client_id: str, key_id: str | None) -> None:
        for listener in self._listeners:
            listener.keys_revoked(client_id, key_id)

    def trust_changed(self) -> None:
        for listener in self._listeners:
            listener.trust_changed()


@implementer(IMessageListener)
class MessageEvents:
    """Tells its listeners, in the order they were added."""

    def __init__(self) -> None:
        self._listeners: list[IMessageListener] = []

    def add(self, listener: IMessageListener) -> None:
        self._listeners.append(listener)

    def message_added(self, message: Message) -> None:
        for listener in self._listeners:
            listener.message_added(message)


@implementer(IRequestListener)
class RequestEnds:
    """Tells its listeners, in the order they were added."""

    def __init__(self) -> None:
        self._listeners: list[IRequestListener] = []

    def add(self, listener: IRequestListener) -> None:
        self._listeners.append(listener)

    def request_ended(self, request: Request, words: str | None) -> None:
        for listener in self._listeners:
            listener.request_ended(request, words)


@implementer(IRoomListener)
class RoomEvents:
    """Tells its listeners, in the order they were added."""

    def __init__(self) -> None:
        self._listeners: list[IRoomListener] = []

    def add(self, listener: IRoomListener) -> None:
        self._listeners.append(listener)

    def room_created(self, room: Room) -> None:
        for listener in self._listeners:
            listener.room_created(room)

    def room_deleted(self, room: Room) -> None:
        for listener in self._listeners:
            listener.room_deleted(room)

    def room_restored(self, room: Room) -> None:
        for listener in self._listeners:
            listener.room_restored(room)

    def member_joined(self, room: Room, identity: str, role: Role) -> None:
        for listener in self._listeners:
            listener.member_joined(room, identity, role)

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        for listener in self._listeners:
            listener.member_left(room, identity, reason)

    def member_came(self, room: Room, identity: str, rejoin: bool) -> None:
        for listener in self._listeners:
            listener.member_came(room, identity, rejoin)

    def master_changed(self, room: Room, master: str) -> None:
        for listener in self._listeners:
            listener.master_changed(room, master)

    def role_changed(self, room: Room, identity: str, role: Role) -> None:
        for listener in self._listeners:
            listener.role_changed(room, identity, role)

    def role_set(self, room: Room, identity: str, role: Role) -> None:
        for listener in self._listeners:
            listener.role_set(room, identity, role)

    def member_muted(self, room: Room, identity: str, by: str) -> None:
        for listener in self._listeners:
            listener.member_muted(room, identity, by)

    def member_unmuted(self, room: Room, identity: str, by: str) -> None:
        for listener in self._listeners:
            listener.member_unmuted(room, identity, by)

    def mode_changed(self, room: Room, by: str) -> None:
        for listener in self._listeners:
            listener.mode_changed(room, by)

    def access_changed(self, room: Room, by: str) -> None:
        for listener in self._listeners:
            listener.access_changed(room, by)
