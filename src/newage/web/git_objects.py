"""Objects of git, without modes, links and deltas: blobs, trees, commits, and packs of them.

Everything is the same bytes for the same content, so that a commit's id says what it holds (B14).
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

_KINDS: Final = {"commit": 1, "tree": 2, "blob": 3}
_NAMES: Final = {number: name for name, number in _KINDS.items()}
_WHO: Final = "newage <newage@localhost>"
_FOLDER: Final = b"40000"
_FILE: Final = b"100644"


class GitObject(NamedTuple):
    """``kind`` is commit, tree or blob."""

    kind: str
    body: bytes

    @property
    def id(self) -> str:
        """What git calls it: 40 hexadecimal digits."""
        head = b"%s %d\x00" % (self.kind.encode(), len(self.body))
        return hashlib.sha1(head + self.body, usedforsecurity=False).hexdigest()


class BrokenPackError(ValueError):
    """These bytes are no pack of ours."""


def tree_of(files: Mapping[str, bytes]) -> list[GitObject]:
    """All objects of a folder, its own tree last.

    :param files: content by path, as ``lib/hub.js``.
    """
    found: list[GitObject] = []
    entries: list[tuple[bytes, bytes]] = []
    folders: dict[str, dict[str, bytes]] = {}
    for path, body in files.items():
        first, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(first, {})[rest] = body
        else:
            blob = GitObject("blob", body)
            found.append(blob)
            entries.append((first.encode(), _FILE + b" " + first.encode() + b"\x00" + bytes.fromhex(blob.id)))
    for name, inside in folders.items():
        below = tree_of(inside)
        found += below
        entry = _FOLDER + b" " + name.encode() + b"\x00" + bytes.fromhex(below[-1].id)
        entries.append((name.encode() + b"/", entry))  # git sorts a folder as if its name ended so
    found.append(GitObject("tree", b"".join(entry for _, entry in sorted(entries))))
    return found


def commit_of(tree: str, parent: str | None, message: str, seconds: int) -> GitObject:
    """:param seconds: since the epoch: its date."""
    lines = [f"tree {tree}"]
    if parent is not None:
        lines.append(f"parent {parent}")
    lines += [f"author {_WHO} {seconds} +0000", f"committer {_WHO} {seconds} +0000", "", message, ""]
    return GitObject("commit", "\n".join(lines).encode())


def write_pack(objects: Iterable[GitObject]) -> bytes:
    """A pack of all of them, each once, in the order of their ids."""
    different = sorted({each.id: each for each in objects}.items())
    parts = [b"PACK" + struct.pack(">II", 2, len(different))]
    for _, each in different:
        size = len(each.body)
        byte = _KINDS[each.kind] << 4 | size & 15
        size >>= 4
        head = bytearray()
        while size:
            head.append(byte | 0x80)
            byte, size = size & 0x7F, size >> 7
        head.append(byte)
        parts += [bytes(head), zlib.compress(each.body, 9)]
    pack = b"".join(parts)
    return pack + hashlib.sha1(pack, usedforsecurity=False).digest()


def read_pack(pack: bytes) -> dict[str, GitObject]:
    """:return: by id what ``write_pack`` has written.

    :raises BrokenPackError: it has not written this.
    """
    if pack[:8] != b"PACK\x00\x00\x00\x02" or hashlib.sha1(pack[:-20], usedforsecurity=False).digest() != pack[-20:]:
        raise BrokenPackError("the pack of the extension's repository is broken")
    found: dict[str, GitObject] = {}
    at = 12
    for _ in range(struct.unpack(">I", pack[8:12])[0]):
        kind = _NAMES.get(pack[at] >> 4 & 7)
        if kind is None:
            raise BrokenPackError("the pack of the extension's repository holds what newage does not write")
        while pack[at] & 0x80:
            at += 1
        reader = zlib.decompressobj()
        each = GitObject(kind, reader.decompress(pack[at + 1 : -20]))
        at = len(pack) - 20 - len(reader.unused_data)
        found[each.id] = each
    return found


def files_of(objects: Mapping[str, GitObject], tree: str) -> dict[str, bytes]:
    """Content by path, of a tree."""
    files: dict[str, bytes] = {}
    body = objects[tree].body
    while body:
        head, _, rest = body.partition(b"\x00")
        mode, _, name = head.partition(b" ")
        found, body = rest[:20].hex(), rest[20:]
        if mode == _FOLDER:
            files |= {f"{name.decode()}/{path}": inside for path, inside in files_of(objects, found).items()}
        else:
            files[name.decode()] = objects[found].body
    return files
