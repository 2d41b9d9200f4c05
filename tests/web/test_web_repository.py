"""The extension's repository over HTTP: B14, rows 62-64 of contract 16.4."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from web_doubles import House, with_settings

from newage.web.releases import Releases
from newage.web.repository import depth_told, lines_of, packet

RELEASES = (
    Releases()
    .with_one_more({"manifest.json": json.dumps({"version": "1"}).encode(), "index.js": b"one"})
    .with_one_more({"manifest.json": json.dumps({"version": "2"}).encode(), "index.js": b"two"})
)
HEAD = RELEASES.versions[-1].commit.encode()
REFS = "/newage-extension/info/refs?service=git-upload-pack"
PACK = "/newage-extension/git-upload-pack"
WANT = packet(b"want " + HEAD + b" side-band-64k shallow\n") + packet(b"deepen 1\n") + b"0000"
DONE = packet(b"done\n")


@pytest.fixture
def house() -> House:
    return House(releases=RELEASES)


def test_refs_name_the_newest_version(house: House) -> None:
    response = house.ask(REFS)
    assert response.status == 200
    assert response.headers["content-type"] == "application/x-git-upload-pack-advertisement"
    assert response.headers["cache-control"] == "no-cache"
    assert response.body.startswith(b"001e# service=git-upload-pack\n0000")
    assert HEAD + b" HEAD\x00shallow side-band-64k" in response.body
    assert house.ask(REFS.replace("upload", "receive")).status == 403
    assert house.ask(REFS, "POST").status == 405


def test_a_fetch_gets_the_whole_pack(house: House) -> None:
    shallow = packet(b"shallow " + HEAD) + b"0000"
    assert house.ask(PACK, "POST", WANT).body == shallow
    whole = house.ask(PACK, "POST", WANT + DONE)
    assert whole.headers["content-type"] == "application/x-git-upload-pack-result"
    assert whole.body == shallow + packet(b"NAK\n") + packet(b"\x01" + RELEASES.pack) + b"0000"
    plain = packet(b"want " + HEAD + b" shallow\n") + packet(b"deepen 1\n") + b"0000"
    assert house.ask(PACK, "POST", plain + DONE).body == shallow + packet(b"NAK\n") + RELEASES.pack
    have = packet(b"want " + HEAD + b" side-band-64k\n") + b"0000" + packet(b"have " + b"0" * 40 + b"\n")
    assert house.ask(PACK, "POST", have + b"0000").body == packet(b"NAK\n")
    assert house.ask(PACK).status == 405


def test_a_client_is_told_where_its_history_ends_as_it_asked() -> None:
    new, old, oldest = history = [letter * 40 for letter in (b"c", b"b", b"a")]

    def told(depth: int, *ends: bytes) -> list[bytes]:
        said = depth_told([b"want x shallow", *(b"shallow " + end for end in ends), b"deepen %d" % depth], history)
        assert said.endswith(b"0000")
        return lines_of(said)

    assert told(1) == [b"shallow " + new]
    assert told(1, new) == []
    assert told(2, new) == [b"unshallow " + new, b"shallow " + old]
    assert told(1, old) == [b"shallow " + new]
    assert told(3, old) == [b"unshallow " + old, b"shallow " + oldest]
    for whole in (4, 2_147_483_647):  # as --unshallow asks
        assert told(whole, new) == [b"unshallow " + new]
        assert told(whole, old, new, b"d" * 40) == [b"unshallow " + new, b"unshallow " + old]
        assert told(whole) == []
    assert told(0, old) == []
    for nothing in ([], [b"deepen"], [b"deepen -1"], [b"deepen 99999999999"], [b"want x deepen 1"]):
        assert depth_told(nothing, history) == b""
    assert depth_told([b"deepen 1"], []) == b"0000"


def test_a_request_is_read_up_to_what_is_broken() -> None:
    assert lines_of(packet(b"deepen 1") + b"0000" + packet(b"done\n")) == [b"deepen 1", b"done"]
    assert lines_of(b"0001" + packet(b"a") + b"zzzz" + packet(b"b")) == [b"a"]
    assert lines_of(b"ffffshort") == [b"short"]
    assert lines_of(b"") == []


def test_who_says_what_it_has_hears_of_depth_and_waits_for_no_more(house: House) -> None:
    had = WANT + packet(b"have " + b"0" * 40 + b"\n") + b"0000"
    assert house.ask(PACK, "POST", had).body == packet(b"shallow " + HEAD) + b"0000" + packet(b"NAK\n")


def test_64_git_gzip_bomb_64k(house: House) -> None:
    zipped = {"Content-Encoding": "gzip"}
    assert house.ask(PACK, "POST", gzip.compress(WANT + DONE), **zipped).status == 200
    assert house.ask(PACK, "POST", gzip.compress(b"0" * 50_000_000), **zipped).status == 413
    assert house.ask(PACK, "POST", b"no gzip", **zipped).status == 413
    assert house.ask(PACK, "POST", b"0" * 65_537).status == 413


def test_62_repo_not_shadowed_by_home_or_mount(tmp_path: Path) -> None:
    for folder in ("static/newage-extension/info", "home/public"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "static" / "newage-extension" / "info" / "refs").write_text("theirs")
    (tmp_path / "static" / "newage-extension.zip").write_text("theirs")
    (tmp_path / "home" / "public" / "x").write_text("theirs")
    house = House(
        static_dir=tmp_path / "static",
        home=tmp_path / "home",
        extra_lookup=lambda path: (tmp_path / "home" / "public", "x"),
        releases=RELEASES,
    )
    assert HEAD in house.ask(REFS).body
    assert house.ask("/newage-extension.zip").body == RELEASES.archive(RELEASES.versions[-1])
    for path in ("/newage-extension/x", "/NEWAGE-extension.zip", "/newage-extension//info/refs"):
        assert house.ask(path).status == 404


@pytest.mark.parametrize("target", [REFS, PACK, "/newage-extension.zip"])
def test_63_repo_http_lan_403(target: str) -> None:
    house = House(with_settings(trusted_proxies=("10.0.0.1",)), releases=RELEASES)
    far = house.line("192.168.1.9").ask(target, "POST" if target == PACK else "GET", Host="192.168.1.5:4000")
    assert far.status == 403
    assert b"newage extension install" in far.body
    assert b"newage-extension.zip" in far.body
    said = {"Host": "192.168.1.5", "X-Forwarded-For": "8.8.8.8", "X-Forwarded-Proto": "https"}
    assert house.line("192.168.1.9").ask(REFS, "GET", b"", **said).status == 403
    assert house.line("10.0.0.1").ask(REFS, "GET", b"", **said).status == 200
    assert house.line("10.0.0.1").ask(REFS, "GET", b"", **said | {"X-Forwarded-Proto": "http"}).status == 403


def test_what_was_never_released_is_not_there() -> None:
    assert House(releases=Releases()).ask(REFS).status == 404


def test_another_sites_page_gets_nothing(house: House) -> None:
    assert house.ask(REFS, Origin="https://evil.example").status == 403
