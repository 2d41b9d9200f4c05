"""Characters and pictures that were asked for lately (contract 5.9)."""

from __future__ import annotations

from hubkit import Kit
from newage.domain.chat import Characters, Offered, Picture
from newage.services.chat.kept import KeptLists, KeptPictures

LIST = Characters((Offered("a", "Ava"),))


def picture(letter: str, size: int = 10) -> Picture:
    return Picture("image/png", letter * 64, letter.encode() * size)


def test_lists_for_half_a_minute_and_the_oldest_goes(kit: Kit) -> None:
    kit.change("chat", kept_lists=2)
    lists = KeptLists(kit.world, kit.live.chat)
    for extension in ("x1", "x2", "x2", "x3"):
        lists.put(extension, LIST)
    assert [lists.get(extension) for extension in ("x1", "x2", "x3", "x4")] == [None, LIST, LIST, None]
    lists.forget("x3")
    assert lists.get("x3") is None
    kit.clock.advance(29.9)
    assert lists.get("x2") is LIST
    kit.clock.advance(0.2)
    assert lists.get("x2") is None


def test_pictures_as_many_as_fit(kit: Kit) -> None:
    kit.change("chat", kept_pictures_bytes=30)
    pictures = KeptPictures(kit.world, kit.live.chat)
    for letter in "abbcd":
        pictures.put("x", letter, picture(letter))
    assert [bool(pictures.get("x", letter)) for letter in "abcde"] == [False, True, True, True, False]
    pictures.put("x", "large", picture("l", 31))
    assert pictures.get("x", "large") is None


def test_whose_picture_it_is_is_asked_again(kit: Kit) -> None:
    pictures = KeptPictures(kit.world, kit.live.chat)
    pictures.put("x", "a", picture("a"))
    pictures.put("y", "a", picture("a"))
    assert pictures.get("x", "b") is None
    pictures.forget("x")
    assert (pictures.get("x", "a"), pictures.get("y", "a")) == (None, picture("a"))
    kit.clock.advance(30)
    assert pictures.get("y", "a") is None


def test_names_are_bounded_as_well(kit: Kit) -> None:
    kit.change("chat", kept_lists=1, max_characters=2)
    pictures = KeptPictures(kit.world, kit.live.chat)
    for letter in "abc":
        pictures.put("x", letter, picture("p"))
    assert [bool(pictures.get("x", letter)) for letter in "abc"] == [False, True, True]
