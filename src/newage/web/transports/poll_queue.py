"""What waits for the next GET of a polling client: packets, and places of packets that are written when they are taken.

No number of packets ends a session (contract A30), so each of them counts with what keeping it costs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from newage.protocol.engine_packet import MESSAGE

Packet: TypeAlias = tuple[bool, bytes]
"""Is it binary, and its bytes."""
Draw: TypeAlias = Callable[[], list[bytes]]
"""Writes text packets when they are wanted."""

_PACKET_BYTES: Final = 100  # what a waiting packet takes besides its bytes: a million empty ones are not nothing


def _weight(packet: bytes) -> int:
    return len(packet) + _PACKET_BYTES


class PollQueue:
    """Packets in order. ``bytes`` is what they take, places included."""

    __slots__ = ("_items", "bytes")

    def __init__(self) -> None:
        self.bytes = 0
        self._items: deque[Packet | Draw] = deque()

    def __len__(self) -> int:
        return len(self._items)

    def append(self, packet: Packet) -> None:
        self._items.append(packet)
        self.bytes += _weight(packet[1])

    def put_first(self, packet: Packet) -> None:
        """Before all that waits."""
        self._items.appendleft(packet)
        self.bytes += _weight(packet[1])

    def add_place(self, draw: Draw) -> None:
        """``draw`` is called when this place is reached, and its packets are taken there."""
        self._items.append(draw)
        self.bytes += _PACKET_BYTES

    def take(self, limit: int | None = None) -> list[Packet]:
        """What waits, from its start; ``limit`` packets at most."""
        items = self._items
        packets: list[Packet] = []
        while items and len(packets) != limit:
            item = items.popleft()
            if callable(item):
                drawn = [(False, packet) for packet in item()]
                self.bytes += sum(_weight(packet) for _, packet in drawn) - _PACKET_BYTES
                items.extendleft(reversed(drawn))
            else:
                self.bytes -= _weight(item[1])
                packets.append(item)
        return packets

    def clear(self) -> None:
        self._items.clear()
        self.bytes = 0

    def holds_messages(self) -> bool:
        """Whether anything of the layer above is among them."""
        return any(callable(item) or item[0] or item[1].startswith(MESSAGE) for item in self._items)
