"""Who is local and who administers among the pages of a real browser (contract B1, B2; docs/security.md).

Each test is named for a row of the table in docs/security.md. The browser belongs to the hub's system user.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Daemon
from page_origins import ask, localhost, web_server
from stranger import Knock

pytestmark = pytest.mark.integration

UNTRUSTED = "Client is not trusted."
LOCAL_PAGE = {"client": "ok", "administrator": "Unauthorized", "extension": "ok"}
REMOTE = {"client": UNTRUSTED, "administrator": UNTRUSTED, "extension": UNTRUSTED}
FORBIDDEN = {"client": "403", "administrator": "403", "extension": "403"}


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    """The port of another web server on this machine."""
    with web_server() as port:
        yield port


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("pages")
    (folder / "newage.toml").write_text(
        '[auth]\nmax_failed_attempts = 10000\n[web]\ncors_origins = ["local", "desk.example"]\n'
        "[demo]\ntoken_interval_ms = 5\n",
        "utf-8",
    )
    daemon = Daemon(folder / "home", "--demo", "--config", str(folder / "newage.toml")).start()
    yield daemon
    daemon.stop()


def facts(page: str, hub: str, **who: str) -> dict[str, str]:
    """What the hub takes the page for; both transports must agree."""
    found: dict[str, dict[str, str]] = ask(page, "facts", hub, who=who)
    assert found["polling"] == found["websocket"]
    return found["polling"]


def administrators_key(hub: Daemon) -> str:
    """A key of ``monitor``, made by a program of the hub's user."""
    with Knock(hub.url, {}) as knock:
        knock.join("/clients", {"clientType": "monitor", "clientId": "monitor"})
        key: str = knock.call("GENERATE_CLIENT_KEY", {"targetClientId": "monitor"})["key"]
    return key


def test_xss_at_root_gains_no_admin(hub: Daemon) -> None:
    """Row 47: a script in the hub's own page is a page, whatever page of the hub it got into."""
    assert facts(localhost(hub), localhost(hub)) == LOCAL_PAGE


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_page_of_another_loopback_port_is_local_and_no_administrator(hub: Daemon, elsewhere: int, name: str) -> None:
    assert facts(f"http://{name}:{elsewhere}", localhost(hub)) == LOCAL_PAGE


@pytest.mark.parametrize("name", ["192.168.77.7", "nas.local"])
def test_private_origin_is_remote(hub: Daemon, elsewhere: int, name: str) -> None:
    """Row 48."""
    assert facts(f"http://{name}:{elsewhere}", localhost(hub)) == REMOTE


def test_a_foreign_origin_is_refused(hub: Daemon, elsewhere: int) -> None:
    assert facts(f"http://evil.example:{elsewhere}", localhost(hub)) == FORBIDDEN


def test_an_origin_that_cors_origins_lists_by_name_is_local(hub: Daemon, elsewhere: int) -> None:
    assert facts(f"http://desk.example:{elsewhere}", localhost(hub)) == LOCAL_PAGE


def test_a_rebound_name_gets_nothing(hub: Daemon) -> None:
    assert ask(f"http://evil.example:{hub.port}", "facts", localhost(hub)) == 403


def test_the_page_of_a_hub_by_a_containers_name_needs_a_key(hub: Daemon) -> None:
    there = f"http://host.docker.internal:{hub.port}"
    assert facts(there, there) == REMOTE


def test_a_page_administers_with_a_key_and_from_the_hubs_own_origin_alone(hub: Daemon, elsewhere: int) -> None:
    key = administrators_key(hub)
    assert facts(localhost(hub), localhost(hub), key=key) == {**LOCAL_PAGE, "administrator": "ok"}
    assert facts(f"http://localhost:{elsewhere}", localhost(hub), key=key) == LOCAL_PAGE
    # admitted with the key, but remote; an administrator it is not: its own kind of answer, not a refusal to come in
    private = facts(f"http://192.168.77.7:{elsewhere}", localhost(hub), key=key)
    assert private["administrator"] == "Unauthorized"


def test_a_page_of_admin_origins_administers_with_a_key(tmp_path: Path, elsewhere: int) -> None:
    origin = f"http://localhost:{elsewhere}"
    (tmp_path / "newage.toml").write_text(f'[web]\nadmin_origins = ["{origin}"]\n', "utf-8")
    hub = Daemon(tmp_path / "home", "--config", str(tmp_path / "newage.toml")).start()
    try:
        assert facts(origin, localhost(hub)) == LOCAL_PAGE
        assert facts(origin, localhost(hub), key=administrators_key(hub)) == {**LOCAL_PAGE, "administrator": "ok"}
    finally:
        hub.end()


def test_the_unmodified_extension_goes_on_working(hub: Daemon, elsewhere: int) -> None:
    """SillyTavern's page is one of another loopback port, in a browser of the hub's user."""
    found = ask(f"http://127.0.0.1:{elsewhere}", "sillytavern", localhost(hub))
    assert found == {"identified": "ok", "keys": "ok", "made": "ok", "saved": {"success": True}}


def test_the_unmodified_monitor_page_goes_on_asking_and_reading(hub: Daemon) -> None:
    found = ask(localhost(hub), "monitor", localhost(hub))
    assert (found["extensions"], found["asked"]) == (["SillyTavern-demo"], "ok")
    assert "demo" in found["text"]


def test_whatever_a_foreign_page_tries_it_opens_no_session_and_reads_nothing(tmp_path: Path, elsewhere: int) -> None:
    """Contract 2.12; a minute of it in ``make nightly``. A session that joined nothing would be told in the log."""
    (tmp_path / "home" / "public").mkdir(parents=True)
    (tmp_path / "home" / "public" / "note.txt").write_text("secret", "utf-8")
    (tmp_path / "newage.toml").write_text("[engine]\nconnect_timeout_seconds = 0.2\n", "utf-8")
    hub = Daemon(tmp_path / "home", "--config", str(tmp_path / "newage.toml")).start()
    seconds = 60 if os.environ.get("NEWAGE_NIGHTLY") else 2
    try:
        found = ask(f"http://evil.example:{elsewhere}", "foreign", localhost(hub), seconds=seconds)
    finally:
        hub.end()
    lines = [line for line in hub.output().splitlines() if "was refused" in line]
    assert found["read"] == []
    assert found["tried"] >= 44
    assert not [line for line in lines if "(403)" not in line]
    causes = {line.partition("(403): ")[2].partition(" (")[0] for line in lines}
    assert causes, "somebody was turned away"
    assert len(lines) <= len(causes) * 3 * (2 + (found["took"] + 1) / 10)  # and what was said as the page began
