"""JSON files under the home; no symbolic link leads out of it (contract 7.5, 16.3.31, ``openat``).

Everything here blocks: it runs in a thread. Every path is a tuple of parts below the home.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

import orjson
from attrs import define, field, frozen

from newage.domain.people_text import NotText, read_text
from newage.errors import (
    BadPath,
    FileMissing,
    FileReadFailed,
    FileWriteFailed,
    NewAgeError,
    PathOutside,
    ProtocolError,
)
from newage.protocol.json_text import TooMuch, loads
from newage.services.home.openat import LinkInTheWay, folder_below, open_in, replace_in
from newage.settings import limit, switch

Parts = tuple[str, ...]
Json = dict[str, Any]
Stamp = tuple[int, int, int]  # what changes when a file does: mtime in ns, size, inode

OUTSIDE = "Access denied: Path is outside the server directory."
MISSING = "ENOENT: no such file or directory"


@frozen(kw_only=True)
class FileSettings:
    """Limits of the files that clients read and write."""

    max_file_bytes: int = limit(1_048_576, "bytes of a JSON file that is read or written")
    max_path_chars: int = limit(1024, "characters of a path in a call")
    max_path_parts: int = limit(16, "folders and file name in a path")
    max_files_per_client: int = limit(256, "files and folders that one client may keep in data/<its id>")
    file_threads: int = limit(2, "threads that read and write files")
    file_queue_limit: int = limit(256, "file operations that may wait or run; beyond, they are refused")
    read_only: bool = switch(False, "refuse every write; set by --ephemeral")


@define(eq=False)
class HomeFiles:
    """The files of one home."""

    root: Path
    _settings: FileSettings
    _writing: Lock = field(factory=Lock, init=False)

    def parts(self, path: object) -> Parts:
        """Rules 1-3 of contract 7.5 as far as text goes: relative to the home, normalised, not above it.

        :raises BadPath: not a usable string; PathOutside: it climbs out.
        """
        if not isinstance(path, str) or not path or len(path) > self._settings.max_path_chars:
            raise BadPath("Invalid path.")
        if "\0" in path or "\\" in path or not path.isprintable():
            raise BadPath("Invalid path.")
        inside = str(self.root)
        if path == inside or path.startswith(inside + "/"):
            path = path[len(inside) :]
        found: list[str] = []
        for part in path.split("/"):
            if part == "..":
                if not found:
                    raise PathOutside(OUTSIDE)
                found.pop()
            elif part not in ("", "."):
                found.append(part)
        if not found or len(found) > self._settings.max_path_parts or any(len(os.fsencode(p)) > 255 for p in found):
            raise BadPath("Invalid path.")
        return tuple(found)

    # -------------------------------------------------------------------------------------------------------- reading

    def read(self, parts: Parts) -> Json:
        """A JSON object.

        :raises FileMissing: none there; PathOutside: a link in the way; FileReadFailed: too large, no JSON object, I/O.
        """
        with self._folder(parts[:-1]) as folder:
            return self._read_at(folder, parts[-1])

    def kind(self, parts: Parts) -> str:
        """'file' or 'folder'.

        :raises FileMissing: nothing there, or something else; PathOutside: a link in the way.
        """
        with self._folder(parts[:-1]) as folder:
            try:
                mode = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_mode
            except OSError as error:
                raise FileMissing(MISSING) from error
        if stat.S_ISLNK(mode):
            raise PathOutside(OUTSIDE)
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise FileMissing(MISSING)
        return "file" if stat.S_ISREG(mode) else "folder"

    def list_json(self, parts: Parts, limit: int) -> dict[str, Stamp]:
        """Names ``*.json`` in a folder, sorted, with what changes when a file does; empty if there is no folder."""
        found: dict[str, Stamp] = {}
        try:
            with self._folder(parts) as folder:
                with os.scandir(folder) as entries:
                    names = sorted(entry.name for entry in entries)
                for name in names:
                    if name.startswith(".") or not name.endswith(".json") or len(found) >= limit:
                        continue
                    with suppress(OSError):
                        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                        if stat.S_ISREG(status.st_mode):
                            found[name] = (status.st_mtime_ns, status.st_size, status.st_ino)
        except FileMissing:
            pass
        return found

    def _read_at(self, folder: int, name: str) -> Json:
        try:
            descriptor = open_in(folder, name)
        except OSError as error:
            raise _explain(error) from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileReadFailed("Not a file.")
            content = b""
            while chunk := os.read(descriptor, self._settings.max_file_bytes + 1 - len(content)):
                content += chunk
        except OSError as error:
            raise FileReadFailed("The file cannot be read.") from error
        finally:
            os.close(descriptor)
        if len(content) > self._settings.max_file_bytes:
            raise FileReadFailed("The file is too large.")
        try:
            value = loads(read_text(content).encode())
        except TooMuch as error:
            raise FileReadFailed(f"The file is too much JSON: {error}.") from error
        except NotText as error:
            raise FileReadFailed(f"The file is no text: {error}.") from error
        except ProtocolError as error:
            raise FileReadFailed(f"The file is not valid JSON{_place(content)}.") from error
        if not isinstance(value, dict):
            raise FileReadFailed("The file does not hold a JSON object.")
        return value

    # -------------------------------------------------------------------------------------------------------- writing

    def update(
        self,
        parts: Parts,
        change: Callable[[Json | None], Json],
        *,
        create_folders: bool = False,
        quota: Parts | None = None,
    ) -> Json:
        """Replace a file by what ``change`` makes of it, atomically; nobody else writes meanwhile.

        :param change: gets the present object, or None if there is no file; what it raises ends the update.
        :param quota: a folder that may hold at most ``max_files_per_client`` entries at any depth.
        :return: what is now in the file.
        :raises FileWriteFailed: too large, disk full, read-only; otherwise as ``read``.
        """
        if self._settings.read_only:
            raise FileWriteFailed("This server writes nothing to disk.")
        with self._writing:
            if quota is not None:
                self._check_quota(parts, quota)
            with self._folder(parts[:-1], create=create_folders) as folder:
                return self._update_at(folder, parts[-1], change)

    def _update_at(self, folder: int, name: str, change: Callable[[Json | None], Json]) -> Json:
        try:
            present: Json | None = self._read_at(folder, name)
        except FileMissing:
            present = None
        wanted = change(present)
        try:
            content = orjson.dumps(wanted, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        except TypeError as error:
            raise FileWriteFailed("The object cannot be written as JSON.") from error
        if len(content) > self._settings.max_file_bytes:
            raise FileWriteFailed("The file would be too large.")
        if wanted != present:
            try:
                replace_in(folder, name, content)
            except OSError as error:
                raise FileWriteFailed("The file cannot be written.") from error
        return wanted

    def _check_quota(self, parts: Parts, quota: Parts) -> None:
        with suppress(FileMissing):
            self.kind(parts)
            return  # replacing takes no more room
        entries = 0
        with suppress(FileMissing), self._folder(quota) as top:
            entries = sum(len(folders) + len(names) for _, folders, names, _ in os.fwalk(dir_fd=top))
        if entries >= self._settings.max_files_per_client:
            raise FileWriteFailed("Too many files.")

    @contextmanager
    def _folder(self, parts: Parts, *, create: bool = False) -> Iterator[int]:
        """A descriptor of a folder, reached without following a link."""
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(folder_below(self.root, parts, before=_make_folder if create else None))
            except OSError as error:
                raise _explain(error) from error
            yield folder


def _make_folder(folder: int, name: str) -> None:
    """Create it if nothing has that name. :raises FileWriteFailed: disk full, no permission."""
    try:
        os.mkdir(name, 0o700, dir_fd=folder)
    except FileExistsError:
        pass
    except OSError as error:
        raise FileWriteFailed("The folder cannot be created.") from error


def _place(content: bytes) -> str:
    """Where in a text that is no JSON the fault is, as far as that can be told."""
    try:
        json.loads(read_text(content))
    except json.JSONDecodeError as error:
        return f": line {error.lineno}, column {error.colno}: {error.msg}"
    except (ValueError, RecursionError):
        pass
    return ""


def _explain(error: OSError) -> NewAgeError:
    """What it means that something could not be opened."""
    if isinstance(error, LinkInTheWay):
        return PathOutside(OUTSIDE)
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return FileMissing(MISSING)
    return FileReadFailed("The file cannot be opened.")
