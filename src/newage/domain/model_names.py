"""What the name of a model means to chat programs (``/v1``): who is to answer, and whether a room hears it."""

from __future__ import annotations

from typing import Final, NamedTuple

from newage.domain.ids import upstream_identity

ANY: Final = "newage"
_ROOM: Final = "room:"


class ModelName(NamedTuple):
    """``extension`` is the identity or clientId of one, "" for whom the policy chooses; ``character`` the id or name of
    one of its characters, "" for its current one. ``room``: it is asked there, and everybody of it hears it."""

    extension: str = ""
    character: str = ""
    room: str = ""


def parse_model(name: str) -> ModelName | None:
    """None for what no model can be called."""
    if name == ANY:
        return ModelName()
    if name.startswith(_ROOM):
        return ModelName(room=name.removeprefix(_ROOM)) if name != _ROOM else None
    upstream = upstream_identity(name)
    if upstream is not None:
        return ModelName(extension=upstream)
    extension, slash, character = name.partition("/")
    if not extension or (slash and not character):
        return None
    return ModelName(extension=extension, character=character)


def room_model(room: str) -> str:
    """The model that asks in that room."""
    return _ROOM + room


def character_model(extension: str, character: str) -> str:
    """The model that answers as that character of an extension."""
    return f"{extension}/{character}"
