"""The hub's state and logs are for staff with sensitive rights (contract 2.6); the wire's side is in namespaces/."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hubkit import HOME, OPERATOR, STATUS, Kit, result_of
from newage.daemon.workers import InlineWorkers
from newage.domain.logs import LogQuery
from newage.domain.model import Caller, Session
from newage.errors import NotAuthorised
from newage.services.home.diagnostics import Diagnostics
from newage.services.home.log_reader import LogReader, LogReaderSettings
from newage.settings import Live

QUERY = LogQuery(filename="combined.log", level="all", page=1, page_size=10, descending=False)


@pytest.fixture
def levels() -> list[bool]:
    return []


@pytest.fixture
def diagnostics(kit: Kit, tmp_path: Path, levels: list[bool]) -> Diagnostics:
    (tmp_path / "combined.log").write_text("2026-01-02 03:04:05 [info] [llm-server]: one\n")
    logs = LogReader(tmp_path, InlineWorkers(), Live(LogReaderSettings()))
    return Diagnostics(outbox=kit.outbox, status=lambda actor: STATUS, logs=logs, set_debug=levels.append)


def test_staff_sees_and_switches(diagnostics: Diagnostics, levels: list[bool]) -> None:
    assert diagnostics.status(OPERATOR) is STATUS
    assert diagnostics.toggle(OPERATOR)
    assert not diagnostics.toggle(OPERATOR)
    assert levels == [True, False]
    assert result_of(diagnostics.read_log(OPERATOR, QUERY)).total == 1


def test_the_operator_is_not_asked_for_rights(diagnostics: Diagnostics, levels: list[bool]) -> None:
    diagnostics.operator_switches(True)
    assert (diagnostics.debug_mode, levels) == (True, [True])


@pytest.mark.parametrize("client_type", ["web-app", "monitor", "SillyTavern"])
@pytest.mark.parametrize(
    "act",
    [
        lambda diagnostics, actor: diagnostics.status(actor),
        lambda diagnostics, actor: diagnostics.toggle(actor),
        lambda diagnostics, actor: result_of(diagnostics.read_log(actor, QUERY)),
    ],
)
def test_others_are_refused(
    diagnostics: Diagnostics, levels: list[bool], client_type: str, act: Callable[[Diagnostics, Caller], object]
) -> None:
    session = Session(client_id="x", identity="x", client_type=client_type)
    actor = Caller(sid="s", namespace="/debug", session=session, peer=HOME, sensitive=client_type == "web-app")
    with pytest.raises(NotAuthorised):
        act(diagnostics, actor)
    assert levels == []
