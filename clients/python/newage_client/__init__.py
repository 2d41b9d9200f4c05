"""The client of a newage hub: ask a SillyTavern, read its answers as they are written, lose nothing; or answer."""

from __future__ import annotations

import ssl as tls
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

from newage_client._answer import Answer
from newage_client._door import Door
from newage_client._emitter import Event, Events
from newage_client._engine import address
from newage_client._extension import Extension
from newage_client._failure import Failure
from newage_client._hub import Hub
from newage_client._outlet import Outlet
from newage_client._output import Output
from newage_client._requests import Asking
from newage_client._room import Room
from newage_client._task import Reasoning, Task
from newage_client._types import (
    Character,
    ExtensionDetails,
    Member,
    Message,
    Missed,
    Page,
    RoomDetails,
    Standing,
    StateChange,
    Stopped,
    Waiting,
)

__all__ = [
    "Answer",
    "Asking",
    "Character",
    "Event",
    "Events",
    "Extension",
    "ExtensionDetails",
    "Failure",
    "Hub",
    "Member",
    "Message",
    "Missed",
    "Outlet",
    "Output",
    "Page",
    "Reasoning",
    "Room",
    "RoomDetails",
    "Standing",
    "StateChange",
    "Stopped",
    "Task",
    "Waiting",
    "connect",
    "serve",
]


def connect(
    url: str,
    *,
    client_id: str,
    key: str = "",
    password: str = "",
    name: str = "",
    desc: str = "",
    client_type: str = "client",
    identity: str = "",
    timeout: float | None = 30.0,
    path: str = "socket.io",
    transports: Sequence[str] = ("polling", "websocket"),
    headers: Mapping[str, str] | None = None,
    ssl: tls.SSLContext | None = None,
) -> Hub:
    """A hub to enter: ``async with connect(url, client_id="my-bot") as hub``. It comes back by itself.

    :param url: as ``http://localhost:4000``.
    :param client_id: who this is; the hub knows people by it.
    :param key: needed unless this runs on the hub's own machine.
    :param password: instead of a key, where the hub knows one.
    :param name: what people are shown; ``desc``: what operators are shown.
    :param client_type: what kind of client this is.
    :param identity: for a second one of the same client_id, which it begins with.
    :param timeout: seconds in which the hub has to let us in; None: as long as it takes.
    :param path: where Socket.IO is, behind a proxy.
    :param transports: in the order in which they are tried.
    :param ssl: how the hub's certificate is checked; as Python does, by default.
    :raises ValueError: there can be no hub at such an address.
    """
    where = address(url, path=path, transports=transports, headers=headers, ssl=ssl)
    who = {
        "clientId": client_id,
        "clientType": client_type,
        "key": key,
        "password": password,
        "name": name,
        "desc": desc,
        "identity": identity,
    }
    return Hub(where.engine, who, timeout=timeout)


def serve(
    url: str,
    *,
    client_id: str,
    key: str = "",
    key_file: str | PathLike[str] | None = None,
    pair: str = "",
    name: str = "",
    desc: str = "",
    client_type: str = "SillyTavern",
    identity: str = "",
    capacity: int = 1,
    features: Sequence[str] = (),
    timeout: float | None = 30.0,
    path: str = "socket.io",
    transports: Sequence[str] = ("polling", "websocket"),
    headers: Mapping[str, str] | None = None,
    ssl: tls.SSLContext | None = None,
) -> Extension:
    """An extension: who answers. ``@hub.answer`` takes the function that does, ``await hub.run()`` begins.

    :param url: as ``http://localhost:4000``.
    :param client_id: begins with ``SillyTavern``.
    :param key: needed unless this runs on the hub's own machine.
    :param key_file: where the key is kept that the hub gives: on its own machine at the first start, from elsewhere
        with ``pair``. Once one has been given, nobody is let in under that client_id without it.
    :param pair: a pairing code (``newage pair``), for the first start on another machine.
    :param name: what people are shown; ``desc``: what operators are shown.
    :param client_type: what kind of client this is.
    :param identity: for a second one of the same client_id, which it begins with.
    :param capacity: how many requests at once, 1-16.
    :param features: what else of docs/wire.md 14 it can do; what this package does is always declared.
    :param timeout: seconds in which the hub has to let us in; None: as long as it takes.
    :raises ValueError: there can be no hub at such an address, or a key that is given would be lost.
    """
    if pair and key_file is None:
        raise ValueError("Give key_file: the key that comes of pairing has to be kept.")
    where = address(url, path=path, transports=transports, headers=headers, ssl=ssl)
    me = {"clientId": client_id, "clientType": client_type}
    shown = {"key": key, "name": name, "desc": desc, "identity": identity}
    who = {**me, **shown, "protocol": 2, "capacity": capacity, "features": list(features)}
    door = None if key_file is None else Door(where.engine, me, Path(key_file), pair=pair, timeout=timeout)
    return Extension(where.engine, who, door=door, timeout=timeout)
