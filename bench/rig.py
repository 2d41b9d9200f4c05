"""One measurement: a fresh server on one core, the load generator on another, and what the rest of the machine did."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from plan import Scenario, Server

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
BUILD = BENCH / "build"
LOADGEN = BUILD / "loadgen"

_START_SECONDS = 30.0  # for a server to listen
_STOP_SECONDS = 12.0  # for a server to end before it is killed
_RUN_SECONDS = 240.0  # for the load generator


@dataclass(frozen=True)
class Machine:
    """Where things run, and what counts as quiet.

    :param quiet_percent: of one core that others may use; 0 measures at any time.
    :param quiet_seconds: how long to wait for it.
    :param retries: how often a disturbed measurement is repeated.
    """

    server_core: str
    load_core: str
    nice: int
    duration: float
    warmup: float
    quiet_percent: float
    quiet_seconds: float
    retries: int


def measure(
    machine: Machine,
    name: str,
    server: Server,
    scenario: Scenario,
    fill: Mapping[str, str],
    log: IO[str],
    root: Path = ROOT,
) -> dict[str, Any]:
    """Measure once, and again while somebody else was busy; the least disturbed result counts.

    :param root: the checkout that the server is of.
    :return: what the load generator said: ``rate``, ``lat_us``, ``srv_cpu`` (percent), ``ok``; ``fatal`` if it failed.
    """
    best: dict[str, Any] | None = None
    for _ in range(1 + machine.retries):
        _await_quiet(machine)
        result = _measure_once(machine, name, server, scenario, fill, log, root)
        if best is None or result.get("foreign_cpu", 999.0) < best.get("foreign_cpu", 999.0):
            best = result
        if not machine.quiet_percent or result.get("foreign_cpu", 0.0) <= 2 * machine.quiet_percent:
            break
    assert best is not None
    return best


def _measure_once(
    machine: Machine,
    name: str,
    server: Server,
    scenario: Scenario,
    fill: Mapping[str, str],
    log: IO[str],
    root: Path,
) -> dict[str, Any]:
    with running(server, fill, log, core=machine.server_core, nice=machine.nice, root=root) as (process, port):
        if process is None:
            return {"ok": False, "fatal": "the server did not start; see the log"}
        pids = ",".join(map(str, family(process.pid)))
        command = [
            *_pinned(machine.load_core, machine.nice),
            *(str(LOADGEN), "--port", str(port), "--label", name, "--pid", pids),
            *("--profile", str(BENCH / "profiles" / f"{server.profile}.json")),
            *("--warmup", str(machine.warmup), "--duration", str(machine.duration)),
            *(("--clients", fill["clients"]) if server.strict else ()),
            *scenario.args,
        ]
        return load(command, machine.nice)


def load(command: Sequence[str], nice: int = 0) -> dict[str, Any]:
    """Run the load generator to its end and read its one line."""
    generator = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    lift(generator.pid, nice)
    try:
        out, error = generator.communicate(timeout=_RUN_SECONDS)
    except subprocess.TimeoutExpired:
        generator.kill()
        out, error = generator.communicate()
    lines = out.strip().splitlines()
    if not lines:
        return {"ok": False, "fatal": error.strip()[-300:] or "the load generator was too slow"}
    result: dict[str, Any] = json.loads(lines[-1])
    return result


@contextmanager
def running(
    server: Server, fill: Mapping[str, str], log: IO[str], *, core: str = "", nice: int = 0, root: Path = ROOT
) -> Iterator[tuple[subprocess.Popen[bytes] | None, int]]:
    """A server that listens, and its port; (None, port) if it ended or is too slow. Ended, with its children, after."""
    port = free_port()
    command = [part.format(bench=root / "bench", port=port, **fill) for part in server.command]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(root / "src"), str(root))),
        "PYTHONUNBUFFERED": "1",
        "NODE_PATH": str(BUILD / "node_modules"),
        "NODE_ENV": "production",
        **({"NEWAGE_AUTH_NETWORK_SAFE": "false"} if server.strict else {}),
    }
    process = subprocess.Popen(
        [*_pinned(core, nice), *command], cwd=BUILD, env=environment, stdout=log, stderr=log, start_new_session=True
    )
    lift(process.pid, nice)
    try:
        yield (process if _listens(process, port) else None), port
    finally:
        _stop(process)


def _pinned(core: str, nice: int) -> list[str]:
    return [*(("taskset", "-c", core) if core else ()), *(("nice", "-n", str(nice)) if nice else ())]


def lift(pid: int, nice: int) -> None:
    """Linux groups processes by session, and nice counts inside a group only: give the group the same."""
    if nice:
        with suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text(str(nice))


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    until = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            time.sleep(0.4)  # what a server does after it listens is not to be measured
            return True
        time.sleep(0.05)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    pids = family(process.pid)
    _signal(pids, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    _signal(pids, signal.SIGKILL)
    process.wait()


def _signal(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, number)


def family(pid: int) -> list[int]:
    """A process and everything that it started."""
    found = [pid]
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += family(int(child))
    return found


def free_port() -> int:
    """Below the ephemeral range, where connections of the load generator could take it away."""
    while True:
        port = random.randint(20_000, 31_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _await_quiet(machine: Machine) -> None:
    if not machine.quiet_percent:
        return
    until = time.monotonic() + machine.quiet_seconds
    while True:
        before, at = busy_seconds(), time.monotonic()
        time.sleep(0.5)
        busy = 100.0 * (busy_seconds() - before) / (time.monotonic() - at)
        if busy < machine.quiet_percent or time.monotonic() > until:
            return
        time.sleep(1.0)


def busy_seconds() -> float:
    """CPU time of the whole machine so far, idle and waiting excluded."""
    user, nice, system, _idle, _wait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
