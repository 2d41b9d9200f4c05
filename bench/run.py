#!/usr/bin/env python3
"""Measure newage against its peers: ``make bench``, or ``python bench/run.py --help``.

Builds the load generator, installs the peers below ``bench/build``, then measures group by group: every server of a
scenario in turn, the order reversed each round, a fresh process pinned to a core each time, the load generator pinned
to another. Prints medians and ratios; only ratios within one run are a result (docs/performance.md).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from plan import DAEMON, GROUPS, HUB, NODE, PYTHON, SERVERS, STRICT
from prepare import PEERS_PYTHON, Missing, build_load_generator, install_node_peer, install_python_peer, make_home
from report import Row, table
from rig import BENCH, Machine, measure

NAMES = {NODE: "node", PYTHON: "python", HUB: "hub", DAEMON: "daemon", STRICT: "strict"}  # on the command line


def main() -> int:
    args = _arguments()
    if args.report:
        print(table([json.loads(line) for name in args.report for line in Path(name).read_text().splitlines()]))
        return 0
    jobs = list(_jobs(args))
    if not jobs:
        print("nothing of that name to measure", file=sys.stderr)
        return 2
    try:
        fill = _prepare({server for _, _, server, _ in jobs})
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    results = _measure_all(args, jobs, fill)
    print(table(results))
    return 0 if all(row.get("ok") for row in results) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure newage against its peers.")
    add = parser.add_argument
    add("--groups", default=",".join(GROUPS), help="of: %(default)s")
    add("--scenarios", default="", help="only these, comma separated")
    add("--servers", default="", help=f"only these, of: {','.join(NAMES.values())}")
    add("--repeats", type=int, default=3)
    add("--duration", type=float, default=4.0, help="seconds that count")
    add("--warmup", type=float, default=2.0, help="seconds before")
    add("--server-core", default="0")
    add("--load-core", default="1")
    add("--nice", type=int, default=0, help="of server and load generator alike; below 0 needs root")
    add("--quiet-limit", type=float, default=15.0, help="wait while others use more %% of a core; 0: never")
    add("--quiet-wait", type=float, default=60.0, help="seconds to wait for it")
    add("--retries", type=int, default=2, help="repeat what was disturbed by more than twice the limit")
    add("--out", type=Path, default=BENCH / "results.jsonl", help="every single result; server output in <out>.log")
    add("--report", nargs="+", metavar="FILE", help="measure nothing, print these results together")
    return parser.parse_args()


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


def _prepare(servers: set[str]) -> dict[str, str]:
    """Install what these servers need. :return: the values for their command lines."""
    fill = {"python": sys.executable, "peers": str(PEERS_PYTHON), "home": "", "clients": ""}
    build_load_generator()
    if NODE in servers:
        install_node_peer()
    if PYTHON in servers:
        install_python_peer()
    if any(SERVERS[server].strict for server in servers):
        home, clients = make_home()
        fill |= {"home": str(home), "clients": str(clients)}
    return fill


def _measure_all(args: argparse.Namespace, jobs: list[tuple[str, str, str, int]], fill: dict[str, str]) -> list[Row]:
    machine = Machine(
        server_core=args.server_core,
        load_core=args.load_core,
        nice=args.nice,
        duration=args.duration,
        warmup=args.warmup,
        quiet_percent=args.quiet_limit,
        quiet_seconds=args.quiet_wait,
        retries=args.retries,
    )
    results: list[Row] = []
    with args.out.open("w") as out, Path(f"{args.out}.log").open("w") as log:
        for group, scenario, server, turn in jobs:
            row = measure(machine, server, SERVERS[server], GROUPS[group].scenarios[scenario], fill, log)
            row.update(group=group, scenario=scenario, server=server, round=turn)
            out.write(json.dumps(row) + "\n")
            out.flush()
            results.append(row)
            print(_progress(row), file=sys.stderr, flush=True)
    return results


def _progress(row: Row) -> str:
    latency = row.get("lat_us", {}).get("p99", 0.0) / 1000
    rate, cpu = row.get("rate", 0.0), row.get("srv_cpu", 0.0)
    return (
        f"{row['round']} {row['scenario']:13} {row['server']:20} {rate:>12,.0f} {row.get('unit', ''):12} "
        f"p99 {latency:8.2f} ms  server {cpu:5.1f} % {cpu * 1e4 / rate if rate else 0:6.2f} us/op  "
        f"load {row.get('lg_cpu', 0.0):5.1f} %  others {row.get('foreign_cpu', 0.0):5.1f} %  "
        f"{'ok' if row.get('ok') else row.get('fatal') or row.get('errors')}"
    )


if __name__ == "__main__":
    sys.exit(main())
