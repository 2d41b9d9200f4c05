"""Static files: contract 9.1, 16.2.9 and 16.3.31 (paths, links, NUL)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web_doubles import House, with_settings

from newage.web.files import MemoryFile, content_type, open_beneath


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    public = home / "public"
    (public / "sub").mkdir(parents=True)
    (public / "empty").mkdir()
    (public / "page.html").write_text("<p>page</p>")
    (public / "code.js").write_text("export {};")
    (public / "digits.txt").write_text("0123456789")
    (public / "sub" / "index.html").write_text("sub index")
    (public / "with space \u00e9.txt").write_text("named")
    (public / ".secret").write_text("hidden")
    (public / ".git").mkdir()
    (public / ".git" / "config").write_text("hidden")
    (home / "keys").mkdir()
    (home / "keys" / "clients.json").write_text("{}")
    (home / "settings").mkdir()
    (home / "settings" / "server_settings.json").write_text("{}")
    (tmp_path / "outside.txt").write_text("outside")
    (public / "link.txt").symlink_to(tmp_path / "outside.txt")
    (public / "keys").symlink_to(home / "keys")
    (public / "inner.txt").symlink_to(public / "digits.txt")
    os.mkfifo(public / "pipe")
    os.utime(public / "digits.txt", (1_700_000_000, 1_700_000_000))
    return home


@pytest.fixture
def house(home: Path) -> House:
    return House(home=home)


def test_a_file_with_its_headers(house: House) -> None:
    response = house.ask("/public/digits.txt")
    assert response.summary == (200, b"0123456789")
    assert response.headers["content-type"] == "text/plain; charset=UTF-8"
    assert response.headers["cache-control"] == "public, max-age=0"
    assert response.headers["etag"] == 'W/"a-18bcfe56800"'
    assert response.headers["last-modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "x-powered-by" not in response.headers
    assert "server" not in response.headers


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.js", "application/javascript; charset=UTF-8"),
        ("a.MJS", "application/javascript; charset=UTF-8"),
        ("a.html", "text/html; charset=UTF-8"),
        ("a.svg", "image/svg+xml"),
        ("a.json", "application/json; charset=UTF-8"),
        ("a.unknown", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ],
)
def test_content_types(name: str, expected: str) -> None:
    assert content_type(name) == expected


def test_a_file_in_memory_is_packed_once() -> None:
    file = MemoryFile(body=b"text " * 100, type="text/plain")
    assert file.packed is file.packed


def test_head(house: House) -> None:
    line = house.line()
    line.request("/public/digits.txt", "HEAD")
    (response,) = line.responses(head=True)
    assert (response.status, response.headers["content-length"]) == (200, "10")
    assert line.ask("/public/digits.txt").body == b"0123456789"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods(house: House, method: str) -> None:
    response = house.ask("/public/digits.txt", method)
    assert response.status == 405
    assert response.headers["allow"] == "GET, HEAD"
    assert house.ask("/public/sub/", method).status == 405
    assert house.ask("/public/nothing.txt", method).status == 404


def test_names_are_decoded(house: House) -> None:
    assert house.ask("/public/with%20space%20%C3%A9.txt").summary == (200, b"named")


# ------------------------------------------------------------------------------------------------------------- folders


def test_a_folder_is_reached_with_a_slash(house: House) -> None:
    response = house.ask("/public/sub?a=1&b=%22")
    assert response.status == 301
    assert response.headers["location"] == "/public/sub/?a=1&b=%22"
    assert house.ask("/public/sub/").summary == (200, b"sub index")


@pytest.mark.parametrize("target", ["/public/empty", "/public/empty/", "/public", "/public/", "/public/digits.txt/"])
def test_no_listing(house: House, target: str) -> None:
    assert house.ask(target).summary == (404, b"Not Found")


# --------------------------------------------------------------------------------------------------------- containment

HOSTILE = [
    "/public/../keys/clients.json",
    "/public/..%2fkeys/clients.json",
    "/public/%2e%2e/keys/clients.json",
    "/public/%2e%2e%2fkeys%2fclients.json",
    "/public/..\\keys\\clients.json",
    "/public//digits.txt",
    "/public//sub/",
    "//public/digits.txt",
    "/public/./digits.txt",
    "/public/digits.txt%00",
    "/public/%00",
    "/public/digits.txt%00.html",
    "/%00",
    "/public/%ff",
    "/public/%c0%ae%c0%ae/keys/clients.json",
    "/public/.secret",
    "/public/.git/config",
    "/public/sub/..",
    "/public/link.txt",
    "/public/inner.txt",
    "/public/keys/clients.json",
    "/public/keys/",
    "/public/pipe",
    "/public/" + "a" * 300,
    "/public/" + "a/" * 500,
    "/keys/clients.json",
    "/settings/server_settings.json",
    "/public%2fdigits.txt%2f..",
    "/public/sub/%2e%2e/digits.txt",
    "/Public/digits.txt",
    "/public;x/digits.txt",
    "/%70ublic/../keys/clients.json",
]


@pytest.mark.parametrize("target", HOSTILE)
def test_what_is_not_there_for_you(house: House, target: str) -> None:
    assert house.ask(target).summary == (404, b"Not Found")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(
            ["..", ".", "", "public", "keys", "clients.json", "%2e%2e", "%2f", "%00", "link.txt", "sub", "\\"]
        ),
        max_size=7,
    )
)
def test_no_path_reaches_what_is_outside(house: House, parts: list[Any]) -> None:
    response = house.ask("/public/" + "/".join(parts))
    assert response.status in (301, 404) or response.body in (b"sub index",)


def test_a_link_that_replaces_a_folder_is_not_followed(house: House, home: Path) -> None:
    """The race of contract 16.3.31: whatever is swapped between two looks, no link is ever walked."""
    sub = home / "public" / "sub"
    (home / "keys" / "index.html").write_text("outside")
    for turn in range(20):
        if turn % 2:
            sub.rename(home / "aside")
            sub.symlink_to(home / "keys")
        elif turn:
            sub.unlink()
            (home / "aside").rename(sub)
        assert house.ask("/public/sub/").body in (b"sub index", b"Not Found")


def test_a_root_may_be_reached_through_a_link(tmp_path: Path, home: Path) -> None:
    (tmp_path / "alias").symlink_to(home)
    assert House(home=tmp_path / "alias").ask("/public/digits.txt").status == 200
    assert open_beneath(tmp_path / "nothing", ["a"]) is None


def test_no_descriptor_is_left_open(house: House) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for target in [*HOSTILE, "/public/digits.txt", "/public/sub", "/public/sub/", "/public/empty/"]:
        house.ask(target)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# ---------------------------------------------------------------------------------------------- conditions and ranges


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If_None_Match": 'W/"a-18bcfe56800"'}, 304),
        ({"If_None_Match": '"a-18bcfe56800"'}, 304),
        ({"If_None_Match": '"x", W/"a-18bcfe56800"'}, 304),
        ({"If_None_Match": "*"}, 304),
        ({"If_None_Match": '"other"'}, 200),
        ({"If_None_Match": '"other"', "If_Modified_Since": "Tue, 14 Nov 2023 22:13:20 GMT"}, 200),
        ({"If_Modified_Since": "Tue, 14 Nov 2023 22:13:20 GMT"}, 304),
        ({"If_Modified_Since": "Tue, 14 Nov 2023 22:13:19 GMT"}, 200),
        ({"If_Modified_Since": "nonsense"}, 200),
        ({"If_Modified_Since": "Tue, 99 Nov 99999 22:13:20 GMT"}, 200),
    ],
)
def test_conditions(house: House, headers: dict[str, Any], status: int) -> None:
    line = house.line()
    response = line.ask("/public/digits.txt", **headers)
    assert response.status == status
    assert response.headers["etag"] == 'W/"a-18bcfe56800"'
    assert response.body == (b"" if status == 304 else b"0123456789")
    assert line.ask("/public/digits.txt").status == 200


@pytest.mark.parametrize(
    ("value", "status", "body", "content_range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=8-100", 206, b"89", "bytes 8-9/10"),
        ("bytes=-100", 200, b"0123456789", None),
        ("bytes=0-9", 200, b"0123456789", None),
        ("bytes=10-", 416, b"Range Not Satisfiable", "bytes */10"),
        ("bytes=-0", 416, b"Range Not Satisfiable", "bytes */10"),
        ("bytes=5-3", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("lines=0-1", 200, b"0123456789", None),
        ("bytes=99999999999999999999-", 200, b"0123456789", None),
    ],
)
def test_ranges(house: House, value: str, status: int, body: bytes, content_range: str | None) -> None:
    response = house.ask("/public/digits.txt", Range=value)
    assert response.summary == (status, body)
    assert response.headers.get("content-range") == content_range


def test_if_range(house: House) -> None:
    target = "/public/digits.txt"
    assert house.ask(target, Range="bytes=0-1", If_Range="Tue, 14 Nov 2023 22:13:20 GMT").status == 206
    assert house.ask(target, Range="bytes=0-1", If_Range="Tue, 14 Nov 2023 22:13:21 GMT").status == 200
    assert house.ask(target, Range="bytes=0-1", If_Range='W/"a-18bcfe56800"').status == 200


# -------------------------------------------------------------------------------------------------------- large files


def large(home: Path, size: int = 200_000) -> bytes:
    data = os.urandom(size)
    (home / "public" / "large.bin").write_bytes(data)
    return data


def test_a_large_file(house: House, home: Path) -> None:
    data = large(home)
    assert house.ask("/public/large.bin").body == data
    assert house.ask("/public/large.bin", Range="bytes=100-180099").body == data[100:180_100]


def test_a_large_file_is_sent_as_fast_as_it_is_taken(house: House, home: Path) -> None:
    data = large(home)
    line = house.line()
    written: list[bytes] = []

    def write(chunk: bytes) -> None:
        written.append(chunk)
        line.protocol.pauseProducing()  # what a transport says when its buffer is full

    line.transport.divert = write
    line.request("/public/large.bin")
    sent = [chunk for chunk in written if len(chunk) > 1_000]
    assert len(sent) == 1
    for _ in range(5):
        line.protocol.resumeProducing()
    assert b"".join(chunk for chunk in written if len(chunk) > 1_000) == data
    line.transport.divert = None
    assert line.ask("/public/digits.txt").status == 200


def test_a_peer_that_takes_nothing_loses_the_download(home: Path) -> None:
    house = House(with_settings(send_timeout_seconds=60), home=home)
    large(home)
    line = house.line()
    line.transport.divert = lambda chunk: line.protocol.pauseProducing()
    before = len(list(Path("/proc/self/fd").iterdir()))
    line.request("/public/large.bin")
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
    house.clock.advance(60)
    assert line.transport.aborted
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert house.clock.getDelayedCalls() == []


def test_a_peer_that_goes_during_a_download(house: House, home: Path) -> None:
    large(home)
    line = house.line()
    line.transport.divert = lambda chunk: line.protocol.pauseProducing()
    before = len(list(Path("/proc/self/fd").iterdir()))
    line.request("/public/large.bin")
    line.transport.lose()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert house.clock.getDelayedCalls() == []


def test_a_file_that_shrinks_during_a_download(house: House, home: Path) -> None:
    large(home)
    line = house.line()

    def write(chunk: bytes) -> None:
        (home / "public" / "large.bin").write_bytes(b"")

    line.transport.divert = write
    line.request("/public/large.bin")
    assert line.transport.aborted


def test_the_transport_stops_the_producer(house: House, home: Path) -> None:
    large(home)
    line = house.line()
    line.transport.divert = lambda chunk: line.protocol.pauseProducing()
    line.request("/public/large.bin")
    before = len(list(Path("/proc/self/fd").iterdir()))
    line.protocol.stopProducing()
    assert len(list(Path("/proc/self/fd").iterdir())) == before - 1
