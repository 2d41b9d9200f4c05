"""Home directories as tests need them: settings files of an existing installation, and one in strict mode; what is in
that of a hub."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path


def write_settings(home: Path, files: Mapping[str, object]) -> None:
    """Settings files of an existing installation: name without ``.json`` -> content."""
    folder = home / "settings"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content, indent=2), "utf-8")


STRICT_CLIENTS = tuple(f"strict-web-{n}" for n in range(1, 13))
STRICT_EXTENSIONS = tuple(f"SillyTavern-{n}" for n in range(8001, 8007))


def write_strict_home(home: Path) -> None:
    """networkSafe off; every id of STRICT_CLIENTS and STRICT_EXTENSIONS trusted by a file of its own."""
    files: dict[str, object] = {"server_settings": {"networkSafe": False}}
    for client_id in STRICT_CLIENTS:
        files[client_id] = {"clientId": client_id, "isTrust": True}
    for client_id in STRICT_EXTENSIONS:
        settings = {"clientId": client_id, "isTrust": True, "Remember_me": True}
        files[f"{client_id}-settings"] = {**settings, "sillyTavernPassWord": f"pw-of-{client_id}"}
    write_settings(home, files)


def written(home: Path) -> str:
    """What there is of open answers in the store: as much as a kill leaves."""
    with closing(sqlite3.connect(home / "data" / "newage.sqlite3")) as store:
        parts = store.execute("SELECT text FROM open_output WHERE kind = 'text' ORDER BY part").fetchall()
    return "".join(text for (text,) in parts)
