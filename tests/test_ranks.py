"""The tables of docs/security.md are the hub's own answers, and nobody is above his rank (A37, B2, B6)."""

from __future__ import annotations

import pytest
from attrs import evolve

from newage.domain.model import Kind
from ranks import DOCUMENT, PLACES, PROOFS, SCOPES, Subject, admissions, document, examples, rights, subjects

ORDER = ("403", "-", "first key", "client", "keyless extension", "extension", "extension+", "admin")
HIGHEST = {Kind.CLIENT: "client", Kind.EXTENSION: "extension+", Kind.ADMIN: "admin"}
REACH = {
    "first key": 0,
    "client": 0,
    "keyless extension": 0,
    "extension": 0,
    "extension+": 1,
    "admin": 2,
}  # whose credentials one may touch
RANKS = {"a client": 0, "an extension": 1, "an administrator": 2}
WORTHLESS = ("none", "getKey", "wrong", "revoked", "scope api")


def word(subject: Subject) -> str:
    return admissions()[subject][0]


def test_the_document_has_them_as_they_are() -> None:
    assert DOCUMENT.read_text("utf-8") == document(), "make ranks"


def test_nobody_is_let_in_as_more_than_he_says() -> None:
    assert all(ORDER.index(word(each)) <= ORDER.index(HIGHEST[each.kind]) for each in subjects())


def test_what_proves_nothing_lets_nobody_in_from_elsewhere() -> None:
    afar = ("private network", "`admin_addresses`", "elsewhere", "behind a proxy")
    assert {word(each) for each in subjects() if each.place in afar and each.proof in WORTHLESS} == {"-"}


def test_a_foreign_page_is_not_even_asked() -> None:
    assert {word(each) for each in subjects() if each.place == "foreign page"} == {"403"}


def test_a_proxy_lends_nobody_its_place() -> None:
    for each in subjects():
        if each.place == "behind a proxy":
            assert word(each) == word(Subject(each.strict, each.kind, each.proof, "elsewhere"))


@pytest.mark.parametrize("proof", PROOFS)
def test_no_proof_is_worth_more_than_ones_own_key(proof: str) -> None:
    """But a key of scope extension, which pins its id (B3), is looked at where nothing is asked of another user's
    programs, as one's own key is not; there it gives what it gives where everybody is asked."""
    pins = Subject(False, Kind.EXTENSION, "scope extension", "program, another user")
    for each in subjects():
        if each.proof == proof:
            own = word(Subject(each.strict or each == pins, each.kind, "own", each.place))
            assert ORDER.index(word(each)) <= ORDER.index(own)
    assert word(pins) == word(evolve(pins, strict=True)) == "extension"


def test_a_scope_only_takes_away() -> None:
    """A key of scope extension is never why somebody has sensitive rights; each scope is for its kind alone."""
    for each in subjects():
        if each.proof in SCOPES:
            without = Subject(each.strict, each.kind, "wrong", each.place)
            kinds = {"scope client": "client", "scope extension": "extension", "scope admin": "client admin"}
            if each.kind.value not in kinds.get(each.proof, ""):
                assert word(each) == word(without), each
            if word(each) == "extension+":
                assert word(without) == "extension+", each


def test_without_a_credential_only_the_hubs_own_user_administers() -> None:
    found = {each.place for each in subjects() if each.proof in WORTHLESS and word(each) == "admin"}
    assert found == {"program, hub's user"}


def test_what_one_may_follows_from_what_one_is_let_in_as() -> None:
    """Wherever he comes from and whatever he showed; but for namespaces that the scope of his key leaves out."""
    found: dict[str, dict[tuple[str, str], bool]] = {}
    for (_, what), alike in examples().items():
        for each in alike:
            inside = admissions()[each][1]
            may = {name: allowed for name, allowed in rights(each).items() if name[0] in inside}
            known = found.setdefault(what, {})
            assert {name: known.get(name, allowed) for name, allowed in may.items()} == may, each
            known.update(may)
    assert set(found) == set(REACH)


def test_nobody_touches_credentials_above_his_rank() -> None:
    for (_, what), alike in examples().items():
        for (_, name), may in rights(alike[0]).items():
            event, _, target = name.partition(" of ")
            if target in RANKS and event.endswith("_CLIENT_KEY"):
                assert not may or RANKS[target] < REACH[what], (what, name)


def test_the_places_are_told_apart() -> None:
    """The table would show nothing if the gate judged two of them alike where they are not."""
    judged = {place: None if peer is None else peer[1:6] for place, peer in PLACES.items()}
    assert judged["foreign page"] is None
    assert judged["behind a proxy"] == judged["elsewhere"]
    assert len(set(judged.values())) == len(judged) - 2  # and two differ by the socket's owner alone
