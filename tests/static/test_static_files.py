"""What the page is made of: nothing inline, nothing from elsewhere, no way from text to markup."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath

import pytest

STATIC = Path(__file__).parent.parent.parent / "static"
MODULES = sorted(STATIC.glob("*.js"))
TEXTS = sorted(path for path in STATIC.glob("*") if path.suffix in {".js", ".css", ".html", ".svg"})
CLIENT = STATIC.parent / "clients" / "js"
CLIENT_URL = "lib/newage-client/"
BUNDLES = STATIC.parent / "src" / "newage" / "web" / "assets" / "vendor" / "socket.io-client"
# By the hub itself (contract 2.1), beside the page: with a prefix, where a proxy puts one before it.
SERVED_ELSEWHERE = {
    "socket.io/socket.io.esm.min.js",
    *(CLIENT_URL + path.relative_to(CLIENT).as_posix() for path in [CLIENT / "connect.js", *CLIENT.glob("lib/*.js")]),
}

# Each of these makes markup, code or style of a string.
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment|DOMParser|setHTML|document\.write"
    r"|\beval\b|new Function|\.cssText|setAttribute\(\s*['\"](?:style|on)"
)
IMPORT = re.compile(r"^(?:import|export)\b[^'\"]*?from\s+['\"]([^'\"]+)['\"]", re.MULTILINE)


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def is_served(name: str) -> bool:
    return name in SERVED_ELSEWHERE or (STATIC / name).is_file()


def file_of(name: str) -> Path:
    if name.startswith("socket.io/"):
        return BUNDLES / name.removeprefix("socket.io/")
    return CLIENT / name.removeprefix(CLIENT_URL) if name.startswith(CLIENT_URL) else STATIC / name


def imported(name: str) -> set[str]:
    """What the browser loads for a module, itself included, as paths below the page's."""
    found: set[str] = set()
    wanted = [name]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        found.add(name)
        folder = PurePosixPath(name).parent
        wanted += [(folder / other).as_posix() for other in IMPORT.findall(file_of(name).read_text("utf-8"))]
    return found


@pytest.fixture(scope="module")
def page() -> Page:
    page = Page()
    page.feed((STATIC / "index.html").read_text("utf-8"))
    return page


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_text_never_becomes_markup_or_code(path: Path) -> None:
    assert FORBIDDEN.search(path.read_text("utf-8")) is None


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    urls = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w{2,}[^\s\"'<)]*", path.read_text("utf-8")))
    assert urls <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_imports_lead_to_files_that_are_there(path: Path) -> None:
    for name in IMPORT.findall(path.read_text("utf-8")):
        assert name.startswith("./"), name
        assert is_served(name.removeprefix("./")), name


def test_page_has_no_inline_script_style_or_handler(page: Page) -> None:
    for tag, attributes in page.tags:
        assert tag != "style"
        assert tag != "script" or attributes.get("src")
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_page_refers_to_files_that_are_there(page: Page) -> None:
    references = [attributes.get("src") or attributes.get("href") for _, attributes in page.tags]
    files = [name for name in references if name and not name.startswith("#")]
    assert "app.js" in files
    assert all(is_served(name) for name in files)


def test_page_asks_for_every_module_at_once(page: Page) -> None:
    """A module that is found in another one comes a round trip later."""
    links = {attributes["href"] for _, attributes in page.tags if attributes.get("rel") == "modulepreload"}
    assert links == imported("app.js") - {"app.js"}


def test_first_load_is_small(page: Page) -> None:
    """Gzipped, as the hub sends it, with socket.io."""
    links = {attributes.get("src") or attributes.get("href") or "" for _, attributes in page.tags}
    names = {name for name in links if is_served(name)} | {"index.html"}
    size = sum(len(gzip.compress(file_of(name).read_bytes())) for name in names)
    assert len(names) == 30
    assert size < 64_000


def test_scripts_use_only_ids_that_the_page_has(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    used = set(re.findall(r"\bpart\('([\w-]+)'\)", (STATIC / "app.js").read_text("utf-8")))
    assert used
    assert used <= set(ids)
    for _, attributes in page.tags:
        for name in ("for", "aria-controls", "aria-labelledby", "aria-describedby"):
            assert attributes.get(name) is None or attributes[name] in ids


def test_every_control_has_a_name(page: Page) -> None:
    labelled = {attributes.get("for") for tag, attributes in page.tags if tag == "label"}
    for tag, attributes in page.tags:
        if tag in {"input", "textarea"} and attributes.get("type") != "radio":
            assert attributes.get("id") in labelled


def test_vendored_files_are_what_their_lock_says() -> None:
    """Files of others lie in static/vendor/ and stand in its lock with version and SHA-256; today there are none."""
    vendor = STATIC / "vendor"
    lock = json.loads((vendor / "lock.json").read_text("utf-8")) if vendor.exists() else {}
    found = {
        path.relative_to(vendor).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in vendor.rglob("*")
        if path.is_file() and path.name != "lock.json"
    }
    assert {name: entry["sha256"] for name, entry in lock.items()} == found
    assert all(entry.get("package") and entry.get("version") for entry in lock.values())
