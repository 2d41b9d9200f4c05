"""Whose credentials one may make, remove and read, and what a key proves (A37, B6)."""

from __future__ import annotations

from newage.domain.model import KeyRecord, Kind, Rank, Scope

EXTENSION_NAMESPACES = frozenset({"/llm", "/auth", "/clients", "/function_call", "/sillytavern"})

_KINDS: dict[Scope, frozenset[Kind]] = {
    Scope.ALL: frozenset(Kind),
    Scope.CLIENT: frozenset({Kind.CLIENT}),
    Scope.EXTENSION: frozenset({Kind.EXTENSION}),
    Scope.API: frozenset(),
    Scope.WEBHOOK: frozenset(),
    Scope.ADMIN: frozenset({Kind.ADMIN, Kind.CLIENT}),
}


def may_touch(actor: Rank, target: Rank, *, own: bool) -> bool:
    """May somebody of rank ``actor`` make, remove or read credentials of an id of rank ``target``?

    Nobody above his own rank; of his own rank one's own alone; below it others', too.

    :param own: the id is the actor's.
    """
    return target <= actor if own else target < actor


def proves(key: KeyRecord, kind: Kind, namespace: str) -> bool:
    """Whether a valid key covers being of that kind in that namespace: by the rank and scope of its issue."""
    if Rank.of(kind) > (key.rank or Rank.CLIENT) or kind not in _KINDS[key.scope]:
        return False
    return key.scope is not Scope.EXTENSION or namespace in EXTENSION_NAMESPACES


def gives_rights(key: KeyRecord) -> bool:
    """Whether a valid key may give sensitive rights: one of scope ``extension`` answers, lists, and no more (B7)."""
    return key.scope is not Scope.EXTENSION


def outdoes(key: KeyRecord, newcomer: KeyRecord) -> bool:
    """Whether a key opens something that another one of its client does not, which so must not take its place."""
    if key.scope in (Scope.API, Scope.WEBHOOK) and newcomer.scope not in (key.scope, Scope.ALL):
        return True
    return (key.rank or Rank.CLIENT) > (newcomer.rank or Rank.CLIENT) or not _opens(key) <= _opens(newcomer)


def _opens(key: KeyRecord) -> frozenset[Kind]:
    return frozenset(kind for kind in _KINDS[key.scope] if Rank.of(kind) <= (key.rank or Rank.CLIENT))
