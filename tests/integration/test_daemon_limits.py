"""The configuration file changes what it says it changes: heartbeats, timeouts and names, seen by real clients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from expect import of_request
from harness import ALL_TRANSPORTS, Daemon, Driver, Hub, request
from rawsocket import HungUpError, RawWebSocket

CONFIGURATION = """
[engine]
ping_interval_seconds = 0.3
ping_timeout_seconds = 2.0
connect_timeout_seconds = 1.0

[sessions]
session_grace_ms = 100

[downstream]
alias_events = false
"""


@pytest.fixture(scope="module")
def lively_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Short heartbeats, short patience, no alias events."""
    folder = tmp_path_factory.mktemp("lively")
    (folder / "newage.toml").write_text(CONFIGURATION, "utf-8")
    daemon = Daemon(folder / "home", "--config", str(folder / "newage.toml")).start()
    yield daemon
    daemon.stop()


@pytest.fixture
def lively_hub(lively_daemon: Daemon, driver: Driver) -> Iterator[Hub]:
    yield Hub(lively_daemon, driver)
    driver.reset()
    assert not driver.faults()
    lively_daemon.check_log()


@pytest.mark.parametrize("transports", ALL_TRANSPORTS, ids="-".join)
def test_heartbeats_keep_a_connection(lively_hub: Hub, transports: Sequence[str]) -> None:
    client = lively_hub.client(lively_hub.new_id(), transports=transports)
    client.engine.wait("@ping", count=6)
    client.fence()
    assert not client.all("@disconnect")


def test_a_client_that_hangs_is_gone_for_the_others(lively_hub: Hub) -> None:
    watcher = lively_hub.client(lively_hub.new_id("watch"), "/clients")
    hung = lively_hub.client(lively_hub.new_id("hung"))
    name = watcher.payload("UPDATE_CONNECTED_CLIENTS", lambda u: any(e["id"].startswith("hung") for e in u["clients"]))
    assert name
    mark = watcher.mark()
    lively_hub.driver.do("pause", engine=hung.engine.name)
    watcher.wait(
        "UPDATE_CONNECTED_CLIENTS", lambda u: not any(e["id"].startswith("hung") for e in u["clients"]), since=mark
    )
    lively_hub.driver.do("resume", engine=hung.engine.name)
    assert hung.wait("@disconnect").first in ("transport close", "transport error", "ping timeout")


def test_a_connection_that_never_answers_pings_is_closed(lively_hub: Hub) -> None:
    raw = RawWebSocket(lively_hub.daemon.port)
    raw.receive_text()
    raw.send('40/llm,{"clientId":"mute"}')
    seen = []
    with pytest.raises(HungUpError):
        while True:
            seen.append(raw.receive_text())
    assert seen.count("2") == 1


def test_a_connection_that_joins_nothing_is_closed(lively_hub: Hub) -> None:
    raw = RawWebSocket(lively_hub.daemon.port)
    pings = 0
    with pytest.raises(HungUpError):
        while True:
            if raw.receive_text() == "2":
                pings += 1
                raw.send("3")
    assert 1 <= pings <= 4, "alive by its pongs for connect_timeout_seconds, and no longer"


def test_alias_events_can_be_switched_off(lively_hub: Hub) -> None:
    extension = lively_hub.extension(kind="docs", chunks=["a", "b", "c"] * 4).start_quickly()
    web = lively_hub.client(lively_hub.new_id())
    web.call("LLM_REQUEST", request("alias", extension.client_id))
    assert web.payload("SERVER_STREAM_END", of_request("alias"))["data"] == "abc" * 4
    web.wait("LLM_RESPONSE")
    web.fence()
    for name in ("streamed_data", "streamed_end", "new_message"):
        assert not web.all(name), name
