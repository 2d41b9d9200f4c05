"""The hub's figures: what is, looked at when somebody asks, and what was counted meanwhile.

They are gathered in the reactor, for they belong to it, and written in a thread. They name nobody, and their number is
bounded.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client import Metric, ProcessCollector
from twisted.internet.defer import Deferred

from newage import __version__
from newage.assembly.core import Core
from newage.domain.completions import Fault
from newage.services.webhooks.line import OUTCOMES
from newage.telemetry.exposition import counted, counted_by, now, now_each, spread, spread_each, what_it_is, written
from newage.telemetry.metrics import Histogram

_REFUSED: Final = "refused_"
_LOGGED: Final = "log_"
_LEVELS: Final = ("warn", "error")


class Metrics:
    """
    :param lag: how late the reactor was.
    """

    def __init__(self, core: Core, lag: Histogram) -> None:
        self._core = core
        self._lag = lag
        self._process = ProcessCollector(registry=None)

    def scrape(self) -> Deferred[bytes]:
        """All of them. Fails with Unavailable where too many ask at once."""
        return self._core.pools.metrics.run(self._write, list(self._figures()))

    def _write(self, figures: list[Metric]) -> bytes:
        """In a thread."""
        return written([*figures, *self._process.collect()])

    def _figures(self) -> Iterator[Metric]:
        core = self._core
        status, counts = core.status(), core.counters.snapshot()
        versions = {"version": __version__, "python": platform.python_version()}
        yield what_it_is("build_info", "Which newage this is.", versions)
        yield now("sessions", "Sessions that are connected.", status.clients)
        yield now("extensions", "Extensions that can be asked.", len(status.extensions))
        yield now("rooms", "Rooms.", status.rooms)
        carried = {"websocket": (0, 0), "polling": (0, 0), **core.engines.carried()}
        numbers = {transport: float(number) for transport, (number, _) in carried.items()}
        waiting = {transport: float(size) for transport, (_, size) in carried.items()}
        yield now_each("connections", "Connections of Socket.IO.", "transport", numbers)
        yield now_each("outbound_bytes", "Bytes that wait until their reader takes them.", "transport", waiting)
        yield from self._requests()
        faults: dict[tuple[str, ...], float] = {
            (each.upstream.name, fault.name.lower()): float(each.faults[fault])
            for each in core.upstreams
            for fault in Fault
        }
        yield counted_by("upstream_errors", "What went wrong at model servers.", ("upstream", "kind"), faults)
        yield from self._webhooks()
        refused = _named(counts, _REFUSED)
        yield counted("refused", "What was refused before anybody knew who it was.", "cause", refused)
        logged = {level: counts.get(_LOGGED + level, 0.0) for level in _LEVELS}
        yield counted("log_entries", "Entries of the log, those included that no line tells of.", "level", logged)
        yield spread("reactor_lag_seconds", "By how much the reactor was late, looked at once a second.", self._lag)
        if core.database is not None:
            yield spread("store_commit_seconds", "How long a write waits for its commit.", core.database.commits)

    def _requests(self) -> Iterator[Metric]:
        talk = self._core.talk
        took = talk.request_meter.took
        ended = {outcome: float(each.count) for outcome, each in took.items()}
        yield counted("requests", "Questions that have ended.", "outcome", ended)
        yield now("requests_in_progress", "Questions that have not ended.", talk.requests.live_count)
        yield now("queue_length", "Questions of those that wait for something.", len(talk.lines.all()))
        yield now("outputs", "Answers that are being written.", talk.streams.open_outputs)
        meter = talk.output_meter
        yield spread("time_to_first_token_seconds", "From a question to the first token of an answer.", meter.first)
        yield spread("time_per_output_token_seconds", "Of each token after that, once per answer.", meter.each)
        told = sum(each.prompt_tokens for each in self._core.upstreams)
        tokens = {"in": float(told), "out": float(meter.tokens)}
        yield counted("tokens", "Of prompts to model servers; pieces in which answers came.", "direction", tokens)
        yield spread_each("request_duration_seconds", "From a question to its end.", "outcome", took)

    def _webhooks(self) -> Iterator[Metric]:
        lines = self._core.talk.webhooks.lines
        became = {outcome: float(sum(line.outcomes[outcome] for line in lines)) for outcome in OUTCOMES}
        waiting = {line.name: float(line.length) for line in lines}
        failures = {line.name: float(line.failures) for line in lines}
        yield counted("webhook_deliveries", "Events for webhooks, by what became of them.", "outcome", became)
        yield counted("webhook_failures", "Tries to tell a webhook that were in vain.", "webhook", failures)
        yield now_each("webhook_queue_length", "Events that wait for a webhook.", "webhook", waiting)


def _named(counts: Mapping[str, float], prefix: str) -> dict[str, float]:
    return {name.removeprefix(prefix): count for name, count in counts.items() if name.startswith(prefix)}
