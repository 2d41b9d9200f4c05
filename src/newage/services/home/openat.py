"""The walk that follows no symbolic link: what lies below a folder, opened part by part (contract 7.5, 16.3.31), and
written so that nobody finds half of it.

Each part is opened in the descriptor of the one before. Nothing is resolved as text and opened later, so there is no
moment in which a folder could be exchanged for a link that leads elsewhere. All of this blocks.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Final

_ROOT: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FOLDER: Final = _ROOT | os.O_NOFOLLOW
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: a FIFO must not hold us up


class LinkInTheWay(OSError):
    """A part is a symbolic link: an attempt to leave, whatever it points to."""


@contextmanager
def folder_below(
    root: Path, parts: Sequence[str], *, before: Callable[[int, str], None] | None = None
) -> Iterator[int]:
    """A descriptor of the folder that ``parts`` name below ``root``, which may itself be reached through links.

    :param before: called with a folder and the name of the next part, before that is opened: it may make it.
    :raises LinkInTheWay: one of the parts is one.
    :raises OSError: as ``os.open``: nothing there, no folder, no permission.
    :raises ValueError: a part is no name (``..``, ``a/b``, empty), or has characters that no file name can have.
    """
    descriptor = os.open(root, _ROOT)
    try:
        for part in parts:
            if before is not None:
                before(descriptor, part)
            deeper = _open_in(descriptor, part, _FOLDER)
            os.close(descriptor)
            descriptor = deeper
        yield descriptor
    finally:
        os.close(descriptor)


def open_in(folder: int, name: str) -> int:
    """A descriptor for reading what has this name in a folder, whatever it is; the caller closes it.

    :raises: as ``folder_below``.
    """
    return _open_in(folder, name, _READ)


def open_below(root: Path, parts: Sequence[str]) -> int:
    """As ``open_in``, for what ``parts`` name below ``root``; without parts that is ``root``."""
    if not parts:
        return os.open(root, _ROOT)
    with folder_below(root, parts[:-1]) as folder:
        return open_in(folder, parts[-1])


def replace_in(folder: int, name: str, content: bytes) -> None:
    """Write a file for the hub's user alone: it has its name when all of it is on the disk, until then what was there.

    :raises OSError: it could not be written; nothing is left of it.
    """
    unfinished = f".{token_hex(8)}.tmp"
    try:
        descriptor = os.open(unfinished, _CREATE, 0o600, dir_fd=folder)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except OSError:
        with suppress(OSError):
            os.unlink(unfinished, dir_fd=folder)
        raise


def _open_in(folder: int, name: str, flags: int) -> int:
    if name in ("", ".", "..") or "/" in name:
        raise ValueError("not a name")
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError:
        if _is_link(folder, name):
            raise LinkInTheWay(errno.ELOOP, os.strerror(errno.ELOOP)) from None
        raise


def _is_link(folder: int, name: str) -> bool:
    with suppress(OSError):
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    return False
