"""The browser modules newage serves itself: those of contract 9.3 and the client bundles under the Socket.IO path.

The client in JavaScript is ``clients/js`` of the checkout, ``newage/client`` of an installation.

Sources are package data in ``assets/``: ``modules/`` is ours, ``vendor/`` holds files of npm packages unchanged, with
``vendor.lock.json`` telling whence. What a URL needs beyond the vendored file is added here, in memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from newage.web.files import JAVASCRIPT, MemoryFile

ASSETS: Final = Path(__file__).parent / "assets"
_BUNDLES: Final = ("socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js")
_SOURCE_MAP: Final = "application/json; charset=utf-8"


def _file(name: str, appended: bytes = b"") -> MemoryFile:
    path = ASSETS / name
    return MemoryFile(body=path.read_bytes() + appended, type=JAVASCRIPT, modified=path.stat().st_mtime)


def virtual_modules() -> dict[str, MemoryFile]:
    """URL path -> module; they win over files of the same name in the home (contract 9.3)."""
    client = _file("vendor/socket.io-client/socket.io.esm.min.js")
    return {
        "/lib/constants.js": _file("modules/constants.js"),
        "/lib/uuid/uuid.js": _file("modules/uuid.js"),
        "/lib/Socket.io/socket.io.js": client,
        "/public/socket.io.js": client,
        # the bundle assigns window.ss; a namespace import of it would be empty
        "/lib/@sap_oss/node-socketio-stream.js": _file(
            "vendor/node-socketio-stream/node-socketio-stream.js", b"\nexport default globalThis.ss;\n"
        ),
        "/dist/function_call.js": _file("modules/function_call.js"),
    }


def client_modules(folder: Path) -> dict[str, MemoryFile]:
    """URL path -> module of the client in JavaScript; ``node.js`` is for Node alone.

    :param folder: where the package ``newage-client`` lies.
    """
    names = [path for path in (*folder.glob("*.js"), *folder.glob("lib/*.js")) if path.name != "node.js"]
    return {
        f"/lib/newage-client/{path.relative_to(folder).as_posix()}": MemoryFile(
            body=path.read_bytes(), type=JAVASCRIPT, modified=path.stat().st_mtime
        )
        for path in names
    }


def client_bundles(socket_io_path: str) -> dict[str, MemoryFile]:
    """URL path -> bundle or its source map, below the Socket.IO path (contract 2.1)."""
    files: dict[str, MemoryFile] = {}
    for name in _BUNDLES:
        source = _file(f"vendor/socket.io-client/{name}")
        source_map = _file(f"vendor/socket.io-client/{name}.map")
        files[f"{socket_io_path}/{name}"] = MemoryFile(
            body=source.body, type="application/javascript; charset=utf-8", modified=source.modified
        )
        files[f"{socket_io_path}/{name}.map"] = MemoryFile(
            body=source_map.body, type=_SOURCE_MAP, modified=source_map.modified
        )
    return files
