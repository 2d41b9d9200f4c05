"""Engine.IO v4 packets as bytes, and the polling payload that carries several of them.

Over a WebSocket a message is a packet: a text message is UTF-8 bytes that begin with the packet's kind, a binary
message is the data of a MESSAGE. Over polling, packets are records joined by 0x1E; a binary one is ``b`` and base64.
"""

from __future__ import annotations

from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterable
from typing import final

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
_BINARY = 0x62  # 'b'


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


def decode_payload(body: bytes, max_packets: int = 10_000) -> list[tuple[bool, bytes]]:
    """Split the body of a POST into packets.

    :param body: as received; its size is bounded by whoever read it (``max_payload_bytes``).
    :param max_packets: more records than that are refused.
    :return: ``(is it binary, packet)``, a text packet with its kind, a binary one decoded.
    :raises ProtocolError: nothing in it, an empty record, an unknown kind, wrong base64, or too many records.
    """
    if body.count(SEPARATOR) >= max_packets:
        raise ProtocolError(f"more than {max_packets} packets in one payload")
    packets: list[tuple[bool, bytes]] = []
    for record in body.split(SEPARATOR):
        if not record:
            raise ProtocolError("empty packet")
        if record[0] == _BINARY:
            try:
                packets.append((True, a2b_base64(record[1:], strict_mode=True)))
            except Base64Error as error:
                raise ProtocolError("malformed base64") from error
        elif record[0] in KINDS:
            packets.append((False, record))
        else:
            raise ProtocolError("unknown packet kind")
    return packets


def encode_payload(packets: Iterable[tuple[bool, bytes]]) -> bytes:
    """Join packets, ``(is it binary, packet)``, into the body that answers a GET."""
    return SEPARATOR.join(b"b" + b64encode(packet) if binary else packet for binary, packet in packets)
