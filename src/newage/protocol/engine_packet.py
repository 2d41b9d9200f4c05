"""Engine.IO v4 packets as bytes, and the polling payload that carries several of them.

Over a WebSocket a message is a packet: a text message is UTF-8 bytes that begin with the packet's kind, a binary
message is the data of a MESSAGE. Over polling, packets are records joined by 0x1E. Where a transport carries text only
(polling; a WebSocket of a client that asked for ``b64``) a binary packet is ``b`` and base64. Clients may send that
form over any transport, so whoever takes text packets asks ``is_base64`` and ``decode_base64``.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Iterator
from typing import Final, final

from newage.errors import ProtocolError

OPEN = b"0"
CLOSE = b"1"
PING = b"2"
PONG = b"3"
MESSAGE = b"4"
UPGRADE = b"5"
NOOP = b"6"

PROBE_PING = b"2probe"
PROBE_PONG = b"3probe"

KINDS = b"0123456"
SEPARATOR = b"\x1e"

_BINARY: Final = b"b"
# A record that is empty or of no kind, behind another. Its literal start lets ``re`` run through long records.
_WRONG_RECORD: Final = re.compile(b"\x1e(?:[^0-6b]|\\Z)")
_RECORD_KINDS: Final = frozenset(bytes((kind,)) for kind in KINDS + _BINARY)
_URL_ALPHABET: Final = bytes.maketrans(b"-_", b"+/")
_NO_DIGITS: Final = bytes(
    byte for byte in range(256) if not (chr(byte).isalnum() and byte < 128) and byte not in b"+/-_"
)


@final
class SharedPacket:
    """A text packet for many receivers, and packets that follow it to the same ones.

    ``packet`` is the Engine.IO text packet; ``frame`` is what goes through a WebSocket, filled by the first one that
    needs it and sent as it is by all others.

    ``held`` counts the transports in whose queue this is the last thing. As long as that is every receiver, a further
    packet may be added here once instead of being queued in each. A transport that counts itself in sets it to 0 when
    it queues something else behind, or writes: so nothing is ever added that would overtake, or come too late. Others
    need not know of it.
    """

    __slots__ = ("frame", "held", "more", "packet")

    def __init__(self, packet: bytes) -> None:
        self.packet = packet
        self.more: list[bytes] | None = None  # what was added
        self.frame: bytes | None = None
        self.held = 0

    def __len__(self) -> int:
        """Bytes of all packets."""
        return len(self.packet) + sum(map(len, self.more or ()))

    def add(self, packet: bytes) -> None:
        """One more behind the others; only while ``held`` is the number of receivers."""
        if self.more is None:
            self.more = [packet]
        else:
            self.more.append(packet)


def is_base64(packet: bytes) -> bool:
    """Is this text packet a binary one in its text form?"""
    return packet[:1] == _BINARY


def decode_base64(packet: bytes) -> bytes:
    """The data of a text packet that ``is_base64``.

    As lenient as the reference: either alphabet; what belongs to none is left out; padding ends it, or nothing does.
    """
    digits = packet[1:].partition(b"=")[0].translate(_URL_ALPHABET, _NO_DIGITS)
    if len(digits) % 4 == 1:
        digits = digits[:-1]  # six bits that are no byte
    return a2b_base64(digits + b"=" * (-len(digits) % 4))


def encode_base64(payload: bytes) -> bytes:
    """A binary packet as text."""
    return _BINARY + b2a_base64(payload, newline=False)


def decode_payload(body: bytes) -> Iterator[bytes]:
    """Check the body of a POST, then give its packets one by one: a body of 1 MB may hold half a million.

    :param body: as received; its size is bounded by whoever read it (``max_payload_bytes``).
    :return: each packet as text, a binary one as ``is_base64`` finds it.
    :raises ProtocolError: nothing in it, an empty record, or an unknown kind; at once, not in the middle.
    """
    if body[:1] not in _RECORD_KINDS or _WRONG_RECORD.search(body):
        raise ProtocolError("unknown packet kind")
    return _records(body)


def _records(body: bytes) -> Iterator[bytes]:
    start = 0
    while (end := body.find(SEPARATOR, start)) >= 0:
        yield body[start:end]
        start = end + 1
    yield body[start:]


def encode_payload(packets: Iterable[tuple[bool, bytes]]) -> bytes:
    """Join packets, ``(is it binary, packet)``, into the body that answers a GET."""
    return SEPARATOR.join(encode_base64(packet) if binary else packet for binary, packet in packets)
