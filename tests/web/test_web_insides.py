"""Which names inside Twisted and Autobahn the web layer stands on: this list, no more, and each of them is there.

An upgrade that takes one away, or a change that leans on another, turns this red. What is not here is public.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import autobahn.twisted.websocket
import autobahn.websocket.protocol
import pytest
import twisted.internet.abstract
import twisted.internet.tcp
import twisted.protocols.basic
import twisted.protocols.policies
import twisted.protocols.tls
import twisted.web.http
import twisted.web.server
from autobahn.twisted.websocket import WebSocketServerProtocol

import newage.web

WEB = Path(newage.web.__file__).parent
INSIDES = {
    # twisted.web.http.HTTPChannel, for channel.py: what a request says before its body came, and what ends it
    "_abortingCall": twisted.web.http,
    "_command": twisted.web.http,
    "_failChooseTransferDecoder": twisted.web.http,
    "_maybeChooseTransferDecoder": twisted.web.http,
    "_path": twisted.web.http,
    "_respondToBadRequestAndDisconnect": twisted.web.http,
    "_savedTimeOut": twisted.web.http,
    "_send100Continue": twisted.web.http,
    "_version": twisted.web.http,
    # twisted.web.http.Request, for responses.py
    "_disconnected": twisted.web.http,
}
FOREIGN = [
    autobahn.twisted.websocket,
    autobahn.websocket.protocol,
    twisted.internet.abstract,
    twisted.internet.tcp,
    twisted.protocols.basic,
    twisted.protocols.policies,
    twisted.protocols.tls,
    twisted.web.http,
    twisted.web.server,
]


def names_inside(module: ModuleType) -> set[str]:
    """Private attributes and methods of what it defines."""
    return set(re.findall(r"(?:self\.|def )(_(?!_)\w+)", inspect.getsource(module)))


def private_names(path: Path) -> Iterator[str]:
    """Of other objects than ``self``, and of classes that inherit from another package's."""
    tree = ast.parse(path.read_text("utf-8"))
    ours = {"EngineWebSocket", "FrameWriter", "Streamed"}  # their bases are ours
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            yield node.attr
        elif isinstance(node, ast.ClassDef) and node.bases and node.name not in ours:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Attribute):
                    yield inner.attr
                elif isinstance(inner, ast.FunctionDef):
                    yield inner.name


def test_no_other_name_inside_is_used() -> None:
    inside = set().union(*map(names_inside, FOREIGN))
    used = {
        name
        for path in WEB.rglob("*.py")
        for name in private_names(path)
        if name.startswith("_") and not name.startswith("__")
    }
    assert used & inside - {"_log", "_clock"} == set(INSIDES), "the two are ours as well"


def test_no_private_module_is_imported_but_the_masker() -> None:
    found = set()
    for path in WEB.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module is not None and node.module != "__future__":
                names = [*node.module.split("."), *(alias.name for alias in node.names)]
                if not node.module.startswith("newage") and any(name.startswith("_") for name in names):
                    found.add(node.module)
    assert found == {"_nvx_xormasker"}


@pytest.mark.parametrize("name", INSIDES)
def test_each_name_is_there(name: str) -> None:
    assert name in names_inside(INSIDES[name])


def test_what_autobahn_lets_be_set_is_there() -> None:
    """``CONFIG_ATTRS`` and ``log``: without them a handshake is right, and takes five times as long."""
    assert WebSocketServerProtocol.CONFIG_ATTRS
    assert WebSocketServerProtocol.log is not None
