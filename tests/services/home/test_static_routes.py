"""URLs that clients map (contract 7.6, A10)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from authkit import LOCAL, REMOTE, Gatehouse
from deferreds import value
from newage.domain.model import Peer
from newage.errors import BadArguments, NotAuthorised
from newage.services.home.static_routes import StaticSettings


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    house = Gatehouse(tmp_path / "home", static=StaticSettings(max_static_resources=5))
    for name in (
        "public/app/index.html",
        "exampleClient/x.js",
        "data/web1/pic.png",
        "data/web2/pic.png",
        "keys/k.json",
    ):
        house.write(name, "content")
    house.write("settings/web1.json", {"clientId": "web1"})
    return house


def add(house: Gatehouse, mapping: object, client_id: str = "web1", peer: Peer = LOCAL, **caller: Any) -> Any:
    return value(house.static.add_for(house.caller(client_id, peer=peer, **caller), mapping))


def test_files_and_folders(house: Gatehouse) -> None:
    result = add(house, {"/app": "public/app", "/x.js": "./exampleClient/x.js", "/deep/er/pic": "/data/web1/pic.png"})
    assert result == {
        "success": True,
        "results": [{"urlPath": url, "status": "success"} for url in ("/app", "/x.js", "/deep/er/pic")],
    }
    assert house.static.find("/app") == ("public", "app")
    assert house.static.find("/app/index.html") == ("public", "app", "index.html")
    assert house.static.find("/x.js") == ("exampleClient", "x.js")
    assert house.static.find("/deep/er/pic") == ("data", "web1", "pic.png")
    assert house.static.lookup("/app/") == (house.home, "public/app/")
    assert house.static.lookup("/app/index.html") == (house.home, "public/app/index.html")
    for url in ("/", "/ap", "/application", "/deep", "/deep/er", "/nothing"):
        assert house.static.find(url) is None
        assert house.static.lookup(url) is None


@pytest.mark.parametrize("url", ["/app/../../keys/k.json", "/app/.git/config", "/app/a\\b", "/app/\0"])
def test_what_follows_a_folder_cannot_climb(house: Gatehouse, url: str) -> None:
    add(house, {"/app": "public/app"})
    assert house.static.find(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/",
        "app",
        "/index.html",
        "/socket.io",
        "/socket.io/x",
        "/lib/x.js",
        "/dist",
        "/public/new",
        "/a b",
        "/ä",
        "/a?b",
        "/a%2e",
        "/../x",
        "/a/../b",
        "/.hidden",
        "/a/.b",
        "//",
        "/" + "x" * 256,
        "/a\n",
    ],
)
def test_urls_that_may_not_be_mapped(house: Gatehouse, url: str) -> None:
    result = add(house, {url: "public/app", "/ok": "public/app"})
    assert result["success"] is False
    assert [entry["status"] for entry in result["results"]] == ["error", "success"]
    assert result["results"][0] == {"urlPath": url, "status": "error", "message": "Invalid URL."}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("keys", "Access denied: File is restricted."),
        ("keys/k.json", "Access denied: File is restricted."),
        ("settings/web1.json", "Access denied: File is restricted."),
        ("data/web2/pic.png", "Access denied: File is restricted."),
        ("data", "Access denied: File is restricted."),
        ("public/.git", "Access denied: File is restricted."),
        ("public/../keys", "Access denied: File is restricted."),
        ("../x", "Access denied: Path is outside the server directory."),
        ("public/link", "Access denied: Path is outside the server directory."),
        ("public/link/k.json", "Access denied: Path is outside the server directory."),
        ("public/missing", "ENOENT: no such file or directory"),
        ("", "Invalid path."),
        (7, "Invalid path."),
    ],
)
def test_what_may_not_be_published(house: Gatehouse, path: object, message: str) -> None:
    (house.home / "public/link").symlink_to(house.home / "keys")
    assert add(house, {"/x": path})["results"] == [{"urlPath": "/x", "status": "error", "message": message}]
    assert house.static.find("/x") is None


def test_a_url_belongs_to_who_mapped_it(house: Gatehouse) -> None:
    add(house, {"/app": "public/app"})
    assert add(house, {"/app/": "exampleClient"}, "web2")["results"][0]["message"] == "This URL is taken."
    assert add(house, {"/app/": "exampleClient"})["success"] is True
    assert house.static.find("/app") == ("exampleClient",)


def test_the_table_is_bounded(house: Gatehouse) -> None:
    results = [add(house, {f"/a{n}": "public/app"})["success"] for n in range(7)]
    assert results == [True] * 5 + [False] * 2
    assert add(house, {"/a0": "exampleClient"})["success"] is True
    with pytest.raises(BadArguments):
        add(house, {f"/b{n}": "public/app" for n in range(6)})


@pytest.mark.parametrize("mapping", [None, [], "x", 7])
def test_objects_only(house: Gatehouse, mapping: object) -> None:
    with pytest.raises(BadArguments):
        add(house, mapping)


def test_who_may(house: Gatehouse) -> None:
    with pytest.raises(NotAuthorised):
        add(house, {"/app": "public/app"}, peer=REMOTE)
    assert add(house, {"/app": "public/app"}, "SillyTavern-1", peer=REMOTE, client_type="SillyTavern")["success"]


@pytest.mark.parametrize("mapping", [None, [], "x"])
def test_settings_that_map_nothing(house: Gatehouse, mapping: object) -> None:
    assert value(house.static.load(mapping)) == {}


def test_the_servers_settings(house: Gatehouse) -> None:
    wrong = value(house.static.load({"/app": "public/app", "/keys": "keys", "/d": "data/web1/pic.png", "/x": 7}))
    assert set(wrong) == {"/keys", "/d", "/x"}
    assert house.static.find("/app") == ("public", "app")


@pytest.mark.parametrize("url", ["/admin", "/v1/models", "/Newage-extension-x", "/static/a", "/healthz", "//api"])
def test_what_is_the_hubs_own_is_refused_in_words(house: Gatehouse, url: str) -> None:
    """Contract 7.6, A43, B21."""
    wrong = value(house.static.load({url: "public/app", "/app": "public/app"}))
    assert wrong == {url: "This URL is the hub's own; choose another."}
