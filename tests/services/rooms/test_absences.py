"""Who is away, in what order they went, and whose they are."""

from __future__ import annotations

from newage.services.rooms.absences import Absences


def test_who_went_first_comes_first() -> None:
    away = Absences()
    for number, who in enumerate(("a-1", "b-1", "a-2")):
        away.begin(who, who[0], float(number))
    assert list(away) == ["a-1", "b-1", "a-2"]
    assert away.of_client("a") == ("a-1", "a-2")
    assert (away.since("b-1"), away.client_of("b-1"), len(away)) == (1.0, "b", 3)
    away.begin("a-1", "a", 9.0)
    assert away.of_client("a") == ("a-2", "a-1")


def test_who_is_here_again_is_not_away() -> None:
    away = Absences()
    away.begin("a-1", "a", 3.0)
    assert "a-1" in away
    assert away.end("a-1") == 3.0
    assert away.end("a-1") is None
    assert "a-1" not in away
    assert away.of_client("a") == ()
