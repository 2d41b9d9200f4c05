"""Clients that are in ``/``, ``/rooms`` and ``/llm`` at once, as the docs tell them to be; and their rooms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness import Hub, Record, Socket

NAMESPACES = ("/", "/rooms", "/llm")
PAGE = {"clientType": "monitor", "clientId": "monitor"}


class Person:
    """One session with a socket in each of three namespaces, on one engine: what came first, arrived first."""

    def __init__(self, hub: Hub, auth: Mapping[str, Any]) -> None:
        self.auth = dict(auth)
        self.client_id = str(auth["clientId"])
        self.me = str(auth.get("identity", self.client_id))
        self.hub = hub
        self.enter()

    def enter(self) -> Person:
        """Connect; again after ``leave``."""
        self.engine = self.hub.engine()
        self.sockets = {nsp: self.hub.open(nsp, self.auth, engine=self.engine) for nsp in NAMESPACES}
        for socket in self.sockets.values():
            socket.connected()
        self.root, self.rooms, self.llm = (self.sockets[nsp] for nsp in NAMESPACES)
        self.fence()
        return self

    def leave(self) -> None:
        self.llm.close_engine()

    def fence(self) -> None:
        """Come back when everything that was sent to this person until now has arrived."""
        assert self.rooms.call("GET_ROOMS")["status"] == "ok"

    def seen(self, *events: str) -> list[Record]:
        """All events of all namespaces, except the library's; only these, if any are named."""
        records = [record for socket in self.sockets.values() for record in socket.records]
        return [r for r in records if not r.event.startswith("@") and (not events or r.event in events)]

    def does(self, event: str, payload: Any, nsp: str = "/rooms") -> dict[str, Any]:
        """Ask for something that must succeed."""
        reply: dict[str, Any] = self.sockets[nsp].call(event, payload)
        assert (reply["status"], reply["success"]) == ("ok", True), (event, payload, reply)
        return reply

    def fails(self, event: str, payload: Any, nsp: str = "/rooms") -> str:
        """Ask for something that must be refused; returns the message."""
        reply: dict[str, Any] = self.sockets[nsp].call(event, payload)
        assert (reply["status"], reply["success"]) == ("error", False), (event, payload, reply)
        assert reply["error"]["message"] == reply["message"]
        assert isinstance(reply["errorCode"], int)
        message: str = reply["message"]
        return message

    def says(self, request_id: str, room: str, message: str = "hello", **more: Any) -> dict[str, Any]:
        """An LLM_REQUEST into a room, accepted."""
        return self.does("LLM_REQUEST", request_in(request_id, room, message, **more), "/llm")

    def named(self, room: str) -> dict[str, str]:
        """The members of an event that say which room it is about."""
        return {"roomName": room, "roomId": self.does("GET_CLIENTS_IN_ROOM", {"roomName": room})["roomId"]}

    def roles(self, room: str) -> dict[str, str]:
        return {c["identity"]: c["role"] for c in self.does("GET_CLIENTS_IN_ROOM", {"roomName": room})["clients"]}


def request_in(request_id: str, room: str, message: str = "hello", **more: Any) -> dict[str, Any]:
    return {"requestId": request_id, "targetRoom": room, "message": message, **more}


def person(hub: Hub, stem: str = "web", *, suffix: str = "", **auth: Any) -> Person:
    """A client of a name of its own; ``suffix`` makes its identity another than its clientId."""
    client_id = hub.new_id(stem)
    identity = {"identity": client_id + suffix} if suffix else {}
    return Person(hub, {"clientType": "web-app", "clientId": client_id, **identity, **auth})


def boss(hub: Hub, **auth: Any) -> Person:
    """An administrator of a name of its own."""
    return Person(hub, {"clientType": "monitor", "clientId": hub.new_id("boss"), **auth})


def room_of(owner: Person, *members: Person, mode: str = "", roles: Mapping[str, str] | None = None) -> str:
    """A group room whose master is ``owner``, an administrator; the members are in it, with the roles given by name."""
    room = owner.hub.new_id("room")
    owner.does("CREATE_ROOM", {"roomName": room})
    for member in members:
        role = (roles or {}).get(member.me, "guest")
        owner.does("ADD_CLIENT_TO_ROOM", {"identity": member.me, "roomName": room, "role": role})
    if mode:
        owner.does("SET_ROOM_MESSAGE_REQUEST_MODE", {"roomName": room, "mode": mode})
    for somebody in (owner, *members):
        somebody.fence()
    return room


def about(identity: str, room: str) -> Callable[[dict[str, Any]], bool]:
    """Is this notice about that member of that room?"""
    return lambda body: body.get("identity") == identity and body.get("roomName") == room


def system_text(room: str, text: str) -> Callable[[dict[str, Any]], bool]:
    return lambda body: body["roomName"] == room and bool(body["message"].get("isSystem")) and body["text"] == text


def is_status(request_id: str, status: str) -> Callable[[dict[str, Any]], bool]:
    return lambda update: bool(update["requestId"] == request_id and update["status"] == status)


def wire_text(record: Record) -> str:
    return f"{record.event} {record.args}"


__all__ = [
    "PAGE",
    "Person",
    "Socket",
    "about",
    "boss",
    "is_status",
    "person",
    "request_in",
    "room_of",
    "system_text",
    "wire_text",
]
