"""Routes: contract 9.1, 9.2, 9.3, 7.6, A6."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from web_doubles import House, with_settings

JS = "application/javascript; charset=UTF-8"


@pytest.fixture
def house(tmp_path: Path) -> House:
    static = tmp_path / "static"
    static.mkdir()
    (static / "index.html").write_text("<title>newage</title>")
    (static / "app.js").write_text("export {};")
    (static / "mark.svg").write_text("<svg/>")
    home = tmp_path / "home"
    for folder in ("lib", "lib/uuid", "dist", "exampleClient/monitor", "public", "client", "Client", "data/me"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "lib" / "own.js").write_text("own")
    (home / "lib" / "constants.js").write_text("reference")
    (home / "lib" / "uuid" / "uuid.js").write_text("reference")
    (home / "dist" / "server.js").write_text("secret server code")
    (home / "dist" / "server.js.map").write_text("secret")
    (home / "dist" / "config.JSON").write_text("secret")
    (home / "dist" / "style.css").write_text("p{}")
    (home / "exampleClient" / "monitor" / "monitor.html").write_text("monitor")
    (home / "client" / "index.html").write_text("client")
    (home / "Client" / "a.txt").write_text("Client")
    (home / "data" / "me" / "page.html").write_text("mine")
    published = {"/mine": (home / "data" / "me", "page.html"), "/files/page.html": (home / "data" / "me", "page.html")}
    published["//evil.example"] = (home, "client")
    return House(static_dir=static, home=home, extra_lookup=published.get)


def test_the_first_page(house: House) -> None:
    for target in ("/", "/index.html", "/?a=b"):
        response = house.ask(target)
        assert response.summary == (200, b"<title>newage</title>")
        assert response.headers["content-type"] == "text/html; charset=UTF-8"
    assert house.ask("/", "POST").status == 405


def test_newages_own_pages_carry_a_strict_policy(house: House) -> None:
    for target in ("/", "/app.js", "/mark.svg"):
        headers = house.ask(target).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'self'"
        assert policy["connect-src"] == "'self' ws://localhost:4000 wss://localhost:4000"
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["a; script-src *", "a b", "<x>", "a,b", "x" * 300, "\xff"])
def test_a_hostile_host_does_not_get_into_the_policy(house: House, host: str) -> None:
    policy = house.line("203.0.113.7").ask("/", Host=host).headers["content-security-policy"]
    assert "connect-src 'self';" in policy
    assert "script-src" not in policy


@pytest.mark.parametrize("target", ["/", "/app.js", "/lib/own.js", "/socket.io/socket.io.js", "/nothing"])
def test_a_rebound_host_gets_no_file(house: House, target: str) -> None:
    """B1: a page of somebody else's that resolves to this machine reads nothing, files and mounts included."""
    refused = house.ask(target, Host="evil.example:4000")
    assert (refused.status, refused.body) == (403, b'{"code":4,"message":"Forbidden"}')
    assert house.ask(target, Host="192.168.1.5:4000").status != 403
    assert house.ask(target, Host="host.docker.internal:4000").status != 403
    assert house.line("203.0.113.7").ask(target, Host="hub.example").status != 403


FOREIGN: dict[str, Any] = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "image"}
OPENED: dict[str, Any] = {**FOREIGN, "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}


@pytest.mark.parametrize("target", ["/", "/app.js", "/public/digits.txt", "/exampleClient/monitor/monitor.html", "/no"])
def test_other_sites_embed_nothing_and_may_link(house: House, target: str) -> None:
    """B4: one gate, for files as for Engine.IO."""
    status = house.ask(target).status
    assert house.ask(target, **FOREIGN).status == 403
    assert house.ask(target, **{**OPENED, "Sec_Fetch_Dest": "iframe"}).status == 403
    assert house.ask(target, **FOREIGN, Origin="http://evil.example").status == 403
    assert house.ask(target, **OPENED).status == status
    assert house.ask(target, "POST", b"x", **OPENED, Origin="null").status == 403
    assert house.ask(target, **FOREIGN, Origin="http://localhost:8000").status == status
    assert house.ask(target, **{**FOREIGN, "Sec_Fetch_Site": "same-site"}).status == status
    assert house.line("203.0.113.7").ask(target, **FOREIGN).status == 403
    assert house.ask(target, **OPENED, Host="evil.example").status == 403, "rebound"


@pytest.mark.parametrize("target", ["/socket.io/socket.io.js", "/lib/constants.js", "/lib/own.js"])
def test_any_page_may_load_the_client_and_the_modules(house: House, target: str) -> None:
    assert house.ask(target, **FOREIGN).status == 200
    assert house.ask(target, **FOREIGN, Origin="http://evil.example").status == 200


def test_a_client_bundle_may_be_embedded_everywhere_and_read_by_accepted_pages(house: House) -> None:
    bundle = "/socket.io/socket.io.esm.min.js"
    assert house.ask(bundle).headers["cross-origin-resource-policy"] == "cross-origin"
    accepted = house.ask(bundle, Origin="http://localhost:8000").headers
    assert (accepted["access-control-allow-origin"], accepted["vary"]) == (
        "http://localhost:8000",
        "Origin, Accept-Encoding",
    )
    assert "access-control-allow-origin" not in house.ask(bundle, Origin="http://evil.example").headers


@pytest.mark.parametrize(
    ("target", "method"),
    [
        ("/", "GET"),
        ("/app.js", "GET"),
        ("/nothing", "GET"),
        ("/client", "GET"),
        ("/", "POST"),
        ("*", "OPTIONS"),
        ("/healthz", "GET"),
        ("/socket.io/?EIO=4&transport=polling", "GET"),
        ("/socket.io/?EIO=4&transport=polling", "OPTIONS"),
        ("/socket.io/?EIO=3&transport=polling", "GET"),
        ("/lib/constants.js", "HEAD"),
    ],
)
def test_every_answer_has_the_same_policies_and_no_banner(house: House, target: str, method: str) -> None:
    headers = house.ask(target, method).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert not {"server", "x-powered-by", "set-cookie"} & set(headers)
    policy = headers.get("content-security-policy", "default-src 'none'")
    assert "unsafe" not in policy
    assert headers.get("content-type", "").startswith("text/html") <= ("content-security-policy" in headers)


RESERVED = [
    *("/admin", "/admin/", "/i/x", "/v1/models", "/api", "/docs/a.txt"),
    *("/newage-extension-2", "/healthz/x", "/readyz/", "/metrics", "/.well-known/x"),
    *("/static/a.txt", "/Admin", "//admin", "/%61dmin", "/./admin"),
]


@pytest.mark.parametrize("target", RESERVED)
def test_nothing_shadows_a_reserved_path(house: House, target: str) -> None:
    """A43, B21: whatever a mapping says, what is the hub's own is answered by the hub."""
    greedy = House(extra_lookup=lambda path: pytest.fail("it was asked for"))
    assert greedy.ask(target).summary == (404, b"Not Found")


@pytest.mark.parametrize("target", ["/newage-extension/info/refs", "/newage-extension.zip"])
def test_nothing_shadows_the_released_extension(house: House, target: str) -> None:
    greedy = House(extra_lookup=lambda path: pytest.fail("it was asked for"))
    assert greedy.ask(target).status in (200, 403)


def test_options_of_no_path_are_answered_and_other_methods_not(house: House) -> None:
    assert house.ask("*", "OPTIONS").summary == (204, b"")
    assert house.ask("*").status in (400, 404)


def test_other_peoples_pages_do_not(house: House) -> None:
    assert "content-security-policy" not in house.ask("/exampleClient/monitor/monitor.html").headers


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/lib/own.js", b"own"),
        ("/exampleClient/monitor/monitor.html", b"monitor"),
        ("/client/", b"client"),
        ("/Client/a.txt", b"Client"),
        ("/dist/style.css", b"p{}"),
    ],
)
def test_folders_of_the_home(house: House, target: str, body: bytes) -> None:
    assert house.ask(target).summary == (200, body)


@pytest.mark.parametrize("target", ["/dist/server.js", "/dist/server.js.map", "/dist/config.JSON", "/dist/%73erver.js"])
def test_no_server_code_of_an_old_installation(house: House, target: str) -> None:
    assert house.ask(target).status == 404


@pytest.mark.parametrize(
    "target",
    [
        "/lib/constants.js",
        "/lib/uuid/uuid.js",
        "/lib/Socket.io/socket.io.js",
        "/public/socket.io.js",
        "/lib/@sap_oss/node-socketio-stream.js",
        "/lib/%40sap_oss/node-socketio-stream.js",
        "/dist/function_call.js",
    ],
)
def test_virtual_modules_win(house: House, target: str) -> None:
    response = house.ask(target)
    assert response.status == 200
    assert response.headers["content-type"] == JS
    assert response.body != b"reference"
    assert b"export" in response.body
    assert house.ask(target, If_None_Match=response.headers["etag"]).status == 304
    assert house.ask(target, Range="bytes=0-4").summary == (206, response.body[:5])
    line = house.line()
    line.request(target, "HEAD")
    (head,) = line.responses(head=True)
    assert head.headers["content-length"] == str(len(response.body))
    assert house.ask(target, "POST").status == 405


@pytest.mark.parametrize(
    "name", ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"]
)
def test_client_bundles(house: House, name: str) -> None:
    response = house.ask(f"/socket.io/{name}")
    assert response.status == 200
    assert response.headers["content-type"].lower() == "application/javascript; charset=utf-8"
    assert b"4.8.4" in response.body
    assert house.ask(f"/socket.io/{name}.map").status == 200


def test_files_in_memory_are_packed_for_who_takes_that(house: House) -> None:
    plain = house.ask("/lib/constants.js")
    packed = house.ask("/lib/constants.js", Accept_Encoding="br, GZIP;q=0.5")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["content-length"] == str(len(packed.body))
    assert len(packed.body) < len(plain.body) / 2
    assert gzip.decompress(packed.body) == plain.body
    assert (plain.headers["vary"], packed.headers["vary"]) == ("Accept-Encoding", "Accept-Encoding")
    for accepted in ("", "br", "gzip;q=0.0", "gzip; q=0"):
        assert house.ask("/lib/constants.js", Accept_Encoding=accepted).summary == (200, plain.body)
    part = house.ask("/lib/constants.js", Accept_Encoding="gzip", Range="bytes=0-9")
    assert part.summary == (206, plain.body[:10])
    fresh = house.ask("/lib/constants.js", Accept_Encoding="gzip", If_None_Match=plain.headers["etag"])
    assert (fresh.status, fresh.headers["vary"], "content-encoding" in fresh.headers) == (304, "Accept-Encoding", False)
    head = house.ask("/lib/constants.js", "HEAD", Accept_Encoding="gzip")
    assert (head.body, head.headers["content-length"]) == (b"", str(len(packed.body)))


def test_the_page_is_packed_for_who_takes_that_and_what_lies_in_a_home_is_not(house: House, tmp_path: Path) -> None:
    plain = house.ask("/app.js")
    packed = house.ask("/app.js", Accept_Encoding="gzip")
    assert gzip.decompress(packed.body) == plain.body
    assert (packed.headers["content-encoding"], packed.headers["content-length"]) == ("gzip", str(len(packed.body)))
    assert (plain.headers["vary"], packed.headers["vary"]) == ("Accept-Encoding", "Accept-Encoding")
    for path in ("/", "/mark.svg"):
        assert house.ask(path, Accept_Encoding="gzip").headers["content-encoding"] == "gzip", path
    assert "content-encoding" not in house.ask("/app.js", Accept_Encoding="gzip", Range="bytes=0-2").headers
    head = house.ask("/app.js", "HEAD", Accept_Encoding="gzip")
    assert (head.body, head.headers["content-length"]) == (b"", str(len(packed.body)))
    static = tmp_path / "static"
    (static / "app.js").write_text("export const other = 1;")
    assert gzip.decompress(house.ask("/app.js", Accept_Encoding="gzip").body) == b"export const other = 1;"
    (static / "big.js").write_bytes(b" " * 65_537)
    (static / "picture.png").write_bytes(b"PNG")
    for path in ("/big.js", "/picture.png", "/lib/own.js"):
        answer = house.ask(path, Accept_Encoding="gzip")
        assert (answer.status, "content-encoding" in answer.headers, "vary" in answer.headers) == (200, False, False), (
            path
        )


def test_the_client_in_javascript_is_for_any_page_but_not_what_node_needs(tmp_path: Path) -> None:
    client = tmp_path / "client"
    (client / "lib").mkdir(parents=True)
    for name in ("index.js", "node.js", "lib/hub.js", "package.json", "../beside.js"):
        (client / name).write_text(name)
    house = House(client_dir=client, home=tmp_path / "home")
    for name in ("index.js", "lib/hub.js"):
        response = house.ask(f"/lib/newage-client/{name}")
        assert response.summary == (200, name.encode())
        assert response.headers["content-type"] == "application/javascript; charset=UTF-8"
        assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    outside = (
        "../beside.js",
        "..%2fbeside.js",
        "%2e%2e/beside.js",
        "lib/../node.js",
        "lib%2f..%2fnode.js",
        "//index.js",
    )
    for name in ("node.js", "package.json", "lib", "", *outside):
        assert house.ask(f"/lib/newage-client/{name}").status == 404


def test_another_path_for_socket_io() -> None:
    house = House(with_settings(socket_io_path="/hub"))
    assert house.ask("/hub/?EIO=4&transport=polling").status == 200
    assert house.ask("/hub/socket.io.js").status == 200
    assert house.ask("/socket.io/?EIO=4&transport=polling").status == 404
    assert house.ask("/lib/constants.js").status == 200


def test_dynamic_resources_come_before_the_404(house: House) -> None:
    assert house.ask("/mine").summary == (200, b"mine")
    assert house.ask("/files/page.html").summary == (200, b"mine")
    assert house.ask("/mine", "POST").status == 405
    assert house.ask("/others").status == 404
    assert house.ask("//evil.example").status == 404, "a Location of //evil.example/ would lead away"


@pytest.mark.parametrize(
    "target", ["/nothing", "/nothing/", "/keys/clients.json", "/lib", "/lib/", "*", "/socket.io/x"]
)
def test_anything_else(house: House, target: str) -> None:
    response = house.ask(target)
    assert response.status in ((404, 405) if target == "*" else (404,))
    if target != "*":
        assert response.body == b"Not Found"
        assert response.headers["content-type"] == "text/html; charset=utf-8"


def test_a_site_without_folders() -> None:
    house = House()
    assert house.ask("/").summary == (404, b"Not Found")
    assert house.ask("/public/x").summary == (404, b"Not Found")
    assert house.ask("/lib/constants.js").status == 200


def test_an_absolute_uri_names_its_host(house: House) -> None:
    assert house.ask("http://evil.example/").status == 403
    assert house.ask("http://localhost/lib/constants.js").status == 200
