"""Two trees in one run: this checkout and another revision of it, interleaved, so that both meet the same noise.

Pairs run A B, B A, A B, ... A row's ratio is the median of its pairs' ratios; above 1 this checkout is the faster one.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import geometric_mean, median

from plan import DAEMON, GROUPS, HUB, STRICT, Scenario
from prepare import Missing
from report import Row, line, number

HERE, THERE = "here", "there"
QUICK = ("echo_w1", "bcast_100", "stream_sat", "stream_w1")  # a few minutes with QUICK_PAIRS of short ones
QUICK_PAIRS, QUICK_SECONDS, QUICK_WARMUP = 3, 1.5, 1.0
_OURS = (HUB, DAEMON, STRICT)


@dataclass(frozen=True)
class Tree:
    """A checkout: ``name`` is HERE or THERE, ``title`` what git calls it."""

    name: str
    title: str
    root: Path


@dataclass(frozen=True)
class Job:
    group: str
    scenario: str
    server: str
    pair: int
    tree: str


def jobs(groups: Sequence[str], scenarios: set[str], servers: set[str], pairs: int) -> Iterator[Job]:
    """In the order of measuring.

    :param scenarios: only these; empty: all. :param servers: the same.
    """
    rows = [
        (name, scenario, server)
        for name in groups
        for scenario in GROUPS[name].scenarios
        for server in GROUPS[name].servers
        if server in _OURS and (not scenarios or scenario in scenarios) and (not servers or server in servers)
    ]
    for pair in range(pairs):
        for row in rows:
            for tree in (HERE, THERE) if pair % 2 == 0 else (THERE, HERE):
                yield Job(*row, pair, tree)


@contextmanager
def two_trees(root: Path, revision: str) -> Iterator[Mapping[str, Tree]]:
    """This checkout as it lies there, and the revision in a folder of its own, which is gone after, however it ends.

    :raises Missing: git does not know the revision, or this is no checkout.
    """
    commit = _git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", wrong=f"git knows no {revision}")
    here = Tree(HERE, _git(root, "describe", "--always", "--dirty"), root)
    folder = Path(tempfile.mkdtemp(prefix="newage-against-"))
    before = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        _git(root, "worktree", "add", "--quiet", "--detach", str(folder / "tree"), commit)
        yield {HERE: here, THERE: Tree(THERE, f"{revision} ({commit[:7]})", folder / "tree")}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(Missing):
            _git(root, "worktree", "prune")
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def _git(root: Path, *args: str, wrong: str = "") -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *args], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise Missing("--against needs git") from None
    except subprocess.CalledProcessError as error:
        raise Missing(wrong or error.stderr.strip() or f"git {args[0]} failed") from None
    return done.stdout.strip()


def environment(trees: Mapping[str, Tree], python: str) -> str:
    """What both run in, and whether that is what the other one asks for."""
    wanted = [(tree.root / "setup.cfg").read_text().partition("install_requires")[2] for tree in trees.values()]
    differs = " The revision asks for other packages than this checkout; it gets these." if len(set(wanted)) > 1 else ""
    return f"Both trees run in one environment, {python}.{differs}"


# -------------------------------------------------------------------------------------------------------------- table


def speed(scenario: Scenario, row: Row) -> float | None:
    """A number that is the higher the better; None if there was no result.

    Of an open loop, whose rate is given, it is the work done per CPU time; of memory its inverse.
    """
    if row.get("rate") and row.get("unit") == "bytes/conn":
        return 1.0 / float(row["rate"])
    return thrift(row) if "--rate" in scenario.args else row.get("rate") or None


def thrift(row: Row) -> float | None:
    """Operations per CPU time of the server: what other programs on the machine disturb least."""
    if row.get("unit") == "bytes/conn" or not row.get("rate") or not row.get("srv_cpu"):
        return None
    return float(row["rate"]) / float(row["srv_cpu"])


def comparison(results: Sequence[Row], titles: Mapping[str, str]) -> str:
    """One line per row, and the geometric means of their ratios.

    :param results: of the load generator, with group, scenario, server, pair and tree.
    """
    heads = ["group", "scenario", "server", HERE, THERE, "ratio", "of the pairs", "by CPU", "pairs", "others %", "ok"]
    lines = [f"here: {titles.get(HERE)}; there: {titles.get(THERE)}. A ratio above 1: faster here.", ""]
    lines += [line(heads), line(["---", "---", "---", *["---:"] * (len(heads) - 4), "---"])]
    by_speed, by_thrift = [], []
    for key in dict.fromkeys((row["group"], row["scenario"], row["server"]) for row in results):
        own = [row for row in results if (row["group"], row["scenario"], row["server"]) == key]
        scenario = GROUPS[key[0]].scenarios[key[1]]
        ratios, thrifty = _ratios(own, partial(speed, scenario)), _ratios(own, thrift)
        by_speed += [median(ratios)] if ratios else []
        by_thrift += [median(thrifty)] if thrifty else []
        cells = [_middle(own, HERE), _middle(own, THERE), *_spread(ratios)]
        cells += [number(median(thrifty) if thrifty else None), str(len(ratios)), *_circumstances(own)]
        lines.append(line([*key, *cells]))
    return "\n".join([*lines, "", f"Geometric mean of the rows: {_mean(by_speed)}; by CPU: {_mean(by_thrift)}"])


def _ratios(rows: Sequence[Row], value_of: Callable[[Row], float | None]) -> list[float]:
    """Here to there, of each pair that has both."""
    pairs: dict[int, dict[str, float]] = {}
    for row in rows:
        value = value_of(row)
        if value is not None:
            pairs.setdefault(row["pair"], {})[row["tree"]] = value
    return [pair[HERE] / pair[THERE] for pair in pairs.values() if len(pair) == 2]


def _mean(ratios: Sequence[float]) -> str:
    return f"{geometric_mean(ratios):.3f} ({len(ratios)})" if ratios else "none"


def _middle(rows: Sequence[Row], tree: str) -> str:
    own = [row for row in rows if row["tree"] == tree]
    rates = [row["rate"] for row in own if "rate" in row]
    return f"{median(rates):,.0f} {own[0]['unit']}" if rates else _failure(own)


def _failure(rows: Sequence[Row]) -> str:
    return f"failed: {rows[0].get('fatal', '?')[:60]}" if rows else "not measured"


def _spread(ratios: Sequence[float]) -> list[str]:
    return [f"{median(ratios):.3f}", f"{min(ratios):.2f}..{max(ratios):.2f}"] if ratios else ["", ""]


def _circumstances(rows: Sequence[Row]) -> list[str]:
    ok = all(row.get("ok") for row in rows)
    return [f"{median(row.get('foreign_cpu', 0.0) for row in rows):.0f}", "yes" if ok else "NO"]
