"""Who is local and who administers, as real proxies and real system users show it (contract B1, B2; docs/security.md).

Each test is named for a row of the table in docs/security.md.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from harness import HERE, PATIENCE, Daemon, free_port
from nginx import Nginx
from stranger import facts, first_key

pytestmark = pytest.mark.integration

UNTRUSTED = "Client is not trusted."
LOCAL_ADMINISTRATOR = {"client": "ok", "administrator": "ok", "extension": "ok"}
LOCAL = {"client": "ok", "administrator": "Unauthorized", "extension": "Unauthorized"}
REMOTE = {"client": UNTRUSTED, "administrator": UNTRUSTED, "extension": UNTRUSTED}
FORBIDDEN = {"client": "403", "administrator": "403", "extension": "403"}

PATIENT = "[auth]\nmax_failed_attempts = 10000\n"  # strangers share one address here
BARE = "proxy_http_version 1.1"
REAL_IP = "proxy_set_header X-Real-IP $remote_addr"
PASSED_ON = "proxy_set_header X-Forwarded-For $http_x_forwarded_for"  # what the client says of itself
ADDED = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for"
HOST_TOO = "proxy_set_header Host $http_host"


def hub_with(folder: Path, text: str) -> Daemon:
    (folder / "newage.toml").write_text(text, "utf-8")
    return Daemon(folder / "home", "--config", str(folder / "newage.toml")).start()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A hub that was told nothing."""
    daemon = hub_with(tmp_path_factory.mktemp("plain"), PATIENT)
    yield daemon
    daemon.stop()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A hub that knows of the proxy on its machine."""
    daemon = hub_with(tmp_path_factory.mktemp("told"), PATIENT + '[web]\ntrusted_proxies = ["127.0.0.1", "::1"]\n')
    yield daemon
    daemon.stop()


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """``behind(hub, *directives)``: the URL of an nginx in front of that hub."""
    started: list[Nginx] = []

    def start(hub: Daemon, *directives: str, **where: str) -> str:
        folder = tmp_path / f"nginx{len(started)}"
        folder.mkdir()
        started.append(Nginx(folder, hub.port, *directives, **where))
        return started[-1].url

    yield start
    for nginx in started:
        nginx.stop()


Behind = Callable[..., str]


def as_user(name: str, question: str, url: str) -> Any:
    """What the hub takes another system user's program for: a question of stranger.py and its answer."""
    assert os.geteuid() == 0, (
        f"only root can run a program as {name}: run these tests as root, in a container for example "
        "(docker run --rm -v .:/newage -w /newage python:3.11 .ci/run)"
    )
    for place in ("/usr/bin", "/usr/local/bin"):
        program = shutil.which("python3", path=place)
        if program is None:
            continue
        done = subprocess.run(
            [program, "-I", "-", question, url, "{}"],
            input=(HERE / "support" / "stranger.py").read_text("utf-8"),
            user=name,
            group=pwd.getpwnam(name).pw_gid,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            text=True,
            timeout=4 * PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    raise AssertionError(f"no python3 that {name} may run (.ci/packages installs one)")


def log_of(hub: Daemon) -> str:
    return (hub.home / "logs" / "combined.log").read_text("utf-8")


def is_told(hub: Daemon, words: str, ask: Callable[[], object]) -> bool:
    """Whether the log says so, this time or when it is asked again: tests before this one share its quota of lines."""
    until = monotonic() + 2 * PATIENCE
    while words not in log_of(hub):
        if monotonic() > until:
            return False
        ask()
    return True


# ------------------------------------------------------------------------------------------------------------- programs


def test_a_program_of_the_hubs_user_is_local_and_administers(plain: Daemon) -> None:
    assert facts(plain.url, {}) == LOCAL_ADMINISTRATOR
    assert facts(plain.url.replace("127.0.0.1", "localhost"), {}) == LOCAL_ADMINISTRATOR


def test_other_uid_is_not_admin(plain: Daemon) -> None:
    assert as_user("nobody", "facts", plain.url) == LOCAL
    assert is_told(plain, "as the hub's system user", lambda: as_user("nobody", "facts", plain.url))


def test_other_uid_fetches_no_administrators_key(plain: Daemon) -> None:
    assert as_user("nobody", "taken_key", plain.url) == {"web-app": "Unauthorized", "monitor": "Unauthorized"}


def test_other_uid_gets_no_first_key_in_strict_mode(strict_daemon: Daemon) -> None:
    """2.8.4 (a) is for the hub's own system user."""
    assert as_user("nobody", "first_key", strict_daemon.url) == "Invalid key."
    assert first_key(strict_daemon.url, {}) == "ok"


def test_local_admin_false_makes_nobody_an_administrator(tmp_path: Path) -> None:
    hub = hub_with(tmp_path, "[auth]\nlocal_admin = false\n")
    try:
        assert facts(hub.url, {}) == LOCAL
    finally:
        hub.end()


def test_host_docker_internal_needs_key(plain: Daemon) -> None:
    """Row 52; a Tailscale or public address in Host counts the same, and so does a name of allowed_hosts."""
    for host in ("host.docker.internal", "host.containers.internal", "192.168.7.7", "100.101.102.103", "hub.local"):
        assert facts(plain.url, {"Host": f"{host}:{plain.port}"}) == REMOTE, host
    assert facts(plain.url, {"Host": "evil.example"}) == FORBIDDEN
    for path in ("/", "/lib/constants.js", "/public/x"):
        assert plain.get(path, {"Host": "evil.example"}).status == 403, path
    assert is_told(plain, "allowed_hosts", lambda: plain.get("/", {"Host": "evil.example"}))


def test_podman_loopback_is_remote(tmp_path: Path) -> None:
    """Rootless Podman shows 127.0.0.1 for everybody; its image says behind_proxy."""
    hub = hub_with(tmp_path, "[web]\nbehind_proxy = true\n")
    try:
        assert facts(hub.url, {}) == REMOTE
    finally:
        hub.end()


# -------------------------------------------------------------------------------------------------------------- proxies


def test_http10_is_remote(plain: Daemon, behind: Behind) -> None:
    """nginx as its manual's first page has it: proxy_pass and nothing else."""
    url = behind(plain)
    assert facts(url, {}) == REMOTE
    assert is_told(plain, "HTTP/1.0", lambda: facts(url, {}))


def test_bare_http11_is_no_administrator(plain: Daemon, behind: Behind) -> None:
    """It shows nothing but the loopback name it connects to; its system user is what keeps it from administering."""
    url = behind(plain, BARE)
    assert facts(url, {}) == LOCAL
    assert facts(url, {"Origin": "http://hub.example", "Host": "hub.example"}) == FORBIDDEN  # a browser says so


def test_bare_http11_that_passes_host_on_is_remote(plain: Daemon, behind: Behind) -> None:
    url = behind(plain, BARE, HOST_TOO)
    assert facts(url, {"Host": "192.168.7.7"}) == REMOTE
    assert facts(url, {"Host": "hub.example"}) == FORBIDDEN


@pytest.mark.parametrize("host", [(), (HOST_TOO,)])
def test_x_real_ip_is_remote(plain: Daemon, behind: Behind, host: tuple[str, ...]) -> None:
    assert facts(behind(plain, BARE, REAL_IP, *host), {}) == REMOTE


def test_forwarded_loopback_is_remote(plain: Daemon, told: Daemon, behind: Behind) -> None:
    """The proxy passes on what its guest says of itself, named in trusted_proxies or not."""
    for hub in (plain, told):
        url = behind(hub, BARE, PASSED_ON)
        for said in ("127.0.0.1", "::1", "203.0.113.7, 127.0.0.1"):
            assert facts(url, {"X-Forwarded-For": said}) == REMOTE, said


def test_a_named_proxy_makes_remote(told: Daemon, behind: Behind) -> None:
    url = behind(told, BARE, ADDED)
    assert facts(url, {}) == REMOTE
    assert facts(url, {"X-Forwarded-For": "203.0.113.7"}) == REMOTE
    assert facts(behind(told), {}) == REMOTE
    assert facts(behind(told, BARE, REAL_IP), {}) == REMOTE


def test_beside_a_named_proxy_programs_stay_local_and_none_administers(told: Daemon, behind: Behind) -> None:
    """A local SillyTavern comes directly; what a bare proxy passes on cannot be told from it, so nobody is more."""
    assert facts(told.url, {}) == LOCAL
    assert facts(told.url, {"Origin": "http://127.0.0.1:8000"}) == LOCAL
    assert facts(behind(told, BARE), {}) == LOCAL


def test_behind_proxy_makes_a_bare_proxy_remote(tmp_path: Path, behind: Behind) -> None:
    hub = hub_with(tmp_path, '[web]\nbehind_proxy = true\ntrusted_proxies = ["127.0.0.1"]\n')
    try:
        assert facts(behind(hub, BARE), {}) == REMOTE
        assert facts(behind(hub, BARE, ADDED), {}) == REMOTE
    finally:
        hub.end()


def test_the_hub_finds_a_bare_proxy_by_server_address(tmp_path: Path, behind: Behind) -> None:
    """It asks itself by the address that people use, and acts as behind_proxy where that looks local."""
    address, port = own_address(), free_port()
    (tmp_path / "nginx").mkdir()
    nginx = Nginx(tmp_path / "nginx", port, BARE, address=address)
    (tmp_path / "newage.toml").write_text(f'[web]\nserver_address = "{nginx.url}"\n', "utf-8")
    hub = Daemon(tmp_path / "home", "--config", str(tmp_path / "newage.toml"), port=port).start()
    try:
        assert hub.log is not None
        assert hub.log.wait_for(re.compile("behind_proxy is assumed"), PATIENCE)
        assert facts(nginx.url, {}) == REMOTE
        assert facts(hub.url, {}) == REMOTE
    finally:
        hub.end()
        nginx.stop()


def own_address() -> str:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as looking:
        try:
            looking.connect(("192.0.2.254", 9))  # sends nothing: only the route is looked up
        except OSError as error:
            raise AssertionError("this test needs an address besides loopback, of any network interface") from error
        address: str = looking.getsockname()[0]
    return address
