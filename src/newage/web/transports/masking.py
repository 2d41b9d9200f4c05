"""Unmasking large payloads with Autobahn's SIMD routine: 0.9 us for 4 KB, where big integers take 8.

It is called below Autobahn's Python API, which builds an object for each payload (2.4 us). Where it is missing, or does
not do what it should, ``protocol.websocket_frames.unmask`` does everything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

from newage.protocol.websocket_frames import FrameRules, unmask

Unmask = Callable[[bytes, bytes], bytes]

_LARGE_BYTES: Final = 256  # from here on it is the faster one
_SAMPLE: Final = bytes(range(251)) * 5
_SAMPLE_MASK: Final = b"\x01\x80\xfe\x7f"
_log = Logger()


def is_right(candidate: Unmask) -> bool:
    """Whether it does the same as ``unmask``, for all alignments."""
    return all(candidate(_SAMPLE[at:], _SAMPLE_MASK) == unmask(_SAMPLE[at:], _SAMPLE_MASK) for at in range(20))


def find_native() -> Unmask | None:
    """Autobahn's routine, if it is there and right."""
    try:
        from _nvx_xormasker import ffi, lib  # type: ignore[import-not-found,import-untyped,unused-ignore]

        new, process, free, view = lib.nvx_xormask_new, lib.nvx_xormask_process, lib.nvx_xormask_free, ffi.from_buffer

        def unmask_native(data: bytes, mask: bytes) -> bytes:
            plain = bytearray(data)
            masker = new(mask)
            process(masker, view(plain), len(plain))
            free(masker)
            return bytes(plain)

        return unmask_native if is_right(unmask_native) else None
    except (ImportError, AttributeError, TypeError):
        return None


native: Final = find_native()
if native is None:
    _log.info("Autobahn's native masking is not there; large messages take longer to read")


def frame_rules(max_message_bytes: int, max_empty_fragments: int) -> FrameRules:
    """What a reader allows, with the fastest way to unmask that there is."""
    return FrameRules(
        max_message_bytes=max_message_bytes,
        max_empty_fragments=max_empty_fragments,
        unmask_large=native or unmask,
        large_bytes=_LARGE_BYTES,
    )
