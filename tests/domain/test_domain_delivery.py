"""Audiences and emissions."""

from __future__ import annotations

from newage.domain.delivery import EVERYBODY, Audience, AudienceKind, Emission
from newage.domain.model import Kind


def test_each_constructor_makes_a_kind_of_its_own() -> None:
    audiences = [
        EVERYBODY,
        Audience.socket("x"),
        Audience.identity("x"),
        Audience.client("x"),
        Audience.room("x"),
        Audience.aliases("x"),
        Audience.of_kind(Kind.ADMIN),
    ]
    assert {audience.kind for audience in audiences} == set(AudienceKind)
    assert len(set(audiences)) == len(AudienceKind)
    assert Audience.of_kind(Kind.ADMIN) == (AudienceKind.KIND, "admin")
    assert Audience.room("x") == Audience.room("x")


def test_an_emission_is_for_the_union_of_its_audiences() -> None:
    emission = Emission("/llm", "E", (), (Audience.room("x"), EVERYBODY))
    assert emission.to == (("room", "x"), ("all", ""))


def test_looking_an_audience_up_runs_no_python_code() -> None:
    """The hub does it with each delivery: an Enum's own hash would be a function in Python."""
    assert AudienceKind.__hash__ is str.__hash__
    assert Audience.__hash__ is tuple.__hash__
