"""What there is at the desk of an extension: characters, and the chat that a room is served in (contract 5.9)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from attrs import frozen

from newage.domain.character import Character

DESK: Final = "desk"  # the ``origin`` of a message that was said there


class Offered(NamedTuple):
    """One character that people may see; ``avatar`` is the SHA-256 of its picture in hexadecimal, "" if not known."""

    id: str
    name: str
    avatar: str = ""
    tags: tuple[str, ...] = ()


class Characters(NamedTuple):
    """Those that an extension offers. ``current`` is the id of the one that answers now, "" if it is none of them;
    ``truncated``: there are more."""

    offered: tuple[Offered, ...]
    current: str = ""
    truncated: bool = False


class Picture(NamedTuple):
    """``type`` is its media type, ``hash`` the SHA-256 of ``data`` in hexadecimal."""

    type: str
    hash: str
    data: bytes


@frozen(kw_only=True)
class ChatLine:
    """One message of a chat at the desk, under the ``id`` that it has there.

    ``text`` is None where nothing is said of it. ``swipe`` is the number, from 0, of the shown one of ``swipes``
    answers. ``at`` is its time, as the desk writes it.
    """

    id: str
    name: str = ""
    is_user: bool = False
    text: str | None = None
    reasoning: str = ""
    character: Character | None = None
    swipe: int | None = None
    swipes: int | None = None
    at: str = ""


class Snapshot(NamedTuple):
    """The newest messages of a chat, oldest first; ``truncated``: there are older ones."""

    chat_id: str
    lines: tuple[ChatLine, ...]
    truncated: bool = False


class Op(StrEnum):
    """What happened in a chat."""

    ADD = "add"
    EDIT = "edit"
    DELETE = "delete"
    SWIPE = "swipe"  # another answer is shown
    CHAT = "chat"  # another chat is the one that is shown


@frozen
class ChatEvent:
    """``line`` is the message it happened to; of CHAT it says nothing, of DELETE which one."""

    op: Op
    chat_id: str
    line: ChatLine
