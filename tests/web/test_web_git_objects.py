"""Objects and packs as git itself knows them."""

from __future__ import annotations

import pytest

from newage.web.git_objects import BrokenPackError, GitObject, commit_of, files_of, read_pack, tree_of, write_pack

FILES = {"a": b"1", "lib/b.js": b"22" * 5_000, "lib.x": b"", "lib/c/d": b"3"}


def test_ids_are_those_of_git() -> None:
    assert GitObject("blob", b"hello\n").id == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert GitObject("tree", b"").id == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def test_a_folder_comes_back_out_of_a_pack() -> None:
    objects = tree_of(FILES)
    pack = write_pack([*objects, objects[0]])
    assert files_of(read_pack(pack), objects[-1].id) == FILES
    assert write_pack(reversed(objects)) == pack


def test_a_folder_is_sorted_as_if_its_name_ended_with_a_slash() -> None:
    tree = tree_of(FILES)[-1].body
    assert tree.index(b"lib.x\x00") < tree.index(b" lib\x00")


def test_a_commit_names_its_parent() -> None:
    first = commit_of("t" * 40, None, "one", 1)
    assert b"parent" not in first.body
    assert f"parent {first.id}\n".encode() in commit_of("t" * 40, first.id, "two", 2).body


def test_other_bytes_are_no_pack() -> None:
    pack = bytearray(write_pack(tree_of(FILES)))
    pack[40] ^= 1
    with pytest.raises(BrokenPackError):
        read_pack(bytes(pack))
