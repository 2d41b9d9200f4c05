"""The checker of histories finds each kind of violation, and nothing in a history that is right."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from histories import History, Stored

Final = dict[str, list[Stored]]


def right() -> tuple[History, Final]:
    """Two rooms, two clients, two questions each and their answers; nothing wrong."""
    history, final = History(), Final()
    for room, client in (("a", "ann"), ("b", "bob")):
        final[room] = []
        for number in (1, 2):
            key = f"{room}{number}"
            history.sent(client, room, key, f"question {key}")
            history.acked(key)
            history.received(client, room, key, number * 2)
            history.answered(client, room, key, f"answer {key}")
            final[room] += [Stored(key, f"question {key}"), Stored(f"{key}!", f"answer {key}", key)]
    return history, final


def test_a_right_history_has_no_violation() -> None:
    history, final = right()
    assert history.violations(final) == []


def test_what_was_not_acknowledged_may_be_there_or_not() -> None:
    history, final = right()
    history.sent("ann", "a", "a3", "cut off")
    assert history.violations(final) == []
    final["a"].append(Stored("a3", "cut off"))
    assert history.violations(final) == []


def test_who_was_away_may_have_missed_messages() -> None:
    history, final = right()
    history.sent("ann", "a", "a3", "while away")
    history.acked("a3")
    final["a"].append(Stored("a3", "while away"))
    assert history.violations(final) == []


def swap(final: Final) -> None:
    final["a"][0], final["a"][2] = final["a"][2], final["a"][0]


CASES: list[tuple[str, Callable[[History, Final], object]]] = [
    ("lost: ann was told", lambda history, final: final["a"].pop(0)),
    ("lost: ann was told", lambda history, final: final.pop("a")),
    ("changed: a1 of ann", lambda history, final: final["a"].__setitem__(0, Stored("a1", "cut"))),
    ("twice: a1 is stored 2", lambda history, final: final["a"].append(final["a"][0])),
    ("twice: ann received a1 of a 2", lambda history, final: history.received("ann", "a", "a1", 9)),
    ("twice: ann was answered a1 2", lambda history, final: history.answered("ann", "a", "a1", "answer a1")),
    ("invented: nobody sent x", lambda history, final: final["a"].append(Stored("x", "?"))),
    ("invented: x! of a answers x", lambda history, final: final["a"].append(Stored("x!", "?", "x"))),
    ("invented: bob was answered x", lambda history, final: history.answered("bob", "b", "x", "?")),
    ("disordered: the numbers that bob", lambda history, final: history.received("bob", "b", "b3", 1)),
    ("disordered: ann received the messages of a", lambda history, final: swap(final)),
    ("disordered: a has what ann", lambda history, final: swap(final)),
    ("astray: a1! is in b and belongs to a", lambda history, final: final["b"].append(final["a"].pop(1))),
    (
        "astray: bob was given the answer to a1 in b",
        lambda history, final: history.answered("bob", "b", "a1", "answer a1"),
    ),
    (
        "changed: cat was given another answer to a1",
        lambda history, final: history.answered("cat", "a", "a1", "answer"),
    ),
]


@pytest.mark.parametrize(("violation", "break_"), CASES)
def test_each_violation_is_found(violation: str, break_: Callable[[History, Final], object]) -> None:
    history, final = right()
    break_(history, final)
    assert [found for found in history.violations(final) if found.startswith(violation)]
