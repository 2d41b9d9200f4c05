"""The hub's state as named values: what was stored by another version, or by hand."""

from __future__ import annotations

from typing import Any

import pytest

from logkit import Logged
from newage.domain.model import ConnectionPolicy, RequestMode
from newage.domain.state import HubState
from newage.storage.state import state_of


def test_the_names_are_those_of_stores_that_exist() -> None:
    stored = {
        "connectionPolicy": "Balanced",
        "messageRequestMode": "HostSubmit",
        "roomAssignments": {"id-1": ["X"]},
        "manualAssignments": {"lounge": ["Y", "Z"]},
        "imported.keys/clients.json": "2023-11-14T22:13:20.000Z",
        "extensionsEver": ["X", 7, "Z"],
        "runningSeconds": 12.5,
        "of another version": {"a": 1},
    }
    assert state_of(stored) == HubState(
        policy=ConnectionPolicy.BALANCED,
        default_mode=RequestMode.HOST_SUBMIT,
        assignments={"id-1": ("X",)},
        assignments_by_name={"lounge": ("Y", "Z")},
        extensions=("X", "Z"),
        keys_imported="2023-11-14T22:13:20.000Z",
        running_seconds=12.5,
    )


@pytest.mark.parametrize(
    ("name", "what"), [("connectionPolicy", "connection policy"), ("messageRequestMode", "request mode")]
)
@pytest.mark.parametrize("value", ["Anarchy", 7, [], {}])
def test_what_nobody_knows_any_more_is_logged_and_none(logged: Logged, name: str, what: str, value: Any) -> None:
    assert state_of({name: value}) == HubState()
    assert logged() == [f"the stored {what} is none: {value}"]


@pytest.mark.parametrize("value", [None, "X", 7, ["X"], {"a": "X"}, {"a": None}])
def test_assignments_that_are_none(value: Any) -> None:
    assert state_of({"roomAssignments": value, "manualAssignments": value}) == HubState()


def test_what_is_an_assignment_among_others_is_kept() -> None:
    state = state_of({"manualAssignments": {"a": "X", "b": [1, "Y"], "c": ["Z"]}})
    assert state.assignments_by_name == {"b": ("Y",), "c": ("Z",)}


@pytest.mark.parametrize("value", [None, 7, True, {}])
def test_an_import_without_a_time_was_none(value: Any) -> None:
    assert state_of({"imported.keys/clients.json": value}).keys_imported == ""


@pytest.mark.parametrize("value", [None, "7", -1, {}, 1e400])
def test_a_running_time_that_is_none(value: Any) -> None:
    assert state_of({"runningSeconds": value}).running_seconds == 0.0
