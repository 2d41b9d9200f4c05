"""What plug-ins see of the hub: frozen, without a word of the wire."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from newage.domain import model
from newage.domain.model import read_only
from newage.domain.policy import administers

PREFIX = "plugin/"  # of the id of a plug-in: no client's holds a slash (contract 2.4), so nobody can come as a plug-in


@frozen(kw_only=True)
class Who:
    """Somebody as the hub knows him, whatever he says of himself.

    ``kind`` is "client", "extension" or "admin". ``may_administer``: an administrator with all his rights.
    """

    identity: str
    client_id: str
    kind: str = "client"
    may_administer: bool = False

    @classmethod
    def of(cls, caller: model.Caller) -> Who:
        return cls(
            identity=caller.identity,
            client_id=caller.client_id,
            kind=caller.kind.value,
            may_administer=administers(caller),
        )


@frozen(kw_only=True)
class Message:
    """What was said in a room, and stored. ``at`` is ISO-8601 UTC; ``is_answer``: an extension's answer."""

    id: str
    room: str
    text: str
    who: Who
    role: str  # guest, special, manager or master; assistant for an answer
    at: str
    is_answer: bool = False


@frozen(kw_only=True)
class Room:
    """A room that the plug-in is a member of. ``members``: identity -> role, in the order they came."""

    name: str
    mode: str  # Default, Immediate, MasterOnly, Separate, HostSubmit or Conversational
    members: Mapping[str, str] = field(factory=dict, converter=read_only)

    @classmethod
    def of(cls, room: model.Room) -> Room:
        members = {identity: role.wire for identity, role in room.members.items()}
        return cls(name=room.name, mode=room.mode.value, members=members)
