"""What ``make bench`` would do, without doing it: the plan is whole, and the table judges rightly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import plan
import pytest
import report

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.mark.parametrize("group", plan.GROUPS.values(), ids=list(plan.GROUPS))
def test_every_group_names_servers_and_profiles_that_exist(group: plan.Group) -> None:
    for name in group.servers:
        server = plan.SERVERS[name]
        profile = json.loads((BENCH / "profiles" / f"{server.profile}.json").read_text())
        for part in server.command:
            if part.startswith("{bench}/"):
                assert (BENCH / part.removeprefix("{bench}/")).is_file()
        for scenario in group.scenarios.values():
            kind = scenario.args[1]
            roles = {"broadcast": ("receiver", "sender"), "stream": ("consumer", "producer")}.get(kind, ("client",))
            assert set(roles) <= set(profile["roles"])


def row(server: str, rate: float, **more: Any) -> report.Row:
    return {
        "group": "protocol",
        "scenario": "echo_w1",
        "server": server,
        "rate": rate,
        "unit": "acks/s",
        "ok": True,
    } | more


def cells(rows: list[report.Row], server: str) -> list[str]:
    line = next(line for line in report.table(rows).splitlines() if f"| {server} |" in line)
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_medians_are_compared_with_both_peers_and_judged() -> None:
    rows = [row(plan.NODE, rate) for rate in (90.0, 100.0, 900.0)]
    rows += [row(plan.PYTHON, 50.0), row(plan.HUB, 200.0)]
    assert cells(rows, plan.HUB)[2:7] == ["200 /s", "200..200", "2.00", "bar (1.6 / 3)", "4.00"]
    assert cells(rows, plan.NODE)[2:7] == ["100 /s", "90..900", "1.00", "", "2.00"]


@pytest.mark.parametrize(("rate", "verdict"), [(1.5, "missed"), (1.6, "bar"), (3.0, "stretch")])
def test_more_is_better(rate: float, verdict: str) -> None:
    assert cells([row(plan.NODE, 1.0), row(plan.HUB, rate)], plan.HUB)[5].startswith(verdict)


@pytest.mark.parametrize(("rate", "verdict"), [(0.8, "missed"), (0.75, "bar"), (0.6, "stretch")])
def test_of_bytes_fewer_are_better(rate: float, verdict: str) -> None:
    idle = {"scenario": "idle_10k", "unit": "bytes/conn"}
    rows = [row(plan.NODE, 1.0, **idle), row(plan.HUB, rate, **idle)]
    assert cells(rows, plan.HUB)[5].startswith(verdict)


def test_what_failed_is_told() -> None:
    failed = row(plan.HUB, 0.0) | {"ok": False, "fatal": "did not start"}
    del failed["rate"]
    assert "did not start" in report.table([row(plan.NODE, 1.0), failed])
    lost = row(plan.HUB, 2.0, ok=False, errors={"undelivered": 3, "order": 0})
    assert "NO {'undelivered': 3}" in report.table([row(plan.NODE, 1.0), lost])
