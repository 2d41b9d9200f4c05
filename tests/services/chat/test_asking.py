"""Whom a call about a desk goes to, and how many are open (contract 5.9)."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest
from twisted.internet.defer import Deferred, succeed

from deskkit import X, at_a_desk, begun, caller
from hubkit import Kit, failure_of, result_of
from newage.errors import ClientMissing, TimedOut, Unavailable
from newage.services.chat.asking import Asking, Shared


@pytest.fixture
def asking(kit: Kit) -> Asking:
    at_a_desk(kit)
    return Asking(kit.sessions, kit.live.chat)


def test_the_newest_socket_that_serves(kit: Kit, asking: Asking) -> None:
    assert asking.socket(X, "mirror") == caller(kit, X).sid
    old = caller(kit, X).sid
    kit.extension(X)
    assert asking.socket(X, "mirror") == old
    kit.extension(X, features=frozenset({"mirror"}))
    assert asking.socket(X, "mirror") == caller(kit, X).sid != old


def test_what_it_did_not_declare_it_is_not_asked(kit: Kit, asking: Asking) -> None:
    with pytest.raises(Unavailable, match=r"^This extension does not offer that\.$"):
        asking.socket(X, "groups")
    with pytest.raises(ClientMissing):
        asking.socket("gue", "mirror")


def test_so_many_at_once_and_no_more(kit: Kit, asking: Asking) -> None:
    kit.change("chat", desk_calls_per_session=2)
    gue, out = caller(kit, "gue"), caller(kit, "out")
    with asking.slot(gue), asking.slot(gue), asking.slot(out), pytest.raises(Unavailable), asking.slot(gue):
        pytest.fail("a third one")
    with asking.slot(gue), asking.slot(gue):
        pass


def test_one_question_for_all_who_ask_it_meanwhile() -> None:
    shared, answers, asked = Shared[int](), [Deferred[int](), Deferred[int]()], []

    def ask() -> Awaitable[int]:
        asked.append(1)
        return answers[len(asked) - 1]

    first, second, other = (begun(shared.get(key, ask)) for key in (("a",), ("a",), ("b",)))
    assert len(asked) == 2
    answers[0].callback(7)
    assert (result_of(first), result_of(second)) == (7, 7)
    answers[1].callback(8)
    assert result_of(other) == 8
    assert result_of(shared.get(("a",), lambda: succeed(9))) == 9


def test_a_failure_is_everybodys() -> None:
    shared, answer = Shared[int](), Deferred[int]()
    waiting = [begun(shared.get(("a",), lambda: answer)) for _ in range(3)]
    answer.errback(TimedOut("late"))
    assert [str(failure_of(each)) for each in waiting] == ["late"] * 3


def test_who_gives_up_waiting_disturbs_nobody() -> None:
    shared, answer = Shared[int](), Deferred[int]()
    first, second = (begun(shared.get(("a",), lambda: answer)) for _ in range(2))
    second.addErrback(lambda failure: None)
    second.cancel()
    answer.callback(7)
    assert result_of(first) == 7
