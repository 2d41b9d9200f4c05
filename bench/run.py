#!/usr/bin/env python3
"""Measure newage against its peers: ``make bench``, or ``python bench/run.py --help``.

Builds the load generator, installs the peers below ``bench/build``, then measures group by group: every server of a
scenario in turn, the order reversed each round, a fresh process pinned to a core each time, the load generator pinned
to another. Prints medians and ratios; only ratios within one run are a result (docs/performance.md).

``--against REV`` measures newage against newage: this checkout and that revision, pair by pair.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import against
from plan import DAEMON, GROUPS, HUB, NODE, PYTHON, SERVERS, STRICT
from prepare import PEERS_PYTHON, Missing, build_load_generator, install_node_peer, install_python_peer, make_home
from report import Row, table
from rig import BENCH, ROOT, Machine, measure

NAMES = {NODE: "node", PYTHON: "python", HUB: "hub", DAEMON: "daemon", STRICT: "strict"}  # on the command line


def main() -> int:
    args = _arguments()
    if args.report:
        print(_report([json.loads(line) for name in args.report for line in Path(name).read_text().splitlines()]))
        return 0
    try:
        results = _against(args) if args.against else _peers(args)
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    if not results:
        print("nothing of that name to measure", file=sys.stderr)
        return 2
    print(_report(results))
    return 0 if all(row.get("ok") for row in results) else 1


def _report(results: list[Row]) -> str:
    titles = {row["tree"]: row["title"] for row in results if "tree" in row}
    return against.comparison(results, titles) if titles else table(results)


def _peers(args: argparse.Namespace) -> list[Row]:
    jobs = list(_jobs(args))
    fill = _prepare({server for _, _, server, _ in jobs}) if jobs else {}
    machine = _machine(args)

    def measured(log: Any) -> Iterator[Row]:
        for group, scenario, server, turn in jobs:
            row = measure(machine, server, SERVERS[server], GROUPS[group].scenarios[scenario], fill, log)
            yield row | {"group": group, "scenario": scenario, "server": server, "round": turn}

    return _write(args.out, measured)


def _against(args: argparse.Namespace) -> list[Row]:
    """:raises Missing: no such revision."""
    servers = {server for server, name in NAMES.items() if name in args.servers.split(",")}
    scenarios = set(filter(None, args.scenarios.split(",")))
    jobs = list(against.jobs(args.groups.split(","), scenarios, servers, args.pairs))
    used = {job.server for job in jobs}
    machine = _machine(args)
    with against.two_trees(ROOT, args.against) as trees:
        print(against.environment(trees, sys.executable), file=sys.stderr)
        fills = {name: _prepare(used, home=f"home-{name}") for name in trees} if jobs else {}

        def measured(log: Any) -> Iterator[Row]:
            for job in jobs:
                tree = trees[job.tree]
                scenario = GROUPS[job.group].scenarios[job.scenario]
                row = measure(machine, job.server, SERVERS[job.server], scenario, fills[job.tree], log, tree.root)
                about = {"group": job.group, "scenario": job.scenario, "server": job.server, "pair": job.pair}
                yield row | about | {"tree": tree.name, "title": tree.title, "round": job.pair}

        return _write(args.out, measured)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure newage against its peers.")
    add = parser.add_argument
    add("--groups", default=",".join(GROUPS), help="of: %(default)s")
    add("--scenarios", default="", help="only these, comma separated")
    add("--servers", default="", help=f"only these, of: {','.join(NAMES.values())}")
    add("--repeats", type=int, default=3)
    add("--against", metavar="REV", help="no peers: this checkout and that revision of it, in turn")
    add("--pairs", type=int, help="of the two trees (default: 7)")
    add("--quick", action="store_true", help="of --against: few rows, few pairs, short ones; some three minutes")
    add("--duration", type=float, help="seconds that count (default: 4)")
    add("--warmup", type=float, help="seconds before (default: 2)")
    add("--server-core", default="0")
    add("--load-core", default="1")
    add("--nice", type=int, default=0, help="of server and load generator alike; below 0 needs root")
    add("--quiet-limit", type=float, default=15.0, help="wait while others use more %% of a core; 0: at any time")
    add("--quiet-wait", type=float, default=60.0, help="seconds to wait for it")
    add("--retries", type=int, default=2, help="repeat what was disturbed by more than twice the limit")
    add("--out", type=Path, default=BENCH / "results.jsonl", help="every single result; server output in <out>.log")
    add("--report", nargs="+", metavar="FILE", help="measure nothing, print these results together")
    args = parser.parse_args()
    pairs, duration, warmup = 7, 4.0, 2.0
    if args.quick:
        pairs, duration, warmup = against.QUICK_PAIRS, against.QUICK_SECONDS, against.QUICK_WARMUP
        args.scenarios = args.scenarios or ",".join(against.QUICK)
        args.retries = 0
    args.pairs = pairs if args.pairs is None else args.pairs
    args.duration = duration if args.duration is None else args.duration
    args.warmup = warmup if args.warmup is None else args.warmup
    return args


def _jobs(args: argparse.Namespace) -> Iterator[tuple[str, str, str, int]]:
    """(group, scenario, server, round) in the order of measuring."""
    scenarios = set(filter(None, args.scenarios.split(",")))
    servers = set(filter(None, args.servers.split(",")))
    for name in args.groups.split(","):
        group = GROUPS[name]
        for turn in range(args.repeats):
            for scenario in group.scenarios:
                if scenarios and scenario not in scenarios:
                    continue
                for server in group.servers if turn % 2 == 0 else reversed(group.servers):
                    if not servers or NAMES[server] in servers:
                        yield name, scenario, server, turn


def _prepare(servers: set[str], home: str = "home") -> dict[str, str]:
    """Install what these servers need.

    :param home: name of the folder for who needs one.
    :return: the values for their command lines.
    """
    fill = {"python": sys.executable, "peers": str(PEERS_PYTHON), "home": "", "clients": ""}
    build_load_generator()
    if NODE in servers:
        install_node_peer()
    if PYTHON in servers:
        install_python_peer()
    if any(SERVERS[server].strict for server in servers):
        folder, clients = make_home(home)
        fill |= {"home": str(folder), "clients": str(clients)}
    return fill


def _machine(args: argparse.Namespace) -> Machine:
    return Machine(
        server_core=args.server_core,
        load_core=args.load_core,
        nice=args.nice,
        duration=args.duration,
        warmup=args.warmup,
        quiet_percent=args.quiet_limit,
        quiet_seconds=args.quiet_wait,
        retries=args.retries,
    )


def _write(path: Path, measured: Callable[[Any], Iterable[Row]]) -> list[Row]:
    """Measure all, keeping each result in a file as soon as it is there.

    :param measured: results; it is given a file for what the servers say.
    """
    results: list[Row] = []
    with path.open("w") as out, Path(f"{path}.log").open("w") as log:
        for row in measured(log):
            out.write(json.dumps(row) + "\n")
            out.flush()
            results.append(row)
            print(_progress(row), file=sys.stderr, flush=True)
    return results


def _progress(row: Row) -> str:
    latency = row.get("lat_us", {}).get("p99", 0.0) / 1000
    rate, cpu = row.get("rate", 0.0), row.get("srv_cpu", 0.0)
    return (
        f"{row['round']} {row['scenario']:13} {row.get('tree', ''):5} {row['server']:20} "
        f"{rate:>12,.0f} {row.get('unit', ''):12} "
        f"p99 {latency:8.2f} ms  server {cpu:5.1f} % {cpu * 1e4 / rate if rate else 0:6.2f} us/op  "
        f"load {row.get('lg_cpu', 0.0):5.1f} %  others {row.get('foreign_cpu', 0.0):5.1f} %  "
        f"{'ok' if row.get('ok') else row.get('fatal') or row.get('errors')}"
    )


if __name__ == "__main__":
    sys.exit(main())
