"""Socket.IO v5 packets, as the Engine.IO text packets that carry them: ``b'42/llm,7["LLM_REQUEST",{}]'``.

Text stays bytes from the transport to the JSON parser and back. A namespace is written as a *prefix*: empty for ``/``,
``b'/llm,'`` for ``/llm``. Ack ids stay the digits that were received.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from newage.errors import ProtocolError
from newage.protocol.json_text import TooMuch, clean, dumps, loads

CONNECT: Final = 0
DISCONNECT: Final = 1
EVENT: Final = 2
ACK: Final = 3
CONNECT_ERROR: Final = 4
BINARY_EVENT: Final = 5
BINARY_ACK: Final = 6

RESERVED_EVENTS: Final = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)
DIGITS: Final = b"0123456789"
MAX_ID_DIGITS: Final = 15  # of an id that we gave; what a JavaScript number holds exactly
MAX_ATTACHMENTS: Final = 10  # parsers of clients refuse more

UNREAD: Final = True  # stands for a payload that is too much to be read: a JSON value that no event takes (C6)
UNREAD_AUTH: Final = object()  # stands for such an auth

_DIGITS_AND_BLANKS: Final = DIGITS + b" \t\n\r\x0b\x0c"
_BLANKS: Final = frozenset({b" ", b"\t", b"\n", b"\r", b"\x0b", b"\x0c"})
_OTHER_BASE: Final = re.compile(rb"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_FLOAT: Final = re.compile(rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_MESSAGE: Final = b"4"
LONGEST_NAME: Final = 256  # of a namespace that might exist; clients may ask for longer ones, too
_NAME: Final = re.compile(rb'\s*\[\s*("(?:[^"\\]|\\.){0,256}")')  # of an event
_HEADS: Final = tuple(b"4%d" % kind for kind in range(BINARY_ACK + 1))


class Unread(list[Any]):
    """The arguments of an event or an ack that are too much to be read: of an event the name and ``UNREAD``."""


class SocketPacket(NamedTuple):
    """One packet. ``data`` is None when there was none; ``attachments`` tells how many binary packets follow."""

    kind: int
    path: str = "/"
    ack_id: bytes | None = None
    data: Any = None
    attachments: int = 0


class Slot(NamedTuple):
    """Where an attachment belongs: ``container[key]`` gets attachment ``number``."""

    container: Any
    key: Any
    number: int


@lru_cache(maxsize=256)
def prefix_of(path: str) -> bytes:
    """How one of our namespaces is written in a packet: nothing for ``/``."""
    return written(path)


def written(path: str) -> bytes:
    """As ``prefix_of``, of a name that a peer made up: it may be long, and is not kept."""
    return b"" if path == "/" else path.encode() + b","


def decode(packet: bytes, *, read: bool = True) -> SocketPacket:
    """Parse one packet completely.

    :param read: False: whatever its data is, it is too much.
    :return: with a stand-in where the data is too much (``unread``).
    :raises ProtocolError: an unknown kind, or parts that do not fit the kind. An event's name is not judged here.
    """
    kind = packet[1] - 0x30 if len(packet) > 1 else CONNECT
    if packet[:1] != _MESSAGE or not CONNECT <= kind <= BINARY_ACK:
        raise ProtocolError("unknown packet type")
    at, attachments = 2, 0
    if kind >= BINARY_EVENT:
        dash = packet.find(b"-", 2, 12)
        attachments = _count(packet[2:dash]) if dash > 0 else -1
        if attachments < 0:
            raise ProtocolError("illegal attachment count")
        at = dash + 1
    path, at = _path(packet, at)
    rest = packet[at:]
    text = rest.lstrip(DIGITS)
    ack_id = rest[: len(rest) - len(text)] or None
    if text[:1] in _BLANKS:
        ack_id, text = _with_blanks(rest)
    try:
        data = loads(text) if read and text else unread(kind, text) if text else None
    except TooMuch:
        data = unread(kind, text)
    if data is None and not text and kind not in (CONNECT, DISCONNECT, CONNECT_ERROR):
        data = []  # an event without a name, which nobody hears, or an ack of nothing
    if not _fits(kind, data, bool(text)):
        raise ProtocolError("invalid payload")
    return SocketPacket(kind, path, ack_id, data, attachments)


def unread(kind: int, text: bytes) -> Any:
    """What stands for data that is too much: an event keeps its name, so that it can be refused; an ack has nothing."""
    if kind == CONNECT:
        return UNREAD_AUTH
    if kind == CONNECT_ERROR:
        return {}
    found = _NAME.match(text) if kind in (EVENT, BINARY_EVENT) else None
    return Unread((loads(found.group(1)), UNREAD) if found is not None else ())


def _with_blanks(rest: bytes) -> tuple[bytes | None, bytes]:
    """Ack id and data where there are blanks among the digits, as JavaScript's ``Number`` reads them."""
    text = rest.lstrip(_DIGITS_AND_BLANKS)
    digits = rest[: len(rest) - len(text)].strip()
    return digits if digits.isdigit() else None, text


def _count(text: bytes) -> int:
    """What JavaScript's ``Number`` makes of it, for so the reference counts; -1 if that is no count."""
    text = text.strip()
    if text.isdigit():
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    number = float(text or b"0") if not text or _FLOAT.fullmatch(text) else -1.0
    return int(number) if number.is_integer() else -1


def _path(packet: bytes, at: int) -> tuple[str, int]:
    if packet[at : at + 1] != b"/":
        return "/", at
    comma = packet.find(b",", at)
    end = comma if comma >= 0 else len(packet)
    try:
        return packet[at:end].decode(), end + 1
    except UnicodeDecodeError as error:
        raise ProtocolError("namespace is not UTF-8") from error


def _fits(kind: int, data: Any, present: bool) -> bool:
    if kind == CONNECT:
        return True  # auth that is no object is the connect handler's to refuse (contract 2.4)
    if kind == DISCONNECT:
        return not present
    if kind == CONNECT_ERROR:
        return not present or isinstance(data, (dict, str))
    return isinstance(data, list)


def encode(packet: SocketPacket) -> bytes:
    """Write one packet; its attachments are the caller's to send."""
    count = b"%d-" % packet.attachments if packet.kind >= BINARY_EVENT else b""
    text = b"" if packet.data is None else dumps(packet.data)
    return b"4%d%b%b%b%b" % (packet.kind, count, prefix_of(packet.path), packet.ack_id or b"", text)


def encode_arguments(kind: int, prefix: bytes, args: Sequence[Any], ack_id: bytes = b"") -> tuple[bytes, list[bytes]]:
    """Write an EVENT (``args[0]`` is its name) or ACK; bytes anywhere in it make it the binary kind.

    :return: the text packet, and its attachments in the order in which they must follow.
    :raises TypeError: something that neither JSON nor an attachment can carry, or too many attachments.
    """
    try:
        # The way of nearly all: bytes are what orjson does not know.
        return _HEADS[kind] + prefix + ack_id + orjson.dumps(args), []
    except orjson.JSONEncodeError:
        return _encode_with_attachments(kind, prefix, args, ack_id)


def _encode_with_attachments(kind: int, prefix: bytes, args: Sequence[Any], ack_id: bytes) -> tuple[bytes, list[bytes]]:
    """What orjson does not write by itself: bytes, and values that have to be cleaned first."""
    attachments: list[bytes] = []

    def placeholder(value: Any) -> dict[str, Any]:
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise TypeError(f"{type(value).__name__} cannot be sent")
        attachments.append(bytes(value))
        return {"_placeholder": True, "num": len(attachments) - 1}

    try:
        text = orjson.dumps(args, placeholder)
    except orjson.JSONEncodeError:
        attachments.clear()
        text = orjson.dumps(clean(args), placeholder)
    if not attachments:
        return b"4%d%b%b%b" % (kind, prefix, ack_id, text), attachments
    if len(attachments) > MAX_ATTACHMENTS:
        raise TypeError("too many attachments")
    return b"4%d%d-%b%b%b" % (kind + BINARY_EVENT - EVENT, len(attachments), prefix, ack_id, text), attachments


def encode_connect(prefix: bytes, sid: str) -> bytes:
    return b'40%b{"sid":%b}' % (prefix, dumps(sid))


def encode_disconnect(prefix: bytes) -> bytes:
    return b"41" + prefix


def encode_refusal(prefix: bytes, data: Any) -> bytes:
    """CONNECT_ERROR."""
    return b"44%b%b" % (prefix, dumps(data))


def find_slots(data: list[Any], attachments: int) -> list[Slot] | None:
    """Where the attachments of a binary packet belong.

    :return: None if a placeholder's number is out of range or used twice, or an attachment has no place.
    """
    slots: list[Slot] = []
    seen: set[int] = set()
    pending: list[Any] = [data]
    while pending:
        container = pending.pop()
        members = container.items() if isinstance(container, dict) else enumerate(container)
        for key, value in members:
            if isinstance(value, dict) and value.get("_placeholder") is True:
                number = value.get("num")
                if type(number) is not int or not 0 <= number < attachments or number in seen:
                    return None
                seen.add(number)
                slots.append(Slot(container, key, number))
            elif isinstance(value, (dict, list)):
                pending.append(value)
    return slots if len(seen) == attachments else None
