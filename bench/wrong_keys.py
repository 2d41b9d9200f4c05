#!/usr/bin/env python3
"""Wrong keys and passwords from everywhere, 50 a second: what do they cost those who are in, and those who are right?

``python bench/wrong_keys.py``: the daemon asks everybody for a key; streams run at 50 chunks a second to three readers
each, some people log in, each from an address never seen. Quiet and attacked stretches alternate in pairs; of each pair
the growth of the streams' p99 is taken, of these the median. A fresh daemon and home for each kind of attack.

The streams' clients, the attackers and those who log in are three processes, so none of them waits for another.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import IO, Any, NamedTuple
from uuid import UUID, uuid4

import bcrypt
from plan import Server
from raw_socket import Closed, RawSocket, log_in
from rig import BUILD, ROOT, busy_seconds, family, lift, running

IDS = 100  # that are attacked, of each sort
AT_HOME = 20  # of those, who logged in before, each from an address of its own
CALM = 300  # ids that nobody attacks
STREAMS, READERS, CHUNKS = 5, 3, 50.0  # streams, readers of each, chunks a second
_KEY = str(UUID(int=8, version=4))  # every imported one
_PASSWORD = "correct horse battery staple"
_TICK = os.sysconf("SC_CLK_TCK")
_NOBODY = random.Random(1)


def _wrong_form(number: int) -> str:
    return str(uuid4()) if number % 2 else f"sk-newage-{number % 10**8:08d}-{'a' * 26}"


MIXES: dict[str, tuple[str, Callable[[int], tuple[str, dict[str, Any]]]]] = {
    "made": (
        "the hub's form, ids with keys that the hub made",
        lambda n: ("/llm", {"clientId": f"made-{n % 5}", "key": _wrong_form(n)}),
    ),
    "unknown": (
        "the hub's form, ids unknown or without a key",
        lambda n: ("/llm", {"clientId": f"keyless-{n % IDS}" if n % 2 else f"nobody-{n}", "key": _wrong_form(n // 2)}),
    ),
    "words": (
        "words, ids with imported keys",
        lambda n: ("/llm", {"clientId": f"old-{n % IDS}", "key": f"sesame-{n}"}),
    ),
    "imported": (
        "the hub's form, ids with imported keys never used",
        lambda n: ("/llm", {"clientId": f"old-{n % IDS}", "key": str(uuid4())}),
    ),
    "passwords": (
        "passwords",
        lambda n: ("/auth", {"clientId": f"person-{n % IDS}", "password": f"sesame-{n}"}),
    ),
}

# Who is right; all but the last from addresses never seen, "imported" for the first time.
LOGINS = ("made", "imported", "imported, attacked", "password", "password, attacked, from home")


# ----------------------------------------------------------------------------------------------------------- the others


def _address(block: int) -> str:
    """One never seen before."""
    return f"198.{block}.{_NOBODY.randrange(256)}.{_NOBODY.randrange(1, 255)}"


def attack(port: int, mix: str, seconds: float, rate: float, first: int) -> Counter[str]:
    """Show ``rate`` wrong secrets a second, each from another address; how they were refused."""
    return asyncio.run(_attack(port, mix, seconds, rate, first))


async def _attack(port: int, mix: str, seconds: float, rate: float, first: int) -> Counter[str]:
    said: Counter[str] = Counter()
    _NOBODY.seed(first)

    async def guess(number: int) -> None:
        namespace, auth = MIXES[mix][1](number)
        try:
            socket, refusal, _ = await log_in(port, namespace, auth, _address(18))
            socket.close()
        except Closed:
            refusal = "closed"
        said[refusal or "ADMITTED"] += 1

    await _paced([partial(guess, number) for number in range(first, first + int(seconds * rate))], rate)
    return said


async def _paced(starts: Sequence[Callable[[], Any]], rate: float) -> None:
    """Open loop: each begins at its time, whatever became of those before."""
    begin, tasks = time.monotonic(), []
    for number, start in enumerate(starts):
        await asyncio.sleep(begin + number / rate - time.monotonic())
        tasks.append(asyncio.ensure_future(start()))
    await asyncio.gather(*tasks)


def right_logins(
    port: int, made: dict[str, str], seconds: float, rate: float, first: int
) -> list[tuple[str, float, str]]:
    """Log in rightly, each sort in turn; (sort, seconds until the hub decided, refusal)."""
    return asyncio.run(_right_logins(port, made, seconds, rate, first))


async def _right_logins(
    port: int, made: dict[str, str], seconds: float, rate: float, first: int
) -> list[tuple[str, float, str]]:
    found: list[tuple[str, float, str]] = []
    _NOBODY.seed(-first)

    async def one(number: int) -> None:
        sort = LOGINS[number % len(LOGINS)]
        namespace, auth, address = _right(sort, number // len(LOGINS), made)
        try:
            socket, refusal, seconds = await log_in(port, namespace, auth, address)
            socket.close()
        except Closed:
            refusal, seconds = "closed", 0.0
        found.append((sort, seconds, refusal))

    await _paced([partial(one, number) for number in range(first, first + int(seconds * rate))], rate)
    return found


def _right(sort: str, number: int, made: dict[str, str]) -> tuple[str, dict[str, Any], str]:
    if sort == "made":
        return "/llm", {"clientId": f"made-{number % 5}", "key": made[f"made-{number % 5}"]}, _address(19)
    if sort == "imported":
        return "/llm", {"clientId": f"calm-{number % CALM}", "key": _KEY}, _address(19)
    if sort == "imported, attacked":
        return "/llm", {"clientId": f"old-{number % IDS}", "key": _KEY}, _address(19)
    if sort == "password":
        return "/auth", {"clientId": f"calm-{number % CALM}", "password": _PASSWORD}, _address(19)
    home = number % AT_HOME
    return "/auth", {"clientId": f"person-{home}", "password": _PASSWORD}, f"203.0.113.{home + 1}"


# -------------------------------------------------------------------------------------------------------------- streams


@dataclass
class Streams:
    """Live streams and what their readers saw: when, and how long each chunk took."""

    sockets: list[RawSocket] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    seen: list[tuple[float, float]] = field(default_factory=list)

    async def start(self, port: int, made: dict[str, str]) -> None:
        for number in range(STREAMS):
            reader = {"clientId": f"reader-{number}", "key": _KEY, "streamMode": "plain"}
            name = f"SillyTavern-{number}"
            extension = {"clientId": name, "clientType": "SillyTavern", "key": made[name], "streamMode": "output"}
            sender = await self._joined(port, extension)
            readers = [await self._joined(port, reader) for _ in range(READERS)]
            about = {"streamId": f"s-{number}", "outputId": f"o-{number}", "requestId": f"r-{number}"}
            request = {"requestId": f"r-{number}", "target": name, "message": "go", "isStreaming": True}
            readers[0].emit("/llm", "LLM_REQUEST", request)
            while "LLM_REQUEST" not in await sender.receive():
                pass
            sender.emit("/llm", "CLIENT_STREAM_START", {"type": 1, "target": "server", **about})
            self.tasks += [asyncio.create_task(self._read(each)) for each in readers]
            self.tasks += [asyncio.create_task(self._drain(sender)), asyncio.create_task(self._send(sender, about))]

    async def _joined(self, port: int, auth: dict[str, Any]) -> RawSocket:
        socket, refusal, _ = await log_in(port, "/llm", auth)
        if refusal:
            raise SystemExit(f"{auth['clientId']} was refused: {refusal}")
        self.sockets.append(socket)
        return socket

    async def _send(self, sender: RawSocket, about: dict[str, str]) -> None:
        begin = time.monotonic() + random.random() / CHUNKS
        for index in itertools.count():
            await asyncio.sleep(begin + index / CHUNKS - time.monotonic())
            body = {"type": 5, "chunkIndex": index, "data": f"{time.monotonic_ns()}", "target": "server", **about}
            sender.emit("/llm", "CLIENT_STREAM_DATA_MIDDLE", body)

    async def _read(self, reader: RawSocket) -> None:
        with suppress(Closed):
            while True:
                packet = await reader.receive()
                if '"SERVER_STREAM_DATA"' in packet:
                    sent = int(json.loads(packet[packet.index("[") :])[1]["data"]) / 1e9
                    now = time.monotonic()
                    self.seen.append((now, now - sent))

    async def _drain(self, sender: RawSocket) -> None:
        with suppress(Closed):
            while True:
                await sender.receive()

    def between(self, begin: float, end: float) -> list[float]:
        return sorted(delay for at, delay in self.seen if begin <= at - delay < end)

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for socket in self.sockets:
            socket.close()


# ----------------------------------------------------------------------------------------------------------- one attack


class Login(NamedTuple):
    """A right one. ``stretch``: the how many-th quiet, or attacked, one of its kind, from 0."""

    attacked: bool
    stretch: int
    sort: str
    seconds: float
    refusal: str


@dataclass
class Result:
    """Of one kind of attack."""

    quiet: list[tuple[float, float]] = field(default_factory=list)  # p50 and p99 in seconds, of each pair
    attacked: list[tuple[float, float]] = field(default_factory=list)
    logins: list[Login] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    hub: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})  # percent of a core
    others: list[float] = field(default_factory=list)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The nearest rank; NaN of nothing."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def _cpu_seconds(pid: int) -> float:
    total = 0
    for each in family(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / _TICK


async def _measure(port: int, pid: int, mix: str, made: dict[str, str], args: argparse.Namespace) -> Result:
    await _answers(port)
    result, streams = Result(), Streams()
    loop = asyncio.get_running_loop()
    guessed = itertools.count(0, int(args.seconds * args.rate))
    logged_in = itertools.count(0, int(args.seconds * args.login_rate))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as others:
        # Once beforehand: whoever is at home was there before; the processes are up.
        for number in range(AT_HOME):
            namespace, auth, address = _right(LOGINS[-1], number, made)
            (await log_in(port, namespace, auth, address))[0].close()
        await asyncio.gather(*(loop.run_in_executor(others, time.sleep, 0.5) for _ in range(2)))
        await streams.start(port, made)
        await asyncio.sleep(1.0)
        for pair in range(args.pairs):
            for attacked in (False, True) if pair % 2 == 0 else (True, False):
                begin, machine = time.monotonic(), busy_seconds()
                ours, hub = _cpu_seconds(os.getpid()), _cpu_seconds(pid)
                logins = loop.run_in_executor(
                    others, right_logins, port, made, args.seconds, args.login_rate, next(logged_in)
                )
                guesses = None
                if attacked:
                    guesses = loop.run_in_executor(others, attack, port, mix, args.seconds, args.rate, next(guessed))
                await asyncio.sleep(args.seconds)
                end = time.monotonic()
                of_hub = _cpu_seconds(pid) - hub
                foreign = busy_seconds() - machine - (_cpu_seconds(os.getpid()) - ours)
                result.hub[attacked].append(100 * of_hub / (end - begin))
                result.others.append(100 * foreign / (end - begin))
                result.logins += [Login(attacked, pair, *each) for each in await logins]
                if guesses is not None:
                    result.refusals += await guesses  # what waits is computed before the next stretch
                await asyncio.sleep(0.5)
                delays = streams.between(begin, end)
                (result.attacked if attacked else result.quiet).append((quantile(delays, 0.5), quantile(delays, 0.99)))
        await streams.stop()
    return result


# --------------------------------------------------------------------------------------------------------------- a home

_COMMAND = ("{python}", "-c", "from twisted.scripts.twistd import run; run()", "--pidfile=", "-n", "newage")
_HUB = Server((*_COMMAND, "--port", "{port}", "--bind", "127.0.0.1", "--home", "{home}"), "", strict=True)


@contextmanager
def _hub(home: Path, log: IO[str], nice: int = 0) -> Iterator[tuple[int, int]]:
    """The daemon: (its pid, its port)."""
    os.environ["NEWAGE_WEB_TRUSTED_PROXIES"] = "127.0.0.1"
    with running(_HUB, {"python": sys.executable, "home": str(home)}, log) as (process, port):
        if process is None:
            raise SystemExit(f"the daemon did not start; see {log.name}")
        lift(process.pid, nice)
        yield process.pid, port


def _make_home(home: Path, log: IO[str]) -> dict[str, str]:
    """Imported keys of cost 10, passwords, and keys that the hub made.

    :return: those, by client id.
    """
    shutil.rmtree(home, ignore_errors=True)
    (home / "settings").mkdir(parents=True)
    (home / "keys").mkdir()
    key, password = (bcrypt.hashpw(each.encode(), bcrypt.gensalt(10)).decode() for each in (_KEY, _PASSWORD))
    calm = [f"calm-{number}" for number in range(CALM)]
    imported = [f"reader-{number}" for number in range(STREAMS)] + [f"old-{number}" for number in range(IDS)] + calm
    people = [f"person-{number}" for number in range(IDS)] + calm
    for name in {*imported, *people, *(f"keyless-{number}" for number in range(IDS))}:
        about = {"clientId": name, "isTrust": True} | ({"sillyTavernPassWord": password} if name in people else {})
        (home / "settings" / f"{name}.json").write_text(json.dumps(about))
    (home / "keys" / "clients.json").write_text(json.dumps({name: {"key": key} for name in imported}))
    clients, extensions = [f"made-{n}" for n in range(5)], [f"SillyTavern-{n}" for n in range(STREAMS)]
    with _hub(home, log) as (_, port):  # makes it a home
        asyncio.run(_answers(port))
    return {name: _new_key(home, name) for name in clients + extensions}


async def _answers(port: int) -> None:
    """It listens while it still reads its home."""
    (await RawSocket.open(port)).close()


def _new_key(home: Path, name: str) -> str:
    command = [sys.executable, "-m", "newage.cli", "--home", str(home), "keys", "new", name]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def _attacked(mix: str, template: Path, made: dict[str, str], log: IO[str], args: argparse.Namespace) -> Result:
    home = BUILD / "wrong-keys-home"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(template, home)
    with _hub(home, log, args.nice) as (pid, port):
        return asyncio.run(_measure(port, pid, mix, made, args))


# ------------------------------------------------------------------------------------------------------------- a report


def growth(result: Result) -> float:
    """Seconds that the attack adds to the streams' p99: the median of the pairs."""
    return median(after[1] - before[1] for before, after in zip(result.quiet, result.attacked, strict=True))


def report(results: dict[str, Result]) -> str:
    lines = [
        "| wrong, 50 a second | streams p50 ms | p99 ms | quiet p50 ms | p99 ms | p99 grows by ms "
        "| hub CPU % | quiet | others % |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for mix, result in results.items():
        numbers = [median(each[which] for each in side) for side in (result.attacked, result.quiet) for which in (0, 1)]
        cells = [f"{1000 * number:.2f}" for number in (*numbers, growth(result))]
        cells += [f"{median(each):.0f}" for each in (result.hub[True], result.hub[False], result.others)]
        lines.append(f"| {MIXES[mix][0]} | " + " | ".join(cells) + " |")
    lines += ["", "| right login | wrong ones | n | refused | p50 ms | p95 ms | max ms | max as it begins |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for sort in LOGINS:
        lines.append(_times(sort, "none", [each for r in results.values() for each in r.logins if not each.attacked]))
        lines += [
            _times(sort, MIXES[mix][0], [each for each in r.logins if each.attacked]) for mix, r in results.items()
        ]
    lines += ["", *(f"{MIXES[mix][0]}: {dict(result.refusals)}" for mix, result in results.items())]
    return "\n".join(lines)


def _times(sort: str, attackers: str, logins: Sequence[Login]) -> str:
    """One row; the first stretch is apart: as an attack begins, nothing tells who it names from who is right."""
    mine = [each for each in logins if each.sort == sort]
    refused = sum(bool(each.refusal) for each in mine)
    first, later = (
        sorted(1000 * each.seconds for each in mine if not each.refusal and (each.stretch == 0) is is_first)
        for is_first in (True, False)
    )
    numbers = [*(quantile(later, share) for share in (0.5, 0.95, 1.0)), quantile(first, 1.0)]
    cells = " | ".join(f"{number:.0f}" for number in numbers)
    return f"| {sort} | {attackers} | {len(mine)} | {refused} | {cells} |"


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what wrong keys cost others.")
    add = parser.add_argument
    add("--mixes", default=",".join(MIXES), help="of: %(default)s")
    add("--pairs", type=int, default=7)
    add("--seconds", type=float, default=4.0, help="of each stretch")
    add("--rate", type=float, default=50.0, help="wrong ones a second")
    add("--login-rate", type=float, default=5.0, help="right ones a second")
    add("--nice", type=int, default=0, help="of the daemon and its clients alike; below 0 needs root")
    args = parser.parse_args()
    os.nice(args.nice)  # the daemon inherits it
    lift(os.getpid(), args.nice)
    BUILD.mkdir(exist_ok=True)
    template = BUILD / "wrong-keys-template"
    results: dict[str, Result] = {}
    with (BUILD / "wrong_keys.log").open("w") as log:
        made = _make_home(template, log)
        for mix in args.mixes.split(","):
            results[mix] = _attacked(mix, template, made, log, args)
            print(f"{mix}: p99 grows by {1000 * growth(results[mix]):.2f} ms", file=sys.stderr, flush=True)
    print(report(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
