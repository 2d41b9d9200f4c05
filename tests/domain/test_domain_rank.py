"""Whose credentials one may touch, and what a key proves: each rule as a whole table (A37, B6)."""

from __future__ import annotations

import pytest

from newage.domain.model import Caller, KeyRecord, Kind, Peer, Rank, Scope, Session
from newage.domain.rank import EXTENSION_NAMESPACES, gives_rights, may_touch, outdoes, proves

C, X, A = Rank.CLIENT, Rank.EXTENSION, Rank.ADMIN


@pytest.mark.parametrize(
    ("actor", "target", "others", "own"),
    [
        (C, C, False, True),
        (C, X, False, False),
        (C, A, False, False),
        (X, C, True, True),
        (X, X, False, True),
        (X, A, False, False),
        (A, C, True, True),
        (A, X, True, True),
        (A, A, False, True),
    ],
)
def test_nobody_above_his_rank_of_his_own_only_his_own_below_it_others(
    actor: Rank, target: Rank, others: bool, own: bool
) -> None:
    assert may_touch(actor, target, own=False) is others
    assert may_touch(actor, target, own=True) is own


def key(rank: Rank | None, scope: Scope = Scope.ALL) -> KeyRecord:
    return KeyRecord(client_id="x", hash="h", created_at=0.0, rank=rank, scope=scope)


@pytest.mark.parametrize(
    ("rank", "kinds"),
    [(None, "client"), (C, "client"), (X, "client extension"), (A, "client extension admin")],
)
def test_a_key_proves_no_kind_above_its_rank(rank: Rank | None, kinds: str) -> None:
    assert [kind.value for kind in Kind if proves(key(rank), kind, "/rooms")] == kinds.split()


@pytest.mark.parametrize(
    ("scope", "kinds"),
    [
        (Scope.ALL, "client extension admin"),
        (Scope.CLIENT, "client"),
        (Scope.EXTENSION, "extension"),
        (Scope.API, ""),
        (Scope.ADMIN, "client admin"),
    ],
)
def test_a_key_proves_no_kind_outside_its_scope(scope: Scope, kinds: str) -> None:
    assert [kind.value for kind in Kind if proves(key(A, scope), kind, "/llm")] == kinds.split()


def test_a_key_of_scope_extension_opens_an_extensions_namespaces_alone() -> None:
    everywhere = ("/", "/llm", "/auth", "/clients", "/rooms", "/function_call", "/sillytavern", "/debug")
    opened = {path for path in everywhere if proves(key(X, Scope.EXTENSION), Kind.EXTENSION, path)}
    assert opened == EXTENSION_NAMESPACES == {"/llm", "/auth", "/clients", "/function_call", "/sillytavern"}
    assert all(proves(key(X), Kind.EXTENSION, path) for path in everywhere)


def test_ranks_on_the_wire_and_of_kinds() -> None:
    assert [rank.wire for rank in Rank] == ["client", "extension", "admin"]
    assert [Rank.of(kind) for kind in Kind] == [C, X, A]


def test_a_caller_of_whom_nothing_was_asked_has_the_rank_of_its_kind() -> None:
    for client_type, rank in (("web-app", C), ("SillyTavern", X), ("monitor", A)):
        session = Session(client_id="x", identity="x", client_type=client_type)
        assert Caller(sid="s", namespace="/", session=session, peer=Peer("::1")).rank is rank


def test_a_key_of_scope_extension_gives_no_rights() -> None:
    assert [scope for scope in Scope if not gives_rights(key(A, scope))] == [Scope.EXTENSION]


@pytest.mark.parametrize(
    ("old", "newcomer", "expected"),
    [
        (key(C), key(C), False),
        (key(X), key(C), True),
        (key(None), key(C), False),
        (key(X), key(X, Scope.EXTENSION), True),
        (key(X, Scope.EXTENSION), key(X), False),
        (key(X, Scope.EXTENSION), key(X, Scope.EXTENSION), False),
        (key(C), key(C, Scope.CLIENT), False),
        (key(C), key(A, Scope.ADMIN), False),
        (key(A), key(A, Scope.ADMIN), True),
        (key(C, Scope.API), key(C, Scope.CLIENT), True),
        (key(C, Scope.API), key(C), False),
        (key(C), key(C, Scope.API), True),
    ],
)
def test_a_key_takes_the_place_of_none_that_opens_more(old: KeyRecord, newcomer: KeyRecord, expected: bool) -> None:
    assert outdoes(old, newcomer) is expected
