"""Medians and ratios as tables that read in a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from plan import GROUPS, NODE, PYTHON, Group, Scenario

Row = dict[str, Any]  # a result of the load generator with its group, scenario, server and round


def table(results: Sequence[Row]) -> str:
    """Everything that was measured, one table per group."""
    parts = []
    for name, group in GROUPS.items():
        rows = [row for row in results if row["group"] == name]
        if rows:
            parts += [f"### {group.title}", "", *_group_table(group, rows), ""]
    return "\n".join(parts)


def _group_table(group: Group, rows: Sequence[Row]) -> list[str]:
    heads = ["scenario", "server", "median", "min..max", "x Node", "bar", "x python-socketio", "p50 ms", "p99 ms"]
    heads += ["server CPU %", "CPU us/op", "load CPU %", "others %", "ok"]
    lines = [line(heads), line(["---", "---", *["---:"] * (len(heads) - 3), "---"])]
    for name, scenario in group.scenarios.items():
        of_scenario = [row for row in rows if row["scenario"] == name]
        base = {peer: _median(of_scenario, peer, "rate") for peer in (NODE, PYTHON)}
        for server in group.servers:
            own = [row for row in of_scenario if row["server"] == server]
            if own:
                lines.append(line(_cells(name, server, scenario, own, base)))
    return lines


def _cells(name: str, server: str, scenario: Scenario, rows: Sequence[Row], base: dict[str, float | None]) -> list[str]:
    rates = [row["rate"] for row in rows if "rate" in row]
    if not rates:
        return [name, server, f"failed: {rows[0].get('fatal', '?')[:120]}"]
    rate = median(rates)
    to_node = rate / base[NODE] if base[NODE] else None
    judged = server not in (NODE, PYTHON) and to_node is not None and scenario.bar is not None
    unit = {"bytes/conn": "B/conn", "connects/s": "/s", "acks/s": "/s", "deliveries/s": "/s"}[rows[0]["unit"]]
    return [
        name,
        server,
        f"{rate:,.0f} {unit}",
        f"{min(rates):,.0f}..{max(rates):,.0f}",
        number(to_node),
        _verdict(to_node or 0.0, scenario) if judged else "",
        number(rate / base[PYTHON] if base[PYTHON] else None),
        _latency(rows, "p50"),
        _latency(rows, "p99"),
        f"{median(row.get('srv_cpu', 0.0) for row in rows):.0f}",
        number(median(row.get("srv_cpu", 0.0) * 1e4 / row["rate"] for row in rows if row.get("rate"))),
        f"{median(row.get('lg_cpu', 0.0) for row in rows):.0f}",
        f"{median(row.get('foreign_cpu', 0.0) for row in rows):.0f}",
        "yes" if all(row.get("ok") for row in rows) else f"NO {_errors(rows)}",
    ]


def _verdict(ratio: float, scenario: Scenario) -> str:
    """Against bar and stretch; fewer bytes are better, of everything else more."""
    bar, stretch = scenario.bar, scenario.stretch
    assert bar is not None and stretch is not None
    less = stretch < bar
    reached = [goal for goal in (bar, stretch) if (ratio <= goal if less else ratio >= goal)]
    return f"{('missed', 'bar', 'stretch')[len(reached)]} ({bar:g} / {stretch:g})"


def _median(rows: Iterable[Row], server: str, key: str) -> float | None:
    values = [row[key] for row in rows if row["server"] == server and key in row]
    return median(values) if values else None


def _latency(rows: Sequence[Row], quantile: str) -> str:
    values = [row["lat_us"][quantile] for row in rows if "lat_us" in row]
    return f"{median(values) / 1000:.2f}" if values else ""


def _errors(rows: Sequence[Row]) -> str:
    return str({name: count for row in rows for name, count in row.get("errors", {}).items() if count})


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
