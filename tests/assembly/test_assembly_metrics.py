"""The hub's figures, as Prometheus reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import Deferred
from twisted.web.client import Agent

from corekit import ThreadedClock, ephemeral_core
from hubkit import result_of
from newage import __version__
from newage.assembly.core import Core, make_core
from newage.assembly.life import Life
from newage.assembly.metrics import Metrics
from newage.bridge.upstream_settings import Upstream, UpstreamSettings
from newage.config import Config, ServerSettings
from newage.domain.completions import Fault
from newage.telemetry.metrics import Histogram

# Section "Figures for Prometheus" of docs/operations.md names them all.
DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"


def figures(written: bytes) -> dict[str, dict[tuple[str, ...], float]]:
    """Sample name -> values of its labels -> value."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(written.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


@pytest.fixture
def core(tmp_path: Path) -> Core:
    return ephemeral_core(tmp_path, ThreadedClock())


def scraped(core: Core, lag: Histogram | None = None) -> dict[str, dict[tuple[str, ...], float]]:
    """The pools have not begun to use threads."""
    written = result_of(Metrics(core, lag or Histogram((1.0,))).scrape())
    assert isinstance(written, bytes)
    return figures(written)


def test_a_hub_in_which_nothing_has_happened(core: Core) -> None:
    found = scraped(core)
    ((_python, version),) = found["newage_build_info"]
    assert version == __version__
    for name in ("sessions", "extensions", "rooms", "requests_in_progress", "queue_length", "outputs"):
        assert found[f"newage_{name}"] == {(): 0.0}
    assert found["newage_connections"] == {("websocket",): 0.0, ("polling",): 0.0}
    assert set(found["newage_requests_total"]) == {("completed",), ("failed",), ("expired",), ("cancelled",)}
    assert found["process_resident_memory_bytes"][()] > 0


def test_what_was_counted_has_its_cause(core: Core) -> None:
    core.counters.add("refused", 3)
    core.counters.add("refused_403", 2)
    core.counters.add("refused_TLS")
    core.counters.add("log_error")
    found = scraped(core)
    assert found["newage_refused_total"] == {("403",): 2.0, ("TLS",): 1.0}
    assert found["newage_log_entries_total"] == {("warn",): 0.0, ("error",): 1.0}


def test_faults_and_prompts_of_model_servers(tmp_path: Path) -> None:
    core = make_core(
        Config(
            server=ServerSettings(home=str(tmp_path), ephemeral=True),
            upstreams=(Upstream(name="one", settings=UpstreamSettings()),),
        ),
        ThreadedClock(),
        set_debug=lambda on: None,
        log_folder=None,
        port=lambda: 4711,
        agent=Agent(ThreadedClock()),
    )
    (one,) = core.upstreams
    one.faults[Fault.BUSY] += 2
    one.prompt_tokens = 30
    core.talk.output_meter.tokens = 4
    found = scraped(core)
    assert found["newage_upstream_errors_total"]["busy", "one"] == 2.0
    assert found["newage_upstream_errors_total"]["away", "one"] == 0.0
    assert found["newage_tokens_total"] == {("in",): 30.0, ("out",): 4.0}


def test_how_long_things_took(core: Core) -> None:
    lag = Histogram((0.1, 1.0))
    lag.observe(0.05)
    lag.observe(3.0)
    core.talk.request_meter.took["completed"].observe(2.0)
    found = scraped(core, lag)
    assert found["newage_reactor_lag_seconds_bucket"] == {("0.1",): 1.0, ("1.0",): 1.0, ("+Inf",): 2.0}
    assert found["newage_reactor_lag_seconds_count"] == {(): 2.0}
    assert found["newage_request_duration_seconds_sum"]["completed",] == 2.0
    assert found["newage_requests_total"]["completed",] == 1.0


def test_a_store_tells_of_its_commits(tmp_path: Path) -> None:
    config = Config(server=ServerSettings(home=str(tmp_path)))
    core = make_core(config, ThreadedClock(), set_debug=lambda on: None, log_folder=None, port=lambda: 4711)
    assert scraped(core)["newage_store_commit_seconds_count"] == {(): 0.0}


def test_they_are_written_in_a_thread_once_the_hub_runs(core: Core) -> None:
    clock = core.basis.world.clock
    assert isinstance(clock, ThreadedClock)
    Life(core, clock).startService()
    written: Deferred[bytes] = Metrics(core, Histogram((1.0,))).scrape()
    at_once = written.called
    clock.until(core.pools.metrics.close())
    assert not at_once
    assert figures(result_of(written))["newage_rooms"] == {(): 1.0}


def test_every_figure_is_in_the_document(core: Core) -> None:
    document = DOCUMENT.read_text("utf-8")
    names = {name for name in scraped(core) if name.startswith("newage_")}
    plain = {name.removesuffix(end) for name in names for end in ("_bucket", "_sum", "_count") if name.endswith(end)}
    whole = plain | {name for name in names if not name.endswith(("_bucket", "_sum", "_count"))}
    assert not {name for name in whole if f"`{name}" not in document}
