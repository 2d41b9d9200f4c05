"""What the hub asks of an extension's desk over its socket, and how it reads the answers (contract 5.9).

Nothing that an extension answers is passed on as it is: named members of the right type, within limits, and no more.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

from attrs import frozen
from zope.interface import implementer

from newage.dialect import Body, chat
from newage.domain.character import Character
from newage.domain.chat import Characters, ChatLine, Offered, Picture, Snapshot
from newage.domain.model import Room
from newage.domain.text import well_formed
from newage.errors import ClientMissing, NewAgeError, NotAuthorised, NotFound, PeerGone, TimedOut, Unavailable
from newage.namespaces import wire
from newage.namespaces.llm_streams import MAX_NAME, parse_character
from newage.ports import IChatCalls, IOutbox
from newage.protocol.json_text import dumps
from newage.services.chat.limits import ChatSettings
from newage.settings import Live

UNREADABLE = "The extension gave no answer that can be read."
NO = "The extension refused that."
MAX_WORDS = 200  # characters of why an extension refuses something
MAX_CHAT = 256  # characters of a chat's id, which is the name of a file
MAX_TIME = 64
MAX_TAGS, MAX_TAG = 32, 64
HEAD = 1024  # bytes of an answer besides its list
PICTURES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif", "image/avif"})  # none can hold a script
_HASH = re.compile(r"[0-9a-f]{64}")
_REFUSALS: dict[int, type[NewAgeError]] = {each.error_code: each for each in (NotAuthorised, NotFound, Unavailable)}


@implementer(IChatCalls)
@frozen
class SocketChatCalls:
    _outbox: IOutbox
    _settings: Live[ChatSettings]

    async def characters(self, sid: str) -> Characters:
        settings = self._settings.value
        body = await self._ask(sid, chat.LIST, {})
        return characters_in(body, settings.max_characters, settings.max_characters_bytes)

    async def picture(self, sid: str, character_id: str) -> Picture:
        body = await self._ask(sid, chat.PICTURE, chat.picture_of(character_id))
        return picture_in(body, self._settings.value.max_picture_bytes)

    async def select(self, sid: str, room: Room, character_id: str) -> Character:
        body = await self._ask(sid, chat.SELECT, chat.character_for(room, character_id))
        character = parse_character(body.get("character"))
        if character is None or character.id != character_id:
            raise Unavailable(UNREADABLE)
        return character

    async def snapshot(self, sid: str, room: Room, limit: int) -> Snapshot:
        body = await self._ask(sid, chat.SNAPSHOT, chat.newest_of(room, limit))
        return snapshot_in(body, limit, self._settings.value.max_snapshot_bytes)

    async def _ask(self, sid: str, event: str, body: Body) -> Body:
        try:
            answer = await self._outbox.call(sid, event, [body], self._settings.value.desk_call_timeout_ms / 1000)
        except TimedOut as error:
            raise TimedOut("The extension did not answer in time.") from error
        except PeerGone as error:
            raise ClientMissing("The extension is gone.") from error
        found = answer[0] if answer else None
        if not isinstance(found, dict):
            raise Unavailable(UNREADABLE)
        if found.get("success") is False or found.get("status") == "error":
            code = found.get("errorCode")
            refusal = _REFUSALS.get(code, Unavailable) if type(code) is int else Unavailable
            raise refusal(_text(found.get("message"), MAX_WORDS) or NO)
        return found


def _text(value: Any, limit: int) -> str:
    return well_formed(wire.text(value, limit))


# ----------------------------------------------------------------------------------------------------- reading answers


def characters_in(body: Body, most: int, max_bytes: int) -> Characters:
    """What has no id or no name, and what comes again, is left out.

    :param most: characters. :raises Unavailable: it is no list.
    """
    listed = body.get("characters")
    if not isinstance(listed, list):
        raise Unavailable(UNREADABLE)
    found: dict[str, Offered] = {}
    left, cut = max_bytes - HEAD, len(listed) > most
    for value in listed[:most]:
        one = _offered(value)
        if one is None or one.id in found:
            continue
        left -= len(dumps(chat.offered(one))) + 1
        if left < 0:
            cut = True
            break
        found[one.id] = one
    current = wire.identifier(body.get("current"))
    return Characters(
        tuple(found.values()), current if current in found and current else "", cut or body.get("truncated") is True
    )


def _offered(value: Any) -> Offered | None:
    character = parse_character(value)
    if character is None:
        return None
    tags = value.get("tags")
    names = [_text(tag, MAX_TAG) for tag in tags[:MAX_TAGS]] if isinstance(tags, list) else []
    avatar = character.avatar if _HASH.fullmatch(character.avatar) else ""
    return Offered(character.id, character.name, avatar, tuple(filter(None, names)))


def picture_in(body: Body, max_bytes: int) -> Picture:
    """:raises NotFound: it is too large. :raises Unavailable: it is no picture of a kind that browsers show safely."""
    data, media = body.get("data"), wire.text(body.get("type"), MAX_NAME).partition(";")[0].strip().lower()
    if not isinstance(data, bytes) or not data or media not in PICTURES:
        raise Unavailable(UNREADABLE)
    if len(data) > max_bytes:
        raise NotFound("The picture is too large.")
    return Picture(media, sha256(data).hexdigest(), data)


def snapshot_in(body: Body, limit: int, max_bytes: int) -> Snapshot:
    """The newest that fit. :raises Unavailable: it names no chat or no messages."""
    chat_id, said = parse_chat_id(body.get("chatId")), body.get("messages")
    if not chat_id or not isinstance(said, list):
        raise Unavailable(UNREADABLE)
    lines: list[ChatLine] = []
    left, cut = max_bytes - HEAD, len(said) > limit
    for value in reversed(said[-limit:]):
        line = parse_line(value)
        if line is None:
            continue
        left -= len(dumps(chat.line(line))) + 1
        if left < 0:
            cut = True
            break
        lines.append(line)
    return Snapshot(chat_id, tuple(reversed(lines)), cut or body.get("truncated") is True)


def parse_chat_id(value: Any) -> str:
    """What names a chat; "" where nothing does."""
    return well_formed(value) if isinstance(value, str) and len(value) <= MAX_CHAT else ""


def parse_line(value: Any) -> ChatLine | None:
    """One message of a chat; None where it has no id. What else is wrong is as if it were not there."""
    if not isinstance(value, dict):
        return None
    line_id, text, reasoning = wire.identifier(value.get("id")), value.get("text"), value.get("reasoning")
    if line_id is None:
        return None
    return ChatLine(
        id=line_id,
        name=_text(value.get("name"), MAX_NAME),
        is_user=value.get("isUser") is True,
        text=well_formed(text) if isinstance(text, str) else None,
        reasoning=well_formed(reasoning) if isinstance(reasoning, str) else "",
        character=parse_character(value.get("character")),
        swipe=_count(value.get("swipe")),
        swipes=_count(value.get("swipes")),
        at=_text(value.get("at"), MAX_TIME),
    )


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= wire.MAX_NUMBER else None
