"""``bench/wrong_keys.py`` without measuring: its attacks are what they are called, and its numbers add up."""

from __future__ import annotations

from math import isnan

import pytest
from wrong_keys import LOGINS, MIXES, Login, Result, growth, quantile, report

from newage.domain.key_form import has_hub_form


@pytest.mark.parametrize(("mix", "form"), [("made", True), ("unknown", True), ("imported", True), ("words", False)])
def test_wrong_keys_have_the_form_that_is_said(mix: str, form: bool) -> None:
    shown = [MIXES[mix][1](number) for number in range(20)]
    assert {namespace for namespace, _ in shown} == {"/llm"}
    assert {has_hub_form(auth["key"]) for _, auth in shown} == {form}


def test_unknown_ones_are_strangers_and_clients_without_a_key() -> None:
    names = [MIXES["unknown"][1](number)[1]["clientId"] for number in range(20)]
    assert {name.partition("-")[0] for name in names} == {"nobody", "keyless"}


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2.0), (0.95, 4.0), (1.0, 4.0), (0.0, 1.0)])
def test_quantiles_are_of_the_nearest_rank(share: float, expected: float) -> None:
    assert quantile([1.0, 2.0, 3.0, 4.0], share) == expected
    assert isnan(quantile([], share))


def test_the_report_takes_the_median_of_the_pairs() -> None:
    result = Result(quiet=[(0.001, 0.002)] * 3, attacked=[(0.001, 0.003), (0.001, 0.1), (0.001, 0.004)])
    result.hub = {False: [10.0], True: [90.0]}
    result.others = [5.0]
    times = ((0, 0.9, ""), (1, 0.010, ""), (2, 0.020, ""), (2, 0.0, "no"))
    result.logins = [Login(True, stretch, LOGINS[0], seconds, refusal) for stretch, seconds, refusal in times]
    assert growth(result) == pytest.approx(0.002)
    said = report({"made": result})
    assert "| 1.00 | 4.00 | 1.00 | 2.00 | 2.00 | 90 | 10 | 5 |" in said
    assert f"| {LOGINS[0]} | {MIXES['made'][0]} | 4 | 1 | 10 | 20 | 20 | 900 |" in said
