"""Who is told what happens to sessions, accounts, rooms, messages and requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import Interface

if TYPE_CHECKING:
    from newage.domain.model import Caller, Message, Role, Room, Session
    from newage.domain.request import Request


class ISessionListener(Interface):
    """Told synchronously, in this order, what happens to sessions."""

    def session_coming(session: Session) -> None:
        """Its first socket is to be let in: nothing has happened yet. :raises Unavailable: there is no place for it."""

    def session_appeared(session: Session) -> None:
        """First socket of a session, or the first after its grace ran out."""

    def socket_attached(caller: Caller) -> None:
        """One more socket of a session; after ``session_appeared``."""

    def socket_detached(caller: Caller) -> None:
        """One socket less."""

    def session_gone(session: Session) -> None:
        """No socket left and the grace is over."""

    def extension_available(session: Session) -> None:
        """An extension's first ``/llm`` link appeared."""

    def extension_lost(session: Session) -> None:
        """An extension's last ``/llm`` link went. It may be back soon: a tab that is loaded again."""

    def extension_gone(session: Session) -> None:
        """It was lost, and has not come back within its grace; at the latest now nobody waits for it."""

    def session_put_out(session: Session) -> None:
        """Its last sockets were taken from it, for it is not wanted any more (A14); before ``session_gone``."""


class IAccountListener(Interface):
    """Told synchronously what credentials are worth no more (A14). Never raises."""

    def keys_revoked(client_id: str, key_id: str | None) -> None:
        """The key of that id was revoked; None: all that the client has, and ever had."""

    def trust_changed() -> None:
        """Whom the hub trusts, or as what, is not as it was."""


class IRoomListener(Interface):
    """Told synchronously what happens to rooms, after the change is in force; ``room`` is the room as it is now.

    ``by`` is an identity, or ``System`` for what time has brought about.
    """

    def room_created(room: Room) -> None:
        """A room exists now."""

    def room_deleted(room: Room) -> None:
        """The room as it was."""

    def room_restored(room: Room) -> None:
        """It was to be deleted, which could not be stored: it is there again. Nobody was told that it had gone."""

    def member_joined(room: Room, identity: str, role: Role) -> None:
        """``room`` already holds the member."""

    def member_left(room: Room, identity: str, reason: str) -> None:
        """``room`` no longer holds the member; reason: leave, kick, remove or disconnect (its retention is over)."""

    def member_came(room: Room, identity: str, rejoin: bool) -> None:
        """It is there again (``rejoin``), or has become a member by being there, which no history tells (A26)."""

    def master_changed(room: Room, master: str) -> None:
        """Whoever was master left, and this member is it now: after ``member_left``, or when it came back (A25)."""

    def role_changed(room: Room, identity: str, role: Role) -> None:
        """Staff changed roles, and this member has another one; once for each of them."""

    def role_set(room: Room, identity: str, role: Role) -> None:
        """This is what staff asked for; the member may have had the role before. After ``role_changed``."""

    def member_muted(room: Room, identity: str, by: str) -> None:
        """``room.muted`` says for how long. It may be in force and yet have failed to be stored."""

    def member_unmuted(room: Room, identity: str, by: str) -> None:
        """Once for each identity of a client that has its voice back and is a member."""

    def mode_changed(room: Room, by: str) -> None:
        """The room has another request mode."""

    def access_changed(room: Room, by: str) -> None:
        """The room is open now, or for invited ones (A41)."""


class IMessageListener(Interface):
    """Told synchronously what is said. Never raises."""

    def message_added(message: Message) -> None:
        """Stored, and shown to its room."""


class IRequestListener(Interface):
    """Told synchronously how requests end. Never raises."""

    def request_ended(request: Request, words: str | None) -> None:
        """``request.state`` says how, ``words`` why it failed; ``request.responses`` are the ids of its answers."""
