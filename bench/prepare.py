"""What the measurements need and no checkout holds: the load generator, the peers, clients with keys."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from rig import BENCH, BUILD, LOADGEN

CLIENTS = 1000
PEERS_PYTHON = BUILD / "venv" / "bin" / "python"
_CHEAP_ROUNDS = 4  # of bcrypt: what is measured is the memory of verified keys, not the hash


class Missing(Exception):
    """Something has to be installed first; says what."""


def build_load_generator() -> None:
    """Compile it if it is older than its source.

    :raises Missing: no C compiler.
    """
    source = BENCH / "loadgen" / "loadgen.c"
    if LOADGEN.exists() and LOADGEN.stat().st_mtime > source.stat().st_mtime:
        return
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise Missing("the load generator needs a C compiler (Debian: apt-get install gcc libc6-dev)")
    BUILD.mkdir(exist_ok=True)
    subprocess.run([compiler, "-O2", "-Wall", "-o", str(LOADGEN), str(source)], check=True)


def install_node_peer() -> None:
    """:raises Missing: no Node."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Missing("the Node peer needs node and npm, version 20 or newer")
    wanted = [BENCH / "package.json", BENCH / "package-lock.json"]
    if _done("node_modules/.package-lock.json", wanted):
        return
    for file in wanted:
        shutil.copy(file, BUILD)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=BUILD, check=True)


def install_python_peer() -> None:
    requirements = BENCH / "requirements.txt"
    if _done("venv/installed", [requirements]):
        return
    subprocess.run([sys.executable, "-m", "venv", str(BUILD / "venv")], check=True)
    pip = [str(PEERS_PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "-r", str(requirements)], check=True)
    (BUILD / "venv" / "installed").touch()


def _done(marker: str, sources: list[Path]) -> bool:
    mark = BUILD / marker
    return mark.exists() and mark.stat().st_mtime >= max(source.stat().st_mtime for source in sources)


def make_home(name: str = "home") -> tuple[Path, Path]:
    """A home with trusted clients that have keys, as an installation of the reference server keeps them.

    :param name: of the home; each tree has its own, for a newer one changes the database.
    :return: the home, and the file that tells the load generator ids and keys.
    """
    import bcrypt

    home, clients = BUILD / name, BUILD / f"{name}-clients.json"
    shutil.rmtree(home, ignore_errors=True)
    (home / "settings").mkdir(parents=True)
    (home / "keys").mkdir()
    secrets = {f"bench-client-{number}": str(uuid4()) for number in range(CLIENTS)}
    for name in secrets:
        (home / "settings" / f"{name}.json").write_text(json.dumps({"clientId": name, "isTrust": True}))
    hashes = {
        name: {"key": bcrypt.hashpw(key.encode(), bcrypt.gensalt(_CHEAP_ROUNDS)).decode()}
        for name, key in secrets.items()
    }
    (home / "keys" / "clients.json").write_text(json.dumps(hashes))
    clients.write_text(json.dumps([{"clientId": name, "key": key} for name, key in secrets.items()]))
    return home, clients
