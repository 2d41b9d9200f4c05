"""A program that knocks at a hub, by long polling and with the standard library alone: any system user can run it.

    python3 stranger.py facts|first_key|taken_key URL HEADERS

prints what the hub takes it for (HEADERS and the answer are JSON). Nothing is imported from the project, so the source
may come on standard input.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 15


class Refused(Exception):
    """The hub said ERROR, or answered HTTP with this status."""


class Knock:
    """One session with one namespace; every request takes a connection of its own."""

    def __init__(self, url: str, headers: dict[str, str], source: str = "") -> None:
        self.source = (source, 0) if source else None  # the address that it comes from
        self.place = urlsplit(url)
        self.headers = headers
        self.query = "/socket.io/?EIO=4&transport=polling"
        self.waiting: list[str] = []
        opened = json.loads(self.ask("GET")[1:])
        self.query += f"&sid={opened['sid']}"

    def ask(self, method: str, body: str | None = None) -> str:
        connection = http.client.HTTPConnection(
            self.place.hostname or "", self.place.port, timeout=PATIENCE, source_address=self.source
        )
        try:
            connection.request(method, self.query, body, self.headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status != 200:
                raise Refused(str(answer.status))
            return text
        finally:
            connection.close()

    def next(self) -> str:
        """The next packet that is no ping."""
        while True:
            while not self.waiting:
                self.waiting = [packet for packet in self.ask("GET").split("\x1e") if packet not in ("2", "6")]
            return self.waiting.pop(0)

    def join(self, namespace: str, auth: dict[str, Any]) -> None:
        self.ask("POST", f"40{namespace},{json.dumps(auth)}")
        self.namespace = namespace

    def call(self, event: str, payload: Any = None) -> Any:
        """The ack; raises Refused with the message of an ERROR that comes instead."""
        self.ask("POST", f"42{self.namespace},7{json.dumps([event, payload or {}])}")
        return self.answer()

    def answer(self) -> Any:
        while True:
            packet = self.next()
            if packet.startswith(f"43{self.namespace},7"):
                return json.loads(packet.partition(f"{self.namespace},7")[2])[0]
            if packet.startswith(f"42{self.namespace},"):
                event, body, *_ = json.loads(packet.partition(",")[2])
                if event == "ERROR":
                    raise Refused(body["message"])

    def event(self, name: str) -> Any:
        """The first argument of an event that comes by itself."""
        while True:
            packet = self.next()
            if packet.startswith(f"42{self.namespace},"):
                event, body, *_ = json.loads(packet.partition(",")[2])
                if event == name:
                    return body

    def __enter__(self) -> Knock:
        return self

    def __exit__(self, *_: object) -> None:
        """Gone at once: what stays behind counts against the address that the next one has too."""
        with contextlib.suppress(Refused):  # the hub may have ended it before
            self.ask("POST", "1")


def visit(url: str, headers: dict[str, str], event: str, namespace: str = "/clients", **auth: Any) -> str:
    """'ok', or why not, when somebody asks this."""
    try:
        with Knock(url, headers) as knock:
            knock.join(namespace, auth)
            reply = knock.call(event)
    except Refused as refused:
        return str(refused)
    return "ok" if reply["status"] == "ok" else str(reply["message"])


def facts(url: str, headers: dict[str, str]) -> dict[str, str]:
    """What the hub takes this program for, without a key: as a client, an administrator and a SillyTavern."""
    return {
        "client": visit(url, headers, "GET_CLIENT_LIST", clientType="web-app", clientId="stranger"),
        "administrator": visit(url, headers, "GET_ALL_CLIENT_KEYS", clientType="monitor", clientId="stranger-monitor"),
        "extension": visit(url, headers, "GET_ALL_CLIENT_KEYS", clientType="SillyTavern", clientId="SillyTavern-7777"),
    }


def first_key(url: str, headers: dict[str, str]) -> str:
    """Whether this program gets the first key of SillyTavern-8001."""
    who = {"clientType": "SillyTavern", "clientId": "SillyTavern-8001", "key": "getKey"}
    return visit(url, headers, "IDENTIFY_SILLYTAVERN", "/sillytavern", **who)


def taken_key(url: str, headers: dict[str, str]) -> dict[str, str]:
    """What is won by fetching a key as ``monitor`` and showing it, for each type one may claim at the first."""
    found = {}
    for claimed in ("web-app", "monitor"):
        with Knock(url, headers) as knock:
            knock.join("/auth", {"clientType": claimed, "clientId": "monitor", "key": "getKey"})
            key = knock.event("CLIENT_KEY_ASSIGNED").get("key", "")
        found[claimed] = visit(
            url, headers, "GET_ALL_CLIENT_KEYS", clientType="monitor", clientId="monitor", key=key or "none"
        )
    return found


if __name__ == "__main__":
    ask = {"facts": facts, "first_key": first_key, "taken_key": taken_key}[sys.argv[1]]
    print(json.dumps(ask(sys.argv[2], json.loads(sys.argv[3]))))
