"""The extension by SillyTavern's own dialogs, installed with and without git, updated, deleted; the other two ways."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen
from zipfile import ZipFile

import pytest
from desk import Desk
from fake_model import FakeModel
from harness import HERE, Daemon, free_port
from releasing import Copy, ReleasingDaemon, releases_before
from tab import Browser
from tavern import OUR_EXTENSION, PACKAGE, SillyTavern

from newage.web.install import install_extension
from newage.web.releases import read_releases
from nodekit import node_program

# Each dialog has all buttons, most of them hidden; the last one is above the others.
CLICK = """(words) => {
  const buttons = [...document.querySelectorAll('dialog[open] .menu_button')];
  const button = buttons.findLast((one) => one.textContent.trim() === words && one.getClientRects().length > 0);
  button?.click();
  return Boolean(button);
}"""
# Newer ones ask once more, 1.13 does not.
YES = f"({CLICK})('Yes, install it')"
VERSION = "(version) => document.querySelector('#newage_settings .newage-foot')?.textContent.endsWith(` ${version}`)"
OPEN = "(id) => document.getElementById(id).click()"
# A button of the extension in the dialog of all extensions, once it is shown there.
SHOWN = """(button) => {
  const shown = document.querySelector(`.extension_block[data-name$="newage-extension"] .${button}`);
  return shown?.getClientRects().length ? shown : null;
}"""
MANAGED = f"(button) => {{ const shown = ({SHOWN})(button); shown?.click(); return Boolean(shown); }}"
BRANCHES = "() => [...document.querySelectorAll('dialog[open] select option')].map((one) => one.value)"
UPDATED = (
    "() => [...document.querySelectorAll('.toast-title')].some((one) => one.textContent.includes('Reload the page'))"
)
# It has told of that commit: git is done.
ASKED = """(commit) => {
  const found = document.querySelectorAll('.extension_block[data-name$="newage-extension"] .extension_version');
  return [...found].some((one) => one.textContent.includes(commit));
}"""
NEWEST = read_releases().versions[-1]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one folder in which that SillyTavern finds programs: none, or git where it has no other (1.13)."""
    folder = tmp_path_factory.mktemp("bin")
    needs = json.loads((PACKAGE / "package.json").read_text("utf-8"))["dependencies"]
    if "isomorphic-git" not in needs:
        (folder / "git").symlink_to(shutil.which("git") or "")
    return folder


@pytest.fixture(scope="module")
def bare(shared_model: FakeModel, tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Iterator[SillyTavern]:
    """A SillyTavern without the extension, on a machine without git if it can."""
    tavern = SillyTavern(tmp_path_factory.mktemp("bare") / "data", shared_model.url, path=str(programs))
    tavern.add_character("Ann")
    yield tavern.start()
    tavern.stop()


@pytest.fixture
def folder(bare: SillyTavern) -> Iterator[Path]:
    """Where its dialog puts the extension; not there yet."""
    folder = bare.user / "extensions" / OUR_EXTENSION
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def with_git(programs: Path) -> Iterator[None]:
    """Its machine has a git now."""
    found = programs / "git"
    if found.exists():
        yield
        return
    found.symlink_to(shutil.which("git") or "")
    yield
    found.unlink()


def files(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.strip()


def test_the_hubs_address_is_all_that_its_dialog_wants(
    bare: SillyTavern, folder: Path, tavern_hub: Daemon, browser: Browser
) -> None:
    with closing(Desk.sit_down(browser, bare.url)) as desk:
        desk.run(OPEN, "third_party_extension_button")
        desk.wait("() => document.querySelector('dialog[open] .popup-input')")
        desk.fill("dialog[open] .popup-input", f"{tavern_hub.url}/{OUR_EXTENSION}")
        desk.wait(CLICK, "Install just for me")
        desk.wait(f"(version) => {{ {YES}; return ({VERSION})(version); }}", NEWEST.version)
        assert git(folder, "rev-parse", "HEAD") == NEWEST.commit


# As SillyTavern's server clones where there is no git, and where there is one.
INSTALLERS = {
    "without git": [node_program(), str(HERE / "isomorphic_git.js"), "clone"],
    **({"with git": ["git", "clone", "-q", "--depth", "1"]} if os.environ.get("NEWAGE_NIGHTLY") else {}),
}


@pytest.mark.usefixtures("with_git")
@pytest.mark.parametrize("installer", INSTALLERS.values(), ids=INSTALLERS)
def test_its_dialog_updates_an_older_version_lists_its_branches_and_deletes_it(
    bare: SillyTavern, folder: Path, browser: Browser, tmp_path: Path, installer: list[str]
) -> None:
    copy = Copy(tmp_path)
    copy.release(releases_before(NEWEST.version))
    old = ReleasingDaemon(copy, tmp_path / "home", free_port()).start()
    folder.parent.mkdir(exist_ok=True)
    subprocess.run([*installer, f"{old.url}/{OUR_EXTENSION}", str(folder)], cwd=HERE, check=True, timeout=30)
    before = git(folder, "rev-parse", "HEAD")
    assert before != NEWEST.commit
    old.stop()
    copy.release(read_releases())
    with (
        closing(Desk.sit_down(browser, bare.url)) as desk,
        ReleasingDaemon(copy, tmp_path / "home", old.port),
    ):
        desk.run(OPEN, "extensions_details")
        # It asks for a newer version at once: two commands of git at the same time would disturb each other.
        desk.wait(f"(button) => Boolean(({SHOWN})(button))", "btn_update")
        desk.wait(MANAGED, "btn_branch")
        assert "main" in desk.wait(f"() => {{ const found = ({BRANCHES})(); return found.length && found; }}")
        desk.wait(CLICK, "Cancel")
        desk.wait(MANAGED, "btn_update")
        desk.wait(UPDATED)
        # The dialog opens anew and asks again; what git fetches meanwhile would stay where the folder was.
        desk.wait(ASKED, NEWEST.commit[:7])
        assert git(folder, "log", "--format=%H").split()[:2] == [NEWEST.commit, before]
        assert json.loads((folder / "manifest.json").read_text("utf-8"))["version"] == NEWEST.version
        desk.wait(MANAGED, "btn_delete")
        desk.wait(CLICK, "Yes")
        desk.wait("() => !document.querySelector('#newage_settings')")
        assert not folder.exists()


def test_the_zip_holds_what_the_command_installs(tavern_hub: Daemon, tmp_path: Path) -> None:
    """That is the folder which the shared SillyTavern has, as long as this is the newest version."""
    (tmp_path / "data" / "default-user").mkdir(parents=True)
    _, installed = install_extension(tmp_path, "default-user")
    with urlopen(f"{tavern_hub.url}/{OUR_EXTENSION}.zip", timeout=30) as answer:
        ZipFile(BytesIO(answer.read())).extractall(tmp_path / "zip")
    assert files(tmp_path / "zip" / OUR_EXTENSION) == files(installed)
