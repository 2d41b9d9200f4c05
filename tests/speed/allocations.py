"""Counts every allocation of a round: ``python tests/speed/allocations.py [--copy] [SCENE ...]`` prints them as JSON.

CPython keeps no such count, but the C library does: with its debugging variant preloaded, ``mtrace`` writes each call
of malloc, calloc and realloc to a file, and PYTHONMALLOC=malloc makes those all there are. The script starts itself
again with what that needs; glibc 2.34 or newer (Debian 12, Ubuntu 22.04) has it.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scenes import SCENES, WARM, make_house

_LIBRARY = "libc_malloc_debug.so.0"
_VERSIONS = (b"GLIBC_2.2.5", b"GLIBC_2.17", b"GLIBC_2.27")  # of the symbols: x86-64, ARM and POWER, RISC-V
_TIMES = 60


class Trace:
    """Counts between ``with`` and its end."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.count = 0
        self._library = ctypes.CDLL(_LIBRARY)
        self._start, self._stop = self._function(b"mtrace"), self._function(b"muntrace")

    def _function(self, name: bytes) -> Callable[[], None]:
        find = ctypes.CDLL(None).dlvsym
        find.restype, find.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p)
        address = next(filter(None, (find(self._library._handle, name, version) for version in _VERSIONS)))
        return ctypes.CFUNCTYPE(None)(address)

    def __enter__(self) -> None:
        self._start()

    def __exit__(self, *_: object) -> None:
        self._stop()
        lines = self.file.read_text("utf-8", "replace").splitlines()
        self.count += sum(" + 0x" in line or " > 0x" in line for line in lines)


def count(name: str, trace: Trace, *, copy: bool) -> float:
    with tempfile.TemporaryDirectory() as home:
        house = make_house(name, Path(home))
        if copy:
            _copy_each_token(house.core.talk.streams)
        once, _ = SCENES[name].start(house)
        gc.collect()
        gc.disable()
        for _ in range(WARM):
            once(trace)
        trace.count = 0
        for _ in range(_TIMES):
            once(trace)
        gc.enable()
        house.close()
    return trace.count / _TIMES


def _copy_each_token(streams: Any) -> None:
    """What the guard has to find."""
    kept = streams.stream_data

    def stream_data(*args: Any) -> None:
        *head, text = args
        kept(*head, text.encode().decode())

    streams.stream_data = stream_data


def main() -> None:
    copy, names = "--copy" in sys.argv, [name for name in sys.argv[1:] if name != "--copy"] or list(SCENES)
    file = os.environ.get("MALLOC_TRACE")
    if file is None:
        with tempfile.TemporaryDirectory() as folder:
            more = {"LD_PRELOAD": _LIBRARY, "PYTHONMALLOC": "malloc", "MALLOC_TRACE": f"{folder}/trace"}
            sys.exit(os.spawnve(os.P_WAIT, sys.executable, [sys.executable, *sys.argv], {**os.environ, **more}))
    trace = Trace(Path(file))
    print(json.dumps({name: count(name, trace, copy=copy) for name in names}))


if __name__ == "__main__":
    main()
