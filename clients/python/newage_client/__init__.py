"""The client of a newage hub: ask a SillyTavern, read its answers as they are written, lose nothing."""

from __future__ import annotations

import ssl as tls
from collections.abc import Mapping, Sequence

from newage_client._answer import Answer
from newage_client._emitter import Event, Events
from newage_client._engine import address
from newage_client._failure import Failure
from newage_client._hub import Hub
from newage_client._output import Output
from newage_client._requests import Asking
from newage_client._room import Room
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
    "ExtensionDetails",
    "Failure",
    "Hub",
    "Member",
    "Message",
    "Missed",
    "Output",
    "Page",
    "Room",
    "RoomDetails",
    "Standing",
    "StateChange",
    "Stopped",
    "Waiting",
    "connect",
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
