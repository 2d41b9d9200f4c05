"""What ``npm publish`` would send of clients/js: packed and installed by npm."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from client_package import CLIENT, NAME, pack

from nodekit import node_program

PACKAGE = json.loads((CLIENT / "package.json").read_text("utf-8"))
BESIDE = {"LICENSE", "README.md", "package.json"}


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(tmp_path_factory.mktemp("tarball"))


def test_it_holds_the_modules_and_their_types_and_nothing_else(tarball: Path) -> None:
    with tarfile.open(tarball) as packed:
        inside = {name.removeprefix("package/") for name in packed.getnames()}
    modules = {path.relative_to(CLIENT).as_posix() for path in (*CLIENT.glob("*.js"), *CLIENT.glob("lib/*.js"))}
    types = {path.name for path in CLIENT.glob("*.d.ts")}
    assert len(modules) > 10
    assert {Path(name).stem for name in modules if "/" not in name} == {name.removesuffix(".d.ts") for name in types}
    assert inside == modules | types | BESIDE


def test_whoever_installs_it_can_read_whose_it_is_and_how_it_is_used(client_package: Path) -> None:
    installed = client_package / "node_modules" / NAME
    assert "MIT License" in (installed / "LICENSE").read_text("utf-8")
    assert f"import {{ connect }} from '{NAME}'" in (installed / "README.md").read_text("utf-8")
    assert PACKAGE["license"] == "MIT"
    assert PACKAGE["engines"] == {"node": ">=20"}
    assert list(PACKAGE["dependencies"]) == ["socket.io-client"]


def test_each_entry_and_its_types_are_there(client_package: Path) -> None:
    installed = client_package / "node_modules" / NAME
    targets = [*leaves(PACKAGE["exports"]), PACKAGE["main"], PACKAGE["types"]]
    assert [target for target in targets if not (installed / target).is_file()] == []


def leaves(exports: object) -> list[str]:
    return (
        [each for inner in exports.values() for each in leaves(inner)] if isinstance(exports, dict) else [str(exports)]
    )


@pytest.mark.parametrize(
    ("entry", "exported"),
    [
        (NAME, ["Answer", "Extension", "Failure", "Hub", "Outlet", "Output", "Task", "connect", "serve"]),
        (f"{NAME}/core", ["Answer", "Extension", "Failure", "Hub", "Outlet", "Output", "Task", "connect", "serve"]),
        (f"{NAME}/connect", ["Answer", "Failure", "Hub", "Output", "connect"]),
    ],
)
def test_an_entry_exports(client_package: Path, entry: str, exported: list[str]) -> None:
    assert names_of(client_package, entry) == exported


@pytest.mark.parametrize("inner", ["lib/hub.js", "index.js", "node.js"])
def test_what_is_inside_is_nobody_elses(client_package: Path, inner: str) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        names_of(client_package, f"{NAME}/{inner}")


def names_of(folder: Path, entry: str) -> list[str]:
    program = f"import * as all from '{entry}'; console.log(JSON.stringify(Object.keys(all).sort()))"
    command = [node_program(), "--input-type=module", "--eval", program]
    told: list[str] = json.loads(
        subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=60).stdout
    )
    return told
