"""Who gets what: the values in which services say what is to be delivered."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from newage.domain.model import Kind


class AudienceKind(StrEnum):
    """What the receivers of an emission have in common. A text, because it is hashed with each delivery."""

    EVERYBODY = "all"  # all admitted sockets of the namespace
    SOCKET = "sid"
    IDENTITY = "identity"
    CLIENT = "client"
    KIND = "kind"
    ROOM = "room"  # the sockets of a room's members
    ALIASES = "aliases"  # those of them that get an event under its other names, too


class Audience(NamedTuple):
    """Receivers by what they have in common; ``name`` tells which of that kind."""

    kind: AudienceKind
    name: str = ""

    @classmethod
    def socket(cls, sid: str) -> Audience:
        return cls(AudienceKind.SOCKET, sid)

    @classmethod
    def identity(cls, identity: str) -> Audience:
        return cls(AudienceKind.IDENTITY, identity)

    @classmethod
    def client(cls, client_id: str) -> Audience:
        return cls(AudienceKind.CLIENT, client_id)

    @classmethod
    def of_kind(cls, kind: Kind) -> Audience:
        return cls(AudienceKind.KIND, kind.value)

    @classmethod
    def room(cls, name: str) -> Audience:
        return cls(AudienceKind.ROOM, name)

    @classmethod
    def aliases(cls, room: str) -> Audience:
        return cls(AudienceKind.ALIASES, room)


EVERYBODY = Audience(AudienceKind.EVERYBODY)


class Emission(NamedTuple):
    """One event for an audience; the hub turns it into frames, encoded once."""

    namespace: str
    event: str
    args: tuple[Any, ...]
    to: tuple[Audience, ...]
