"""The modules of the extension that make headless prompts, tested in Node with a faked SillyTavern."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXTENSION = HERE.parent.parent / "static" / "sillytavern-extension"


@pytest.mark.integration
@pytest.mark.parametrize("suite", sorted(path.name for path in (HERE / "headless").glob("*.test.mjs")))
def test_module(suite: str, tmp_path: Path) -> None:
    node = shutil.which("node")
    assert node, "Node 20 is needed for the tests of the extension"
    # Copied beside a package.json, without which Node takes .js for CommonJS; SillyTavern's page needs none.
    for module in EXTENSION.glob("*.js"):
        shutil.copy(module, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}', "utf-8")
    done = subprocess.run(
        [node, "--test", str(HERE / "headless" / suite)],
        env={**os.environ, "STATIC": str(tmp_path)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 0" not in done.stdout
