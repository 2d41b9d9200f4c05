"""Figures for Prometheus, of the daemon as it runs."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from harness import Daemon, free_port
from prometheus_client.parser import text_string_to_metric_families


def test_the_figures_are_read_on_a_port_of_their_own(tmp_path: Path) -> None:
    port = free_port()
    with Daemon.configured(tmp_path, f"[metrics]\nlisten_port = {port}\n") as daemon:
        assert daemon.log is not None
        assert any(f"Metrics for Prometheus at http://127.0.0.1:{port}/metrics" in line for line in daemon.log.lines)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as response:
            families = {each.name: each for each in text_string_to_metric_families(response.read().decode())}
    assert families["newage_rooms"].samples[0].value >= 1
    assert families["newage_store_commit_seconds"].type == "histogram"
    assert families["process_open_fds"].samples[0].value > 0
