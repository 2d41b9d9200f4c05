"""WebSocket frames as a client writes and reads them."""

from __future__ import annotations

from collections.abc import Iterator


def client_frame(
    payload: bytes, opcode: int = 1, *, fin: bool = True, rsv: int = 0, mask: bytes | None = b"\x01\x02\x03\x04"
) -> bytes:
    """A frame as a client sends it: masked, minimal length."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    size = len(payload)
    marked = 0x80 if mask is not None else 0
    if size < 126:
        header = bytes((first, marked | size))
    elif size < 65_536:
        header = bytes((first, marked | 126)) + size.to_bytes(2, "big")
    else:
        header = bytes((first, marked | 127)) + size.to_bytes(8, "big")
    if mask is None:
        return header + payload
    return header + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def server_frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Unmasked frames, (opcode, payload)."""
    while data:
        size, at = data[1], 2
        assert size < 128, "a server never masks"
        if size == 126:
            size, at = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(data[2:10], "big"), 10
        yield data[0] & 0x0F, data[at : at + size]
        data = data[at + size :]
