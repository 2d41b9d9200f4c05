"""The extension of docs/javascript.md, which says what it is asked word by word: as long as the question is."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import CHECKOUT, PATIENCE, Daemon
from snippets import HUB, snippets

from nodekit import node_program

CHAPTER = snippets(CHECKOUT / "docs" / "javascript.md")
WORDS = "An extension in 40 lines"


@contextmanager
def words(daemon: Daemon, package: Path) -> Iterator[None]:
    """It answers there, from a folder in which the package of ``clients/js`` is installed."""
    (source,) = CHAPTER[WORDS]
    folder = package / "extension"
    folder.mkdir(exist_ok=True)
    (folder / "answer.key").unlink(missing_ok=True)
    (folder / "answer.js").write_text(source.replace(HUB, daemon.url), "utf-8")
    with subprocess.Popen([node_program(), "answer.js"], cwd=folder, stderr=subprocess.PIPE, text=True) as extension:
        assert extension.stderr is not None
        assert any(line.startswith("connected") for line in extension.stderr)
        yield
        extension.send_signal(signal.SIGINT)
        assert "closed" in extension.stderr.read()
        assert extension.wait(PATIENCE) == 0
    assert (folder / "answer.key").stat().st_mode & 0o777 == 0o600
