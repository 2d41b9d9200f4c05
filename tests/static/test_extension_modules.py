"""The extension for SillyTavern, in Node with a faked SillyTavern; and what its folder is made of."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from nodekit import as_package, name_of, run_suite, suites
from static.test_static_files import FORBIDDEN, IMPORT

HERE = Path(__file__).parent
EXTENSION = HERE.parent.parent / "static" / "sillytavern-extension"
CLIENT = HERE.parent.parent / "clients" / "js"
MODULES = sorted(EXTENSION.glob("*.js"))


@pytest.mark.integration
@pytest.mark.parametrize("suite", [*suites(HERE / "extension"), *suites(HERE / "headless")], ids=name_of)
def test_module(suite: Path, tmp_path: Path) -> None:
    run_suite(suite, EXTENSION=str(as_package(EXTENSION, tmp_path / "extension")))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_text_never_becomes_markup_or_code(path: Path) -> None:
    assert FORBIDDEN.search(path.read_text("utf-8")) is None


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_imports_lead_to_files_that_are_there_or_into_sillytavern(path: Path) -> None:
    for name in IMPORT.findall(path.read_text("utf-8")):
        assert name.startswith("../../../") or (EXTENSION / name).is_file(), name


def test_manifest_names_what_is_there() -> None:
    manifest = json.loads((EXTENSION / "manifest.json").read_text("utf-8"))
    named = [manifest["js"], manifest["css"], *manifest["i18n"].values()]
    assert all((EXTENSION / name).is_file() for name in named)
    assert manifest["auto_update"] is False
    source = (EXTENSION / "index.js").read_text("utf-8")
    assert f"VERSION = '{manifest['version']}'" in source
    assert re.search(rf"\b{manifest['generate_interceptor']}:", source)


def test_client_is_the_published_one() -> None:
    here = {
        path.relative_to(EXTENSION / "client").as_posix(): path.read_bytes()
        for path in (EXTENSION / "client").rglob("*")
        if path.is_file()
    }
    named = ["connect.js", "index.js", "LICENSE", *(f"lib/{path.name}" for path in (CLIENT / "lib").glob("*.js"))]
    there = {name: (CLIENT / name).read_bytes() for name in named}
    different = sorted(name for name in here | there if here.get(name) != there.get(name))
    assert not different, "clients/js has changed, and the extension has a copy of it: run `make extension-client`"


def test_vendored_files_are_what_their_lock_says() -> None:
    vendor = EXTENSION / "vendor"
    lock = json.loads((vendor / "lock.json").read_text("utf-8"))
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in vendor.iterdir()
        if path.name != "lock.json"
    }
    assert {name: entry["sha256"] for name, entry in lock.items()} == found
