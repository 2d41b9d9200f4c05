"""What would be published of clients/python: built and installed by pip, run, and read by mypy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from harness import HERE
from python_package import MODULE, PATIENCE, SOURCE, environment

PROJECT = tomllib.loads((SOURCE / "pyproject.toml").read_text("utf-8"))["project"]
TYPES = HERE / "python_types"


def test_it_holds_the_modules_and_their_types_and_nothing_else(python_client: Path) -> None:
    (made,) = python_client.parent.glob("*.whl")
    with zipfile.ZipFile(made) as packed:
        inside = set(packed.namelist())
        metadata = next(packed.read(name).decode() for name in inside if name.endswith("/METADATA"))
    modules = {f"{MODULE}/{path.name}" for path in (SOURCE / MODULE).glob("*.py")}
    assert {name for name in inside if ".dist-info/" not in name} == {*modules, f"{MODULE}/py.typed"}
    assert any(name.endswith("licenses/LICENSE") for name in inside)
    assert "License-Expression: MIT" in metadata
    assert "Requires-Python: >=3.11" in metadata
    assert "import connect\n\n\nasync def main()" in metadata  # the README
    assert (SOURCE / "LICENSE").read_bytes() == (SOURCE.parent / "js" / "LICENSE").read_bytes()
    assert PROJECT["dependencies"] == ["python-socketio[asyncio-client]>=5.12"]


def test_it_is_imported_from_where_it_was_installed(python_client: Path) -> None:
    program = f"import {MODULE}; print({MODULE}.__file__); print(*{MODULE}.__all__)"
    command = [sys.executable, "-W", "error", "-c", program]
    said = subprocess.run(
        command, env=environment(python_client), cwd=python_client, capture_output=True, text=True, check=True
    )
    where, names = said.stdout.splitlines()
    assert Path(where).is_relative_to(python_client)
    assert {"connect", "Hub", "Answer", "Failure"} <= set(names.split())


def test_its_types_allow_what_is_right_and_refuse_what_is_wrong(python_client: Path) -> None:
    programs = [str(TYPES / name) for name in ("used.py", "wrong.py")]
    options = ["--strict", "--no-incremental", "--config-file="]
    options += ["--disable-error-code", "import-untyped"]  # python-socketio has no types; that is no user's concern
    command = [sys.executable, "-m", "mypy", *options, *programs]
    variables = {**os.environ, "MYPYPATH": str(python_client)}
    done = subprocess.run(
        command, cwd=python_client, env=variables, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    found = re.findall(r"^\S*?(\w+\.py):(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.MULTILINE)
    wanted = [
        ("wrong.py", str(number), line.rpartition("  # ")[2])
        for number, line in enumerate((TYPES / "wrong.py").read_text("utf-8").splitlines(), 1)
        if "  # " in line
    ]
    assert found == wanted, done.stdout + done.stderr
