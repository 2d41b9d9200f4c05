"""The wheel, as a user gets it: built, installed into an empty environment, found by twistd, and complete."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
SOURCES = (
    "src",
    "static",
    "twisted",
    "clients",
    "conf",
    "setup.cfg",
    "pyproject.toml",
    "MANIFEST.in",
    "README.md",
    "CHANGELOG.md",
)
NOT_SOURCES = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", "dropin.cache", "node_modules")
LISTENING = re.compile(r"Listening on http://127\.0\.0\.1:(\d+)/")

pytestmark = pytest.mark.timeout(400)


def environment() -> dict[str, str]:
    """Nothing of the checkout may help."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source distribution, so that this one is proved complete as well."""
    copy = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=NOT_SOURCES)
        else:
            shutil.copy(source, copy / name)
    run(sys.executable, "-m", "build", "--outdir", copy / "dist", copy, cwd=copy)
    (built,) = (copy / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of an environment that holds the wheel and what it requires, nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    pip = (folder / "venv" / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
    run(*pip, "install", "--quiet", wheel, cwd=folder)
    run(*pip, "check", cwd=folder)
    return folder / "venv" / "bin"


@pytest.fixture
def daemon(installed: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The installed hub in an empty folder, and its port."""
    command = [str(installed / "twistd"), "-n", "newage", "--port", "0", "--demo"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    seen: list[str] = []
    try:
        for line in process.stdout:
            seen.append(line)
            if found := LISTENING.search(line):
                yield process, int(found.group(1))
                break
        else:
            pytest.fail("".join(seen))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_wheel_holds_every_module_the_page_the_schema_and_the_plugin(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {"twisted/plugins/newage_plugin.py"}
    for root, inside in ((CHECKOUT / "src", ""), (CHECKOUT / "static", "newage/static/")):
        for path in root.rglob("*"):
            name = str(path.relative_to(root))
            if path.is_file() and not re.search(r"__pycache__|\.pyc$|\.egg-info|dropin\.cache", name):
                expected.add(inside + name)
    client = CHECKOUT / "clients" / "js"
    modules = [client / "connect.js", client / "index.js", *(client / "lib").glob("*.js")]
    expected |= {f"newage/client/{path.relative_to(client).as_posix()}" for path in modules}
    assert expected <= names, "missing in the wheel; setup.cfg lists packages and data"
    assert any(name.startswith("newage/storage/schema/") and name.endswith(".sql") for name in names)
    strays = {name for name in names - expected if ".dist-info/" not in name}
    assert strays == set()


def test_twistd_lists_newage(installed: Path, tmp_path: Path) -> None:
    listed = run(installed / "twistd", "--help", cwd=tmp_path)
    assert re.search(r"^\s+newage\s+\S", listed, re.MULTILINE)
    assert "--ephemeral" in run(installed / "twistd", "newage", "--help", cwd=tmp_path)


def test_the_operators_command_is_installed(installed: Path, tmp_path: Path) -> None:
    """It makes a key on a home that a hub of this wheel has made."""
    assert "keys new phone" in run(installed / "newage", "--help", cwd=tmp_path)
    program = "import pathlib, newage.daemon.home; newage.daemon.home.prepare_home(pathlib.Path('newage-home'))"
    run(installed / "python", "-c", program, cwd=tmp_path)
    key = run(installed / "newage", "keys", "new", "phone", cwd=tmp_path)
    assert re.fullmatch(r"sk-newage-[0-9a-z]{8}-[0-9a-z]{26}\n", key)
    assert "phone" in run(installed / "newage", "keys", "list", cwd=tmp_path)


def test_every_module_finds_what_it_imports(installed: Path, tmp_path: Path) -> None:
    """What setup.cfg requires is enough; the development environment has more."""
    program = """
import importlib, pkgutil, newage
for module in pkgutil.walk_packages(newage.__path__, "newage."):
    if not module.name.startswith("newage.static"):
        importlib.import_module(module.name)
        print(module.name)
"""
    assert len(run(installed / "python", "-c", program, cwd=tmp_path).split()) > 60


def test_the_page_is_found_inside_the_package(installed: Path, tmp_path: Path) -> None:
    found = run(
        installed / "python", "-c", "import newage.daemon.home; print(newage.daemon.home.static_folder())", cwd=tmp_path
    )
    assert Path(found.strip(), "index.html").is_file()
    assert "site-packages" in found


def test_it_serves_the_page_and_stops_with_code_0(daemon: tuple[subprocess.Popen[str], int], tmp_path: Path) -> None:
    process, port = daemon
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, (CHECKOUT / "static" / "index.html").read_bytes())
    connection.close()
    assert list((tmp_path / "newage-home").rglob("*.sqlite3"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert not (tmp_path / "twistd.pid").exists()


def test_uninstalling_takes_the_command_away_and_nothing_else(wheel: Path, installed: Path, tmp_path: Path) -> None:
    pip = (installed / "python", "-m", "pip", "--disable-pip-version-check")
    run(*pip, "uninstall", "--quiet", "--yes", "newage", cwd=tmp_path)
    try:
        listed = run(installed / "twistd", "--help", cwd=tmp_path)
        assert not re.search(r"^\s+newage\s", listed, re.MULTILINE)
        assert re.search(r"^\s+web\s", listed, re.MULTILINE)
    finally:
        run(*pip, "install", "--quiet", "--no-deps", wheel, cwd=tmp_path)
