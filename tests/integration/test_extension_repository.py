"""Real clients of git and the command take released versions of the extension (B14): git, isomorphic-git, `newage`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import HERE, Daemon, free_port
from releasing import Copy, ReleasingDaemon

from newage.web.releases import Releases

FIRST = Releases().with_one_more({"manifest.json": json.dumps({"version": "1"}).encode(), "lib/a.js": b"one\n"})
SECOND = FIRST.with_one_more(
    {"manifest.json": json.dumps({"version": "2"}).encode(), "lib/a.js": b"two\n", "b.js": os.urandom(100_000)}
)
GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("copy"))


@pytest.fixture
def serving(copy: Copy, tmp_path: Path) -> Iterator[list[Daemon]]:
    """A hub with one version; the last of these is stopped."""
    copy.release(FIRST)
    daemons: list[Daemon] = [ReleasingDaemon(copy, tmp_path / "home", free_port()).start()]
    yield daemons
    daemons[-1].end()


def restart(serving: list[Daemon], copy: Copy, releases: Releases) -> None:
    """The hub, at the same address, after an upgrade."""
    old = serving[-1]
    old.stop()
    copy.release(releases)
    serving.append(ReleasingDaemon(copy, old.home, old.port).start())


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(each) for each in command],
        env={**os.environ, **GIT},
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }


def test_clients_of_git_clone_it_and_go_on_to_the_next_version(
    serving: list[Daemon], copy: Copy, tmp_path: Path
) -> None:
    url = f"{serving[0].url}/newage-extension"
    shallow, other = tmp_path / "shallow", tmp_path / "other"
    first, second = FIRST.versions[0], SECOND.versions[1]
    isomorphic = ("node", HERE / "isomorphic_git.js")
    run("git", "clone", "-q", "--depth", "1", url, shallow)
    assert run("git", "-C", shallow, "rev-parse", "HEAD") == first.commit
    assert files(shallow) == FIRST.files(first)
    assert run(*isomorphic, "clone", url, other) == first.commit
    assert files(other) == FIRST.files(first)

    restart(serving, copy, SECOND)
    run("git", "-C", shallow, "pull", "-q", "--ff-only")
    assert run("git", "-C", shallow, "rev-parse", "HEAD") == second.commit
    assert run(*isomorphic, "pull", url, other) == second.commit
    run("git", "clone", "-q", url, tmp_path / "whole")
    for folder in (shallow, other, tmp_path / "whole"):
        assert files(folder) == SECOND.files(second)
        run("git", "-C", folder, "fsck", "--strict")
    log = run("git", "-C", tmp_path / "whole", "log", "--format=%H")
    assert log.split() == [second.commit, first.commit]


def test_an_update_works_after_the_branches_were_listed(serving: list[Daemon], copy: Copy, tmp_path: Path) -> None:
    """SillyTavern's list of branches makes a shallow clone a whole one: `--unshallow`, before and after an upgrade."""
    url = f"{serving[0].url}/newage-extension"
    first, second = FIRST.versions[0], SECOND.versions[1]
    folders = before, after, other = tmp_path / "before", tmp_path / "after", tmp_path / "other"
    for folder in (before, after):
        run("git", "clone", "-q", "--depth", "1", url, folder)
    run("node", HERE / "isomorphic_git.js", "clone", url, other)
    run("git", "-C", before, "fetch", "origin", "--unshallow")
    restart(serving, copy, SECOND)
    for folder in (after, other):
        run("git", "-C", folder, "fetch", "origin")
        run("git", "-C", folder, "fetch", "origin", "--unshallow")
    for folder in folders:
        assert run("git", "-C", folder, "rev-parse", "--is-shallow-repository") == "false"
        assert run("git", "-C", folder, "rev-parse", "HEAD") == first.commit
        run("git", "-C", folder, "pull", "-q", "origin", "main")
        assert run("git", "-C", folder, "log", "--format=%H").split() == [second.commit, first.commit]
        run("git", "-C", folder, "fsck", "--strict")
    run("git", "clone", "-q", "--depth", "2", url, tmp_path / "two")
    assert run("git", "-C", tmp_path / "two", "log", "--format=%H").split() == [second.commit, first.commit]


def test_the_command_installs_it_and_shows_which_it_is(copy: Copy, tmp_path: Path) -> None:
    copy.release(FIRST)
    first, second = FIRST.versions[0], SECOND.versions[1]
    (tmp_path / "data" / "default-user").mkdir(parents=True)
    target = tmp_path / "data" / "default-user" / "extensions" / "newage-extension"
    said, _ = copy.command("extension", "install", str(tmp_path))
    assert said == f"version 1 is in {target}; reload SillyTavern's page\n"
    assert files(target) == FIRST.files(first)
    copy.release(SECOND)
    assert copy.command("extension", "hash")[0] == f"1 {first.commit}\n2 {second.commit}\n"
    told = json.loads(copy.command("--json", "extension", "install", str(tmp_path))[0])
    assert (told["version"], told["commit"], told["folder"]) == ("2", second.commit, str(target))
    assert files(target) == SECOND.files(second)
    assert "start SillyTavern once" in copy.command("extension", "install", str(tmp_path), "--user", "bob", code=1)[1]
