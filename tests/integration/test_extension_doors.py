"""How the extension is given out, by real requests to a started hub (B14, rows 62 to 64)."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Iterator

import pytest
from harness import Daemon

from newage.web.releases import read_releases

REFS = "/newage-extension/info/refs?service=git-upload-pack"
PACK = "/newage-extension/git-upload-pack"
ZIP = "/newage-extension.zip"
THEIRS = "not from the wheel"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Its home holds files where the extension's addresses would lead, in every folder that is served."""
    home = tmp_path_factory.mktemp("doors") / "home"
    for folder in ("public", "client", "static", "."):
        inside = home / folder / "newage-extension" / "info"
        inside.mkdir(parents=True)
        for path in (inside / "refs", inside.parent / "git-upload-pack", home / folder / "newage-extension.zip"):
            path.write_text(THEIRS)
    with Daemon(home) as daemon:
        yield daemon


def ask(hub: Daemon, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=15)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_repo_not_shadowed_by_home_or_mount(hub: Daemon) -> None:
    newest = read_releases().versions[-1]
    for path in (REFS, ZIP, PACK, "/newage-extension/info/refs", "/newage-extension/x"):
        assert THEIRS.encode() not in ask(hub, "GET", path)[1], path
    assert newest.commit.encode() in ask(hub, "GET", REFS)[1]
    assert ask(hub, "GET", ZIP)[1].startswith(b"PK")


def test_repo_http_lan_403(hub: Daemon) -> None:
    for path in (REFS, ZIP):
        for said in ({"Host": "192.168.1.5:4000"}, {"X_Forwarded_For": "192.168.1.9"}, {"X_Forwarded_Proto": "https"}):
            status, body = ask(hub, "GET", path, None, **said)
            assert status == 403, said
            assert b"newage extension install" in body and b"newage-extension.zip" in body, said


def test_git_gzip_bomb_64k(hub: Daemon) -> None:
    for body, said in (
        (gzip.compress(b"0" * 50_000_000), {"Content_Encoding": "gzip"}),
        (gzip.compress(b"0" * 65_537), {"Content_Encoding": "gzip"}),
        (b"no gzip", {"Content_Encoding": "gzip"}),
        (b"0" * 65_537, {}),
    ):
        assert ask(hub, "POST", PACK, body, **said)[0] == 413, said
    assert ask(hub, "GET", "/healthz")[0] == 200
