"""docs/scenarios.md, the contract's table and the scenario tests say the same; every one of the 70 rows has a test."""

from __future__ import annotations

import scenario_table as table


def test_there_are_seventy_rows() -> None:
    assert [row.number for row in table.rows()] == list(range(1, 71))
    assert all(row.given and row.then for row in table.rows())


def test_every_row_has_a_test_and_every_test_a_row() -> None:
    missing = set(range(1, 71)) - set(table.tests())
    assert not missing, f"no test_scenario_NN_... for {sorted(missing)}"
    assert set(table.tests()) == set(range(1, 71))


def test_the_document_is_what_would_be_generated() -> None:
    expected = table.document()
    hint = "run: python tests/integration/scenarios/scenario_table.py > docs/scenarios.md"
    assert table.DOCUMENT.read_text("utf-8") == expected, hint


def test_tests_without_a_number_are_not_taken_for_scenarios() -> None:
    named = [test for tests in table.tests().values() for test in tests]
    assert len(named) == len(set(named))
    assert all("::test_scenario_" in test for test in named)


def test_whoever_makes_an_extension_says_why_not_a_model_server() -> None:
    assert [test for test, why in table.with_a_stand_in_alone().items() if not why] == []
