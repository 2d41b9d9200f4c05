"""``bench/run.py --against REV`` without measuring: the order, the table, and that the other checkout goes again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import against
import plan
import pytest
from prepare import Missing

TITLES = {"here": "abc1234-dirty", "there": "v1 (def5678)"}


def test_pairs_turn_round() -> None:
    jobs = list(against.jobs(["product"], {"stream_w1"}, set(), 4))
    assert [job.tree[0] for job in jobs] == list("htthhtth")
    assert [job.pair for job in jobs] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_each_round_has_every_row_of_ours_and_no_peer() -> None:
    jobs = list(against.jobs(list(plan.GROUPS), set(), set(), 2))
    assert len(jobs) == len(set(jobs))
    assert {job.server for job in jobs} == {plan.HUB, plan.DAEMON, plan.STRICT}
    assert {(job.group, job.scenario) for job in jobs if job.pair == 1} == {
        (name, scenario) for name, group in plan.GROUPS.items() for scenario in group.scenarios
    }


def test_what_is_named_is_measured() -> None:
    quick = list(against.jobs(list(plan.GROUPS), set(against.QUICK), set(), 1))
    assert {job.scenario for job in quick} == set(against.QUICK)
    assert {job.server for job in against.jobs(list(plan.GROUPS), set(), {plan.STRICT}, 1)} == {plan.STRICT}
    assert list(against.jobs(["product"], {"nothing"}, set(), 7)) == []


def rows(
    scenario: str,
    here: Sequence[float],
    there: Sequence[float],
    *,
    group: str = "protocol",
    server: str = plan.HUB,
    **more: Any,
) -> list[dict[str, Any]]:
    about = {"group": group, "scenario": scenario, "server": server, "ok": True, "unit": "acks/s", "srv_cpu": 100.0}
    found = []
    for pair, (a, b) in enumerate(zip(here, there, strict=True)):
        found += [about | {"tree": "here", "rate": a, "pair": pair} | more]
        found += [about | {"tree": "there", "rate": b, "pair": pair} | more]
    return found


def cells(text: str, scenario: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if f"| {scenario} |" in line]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_has_medians_and_the_median_of_its_pairs_ratios() -> None:
    text = against.comparison(rows("echo_w1", (100.0, 300.0, 210.0), (100.0, 100.0, 200.0)), TITLES)
    assert "here: abc1234-dirty; there: v1 (def5678)" in text
    assert cells(text, "echo_w1")[3:] == [
        *("210 acks/s", "100 acks/s", "1.050", "1.00..3.00", "1.05", "3", "0", "yes"),
    ]


def test_the_rows_are_summed_up_by_their_geometric_mean() -> None:
    text = against.comparison([*rows("echo_w1", (400.0,), (100.0,)), *rows("echo_4k", (100.0,), (400.0,))], TITLES)
    assert text.endswith("Geometric mean of the rows: 1.000 (2); by CPU: 1.000 (2)")


def test_of_bytes_fewer_are_better() -> None:
    text = against.comparison(rows("idle_10k", (2000.0,), (4000.0,), unit="bytes/conn"), TITLES)
    assert cells(text, "idle_10k")[5:8] == ["2.000", "2.00..2.00", ""]


def test_an_open_loop_is_judged_by_its_cpu() -> None:
    live = rows("live_100", (15_000.0,), (15_000.0,), group="live", server=plan.DAEMON)
    live[1]["srv_cpu"] = 50.0
    assert cells(against.comparison(live, TITLES), "live_100")[5] == "0.500"


def test_what_failed_is_told_and_not_compared() -> None:
    half = rows("echo_w1", (100.0,), (0.0,), fatal="the server did not start", ok=False)
    del half[1]["rate"]
    text = against.comparison(half, TITLES)
    assert cells(text, "echo_w1")[4:] == ["failed: the server did not start", "", "", "", "0", "0", "NO"]
    assert text.endswith("Geometric mean of the rows: none; by CPU: none")


# ------------------------------------------------------------------------------------------------------ the other tree


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Two commits and a change that is in none."""
    root = tmp_path / "checkout"
    root.mkdir()
    git(root, "init", "--quiet")
    file = root / "setup.cfg"
    for requirement in ("one", "two"):
        file.write_text(f"install_requires =\n    {requirement}\n")
        git(root, "add", ".")
        git(root, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", requirement)
    file.write_text("install_requires =\n    three\n")
    return root


def git(root: Path, *args: str) -> str:
    return subprocess.run(["git", "-C", str(root), *args], check=True, capture_output=True, text=True).stdout


def trees_of(root: Path) -> int:
    return len(git(root, "worktree", "list").splitlines())


def test_the_other_tree_is_that_revision_and_gone_afterwards(checkout: Path) -> None:
    with against.two_trees(checkout, "HEAD~1") as trees:
        here, there = trees["here"], trees["there"]
        assert (here.root, here.title[-6:]) == (checkout, "-dirty")
        assert there.title.startswith("HEAD~1 (")
        assert "one" in (there.root / "setup.cfg").read_text()
        assert against.environment(trees, "/bin/python").endswith("it gets these.")
        assert trees_of(checkout) == 2
    assert not there.root.parent.exists()
    assert trees_of(checkout) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_whoever_is_interrupted_leaves_nothing_behind(checkout: Path, number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)]
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises((SystemExit, KeyboardInterrupt)), against.two_trees(checkout, "HEAD~1") as trees:
            folder = trees["there"].root.parent
            os.kill(os.getpid(), number)
            raise AssertionError("it went on")
    finally:
        signal.signal(signal.SIGINT, usual)
    assert not folder.exists()
    assert trees_of(checkout) == 1
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)] == before


def test_a_revision_that_git_does_not_know_is_refused_in_words(checkout: Path) -> None:
    with pytest.raises(Missing, match="git knows no v9"), against.two_trees(checkout, "v9"):
        raise AssertionError("unreachable")
