"""Whose is this name? Identities, clientIds and group rooms share one space of names (contract 2.9, 4.1)."""

from __future__ import annotations

from collections.abc import Callable

from newage.services.sessions.sessions import SessionService


class Names:
    """
    :param is_client: whether a client that may be away has this id.
    """

    def __init__(self, sessions: SessionService, is_client: Callable[[str], bool]) -> None:
        self._sessions = sessions
        self._is_client = is_client
        self._rooms: set[str] = set()

    def add_room(self, name: str) -> None:
        """A group room holds this name."""
        self._rooms.add(name)

    def drop_room(self, name: str) -> None:
        """It does no more."""
        self._rooms.discard(name)

    def holder(self, name: str) -> str | None:
        """Who has it now: the clientId of the session whose identity it is, else the client connected under it, else
        a group room (``room <name>``, which is no clientId); None if it is free.
        """
        session = self._sessions.by_identity(name)
        if session is not None:
            return session.client_id
        if self._sessions.is_connected(name):
            return name
        return f"room {name}" if name in self._rooms else None

    def is_of_client(self, name: str) -> bool:
        """Is it the id of a client, be it there or away?"""
        return self._is_client(name)
