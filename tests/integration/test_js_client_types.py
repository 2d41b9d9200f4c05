"""The types of clients/js, by TypeScript: against what the package is, how it is used, and how it must not be."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from client_package import CLIENT, MODULES, NAME
from harness import HERE, PATIENCE

from nodekit import node_program

PROGRAMS = HERE / "client_types"
OPTIONS = {
    "strict": True,
    "noEmit": True,
    "target": "es2022",
    "lib": ["es2022", "dom", "dom.iterable"],
    "types": [],
    "skipDefaultLibCheck": True,
}
NODE = {"module": "nodenext"}
BUNDLER = {"module": "preserve", "moduleResolution": "bundler", "customConditions": ["browser"]}
# What the hub's side of an object calls: nobody else needs it, and it may change.
INNER = {
    "Hub": {"emit", "line", "threw"},
    "Answer": {"emit", "threw", "fail", "finish", "join", "restart", "status"},
    "Output": {
        *("behind", "cut", "describe", "emit", "ended", "grown", "threw", "position"),
        *("resumed", "rev", "settleFor", "started", "streamed", "voided"),
    },
    "Failure": {"stack"},
    "Extension": {"emit", "line", "threw"},
    "Task": {"conclude", "emit", "threw", "over", "sign", "stop", "unsaid"},
    "Outlet": {"behind", "cut", "drop", "resume", "shut", "told", "unsure"},
}
SAME = """
type Same<Declared, Real> = [Exclude<Declared, Real>, Exclude<Real, Declared>] extends [never, never]
  ? true : { declaredAlone: Exclude<Declared, Real>; thereAlone: Exclude<Real, Declared> };
"""


def compiled(folder: Path, *files: str, **options: object) -> list[str]:
    """What the compiler has against them, a line each."""
    settings = {"compilerOptions": {**OPTIONS, **options}, "files": files}
    (folder / "tsconfig.json").write_text(json.dumps(settings), "utf-8")
    done = subprocess.run(
        [node_program(), str(MODULES / "typescript" / "bin" / "tsc"), "--pretty", "false", "--project", str(folder)],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=4 * PATIENCE,
        check=False,
    )
    assert done.returncode in (0, 1, 2), done.stdout + done.stderr
    assert done.stderr == ""
    assert bool(done.stdout) == bool(done.returncode)
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def folder(client_package: Path) -> Path:
    return shutil.copytree(PROGRAMS, client_package / "types")


def test_all_of_it_can_be_used_as_the_documents_say(folder: Path) -> None:
    assert compiled(folder, "used.ts", **NODE) == []


def test_wrong_uses_are_refused(folder: Path) -> None:
    assert compiled(folder, "wrong.ts", **NODE) == []
    marks = (folder / "wrong.ts").read_text("utf-8").count("// @ts-expect-error")
    (folder / "bare.ts").write_text((folder / "wrong.ts").read_text("utf-8").replace("// @ts-expect-error", "//"))
    assert len([line for line in compiled(folder, "bare.ts", **NODE) if line.startswith("bare.ts")]) == marks


def test_a_bundler_for_pages_takes_the_half_that_needs_io(folder: Path) -> None:
    used = "import { connect } from 'newage-client';\nimport { io } from 'socket.io-client';\n"
    (folder / "page.ts").write_text(f"{used}connect('', {{ io, clientId: 'page' }});\n", "utf-8")
    assert compiled(folder, "page.ts", **BUNDLER) == []
    (folder / "page.ts").write_text(f"{used}connect('', {{ clientId: 'page' }}); io('');\n", "utf-8")
    assert any("'io' is missing" in line for line in compiled(folder, "page.ts", **BUNDLER))


def test_every_member_is_declared_and_no_other(folder: Path) -> None:
    program = [node_program(), "members.mjs"]
    real = json.loads(subprocess.run(program, cwd=folder, capture_output=True, check=True, timeout=60).stdout)
    assert sorted(real) == sorted(INNER)
    lines = [f"import type {{ {', '.join(real)} }} from '{NAME}';", SAME]
    for name, members in real.items():
        assert set(members) >= INNER[name], name
        wanted = sorted({*members, *({"name"} if name == "Failure" else {})} - INNER[name])
        names = " | ".join(f"'{member}'" for member in wanted if not member.startswith("["))
        declared = f"keyof {name}" if name != "Failure" else "Exclude<keyof Failure, 'stack' | 'cause'>"
        lines.append(f"export const of{name}: Same<Extract<{declared}, string>, {names}> = true;")
    (folder / "members.ts").write_text("\n".join(lines), "utf-8")
    assert compiled(folder, "members.ts", **NODE) == []


def test_every_member_that_is_declared_is_used(folder: Path) -> None:
    types = (CLIENT / "index.d.ts").read_text("utf-8")
    used = (folder / "used.ts").read_text("utf-8")
    for name, body in re.findall(r"^export class (\w+).*?\{$(.*?)^\}", types, re.MULTILINE | re.DOTALL):
        for member in re.findall(r"^  (?:static |readonly )?(\w+)[(:]", body, re.MULTILINE):
            assert member == "constructor" or re.search(rf"\b{member}\b", used), f"{name}.{member}"


def test_what_is_declared_is_what_the_sources_say(folder: Path) -> None:
    """Their own types, which JSDoc gives them, are without fault, and fit."""
    names = ", ".join(INNER)
    where = {name: f"{name.lower()}.js" for name in INNER}
    lines = [f"import type {{ {names} }} from '{NAME}';", f"import type * as declared from '{NAME}/core';"]
    for name, module in where.items():
        lines.append(f"import type {{ {name} as Real{name} }} from '{CLIENT}/lib/{module}';")
        lines.append(f"export const of{name} = (it: Real{name}): {name} => it;")
    (folder / "sources.ts").write_text("\n".join(lines), "utf-8")
    assert compiled(folder, "sources.ts", **NODE, allowJs=True, checkJs=True) == []


def test_the_entries_are_without_fault(folder: Path) -> None:
    sources = folder / "sources"
    shutil.copytree(CLIENT, sources, ignore=shutil.ignore_patterns("*.d.ts", "test"))
    names = ("index.js", "connect.js", "node.js")
    assert compiled(sources, *names, **NODE, allowJs=True, checkJs=True) == []
