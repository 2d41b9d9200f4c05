"""docs/asyncapi.yaml, made of the tables of docs/api.md: ``make asyncapi`` writes it, ``test_asyncapi.py`` compares.

AsyncAPI 3.0 describes one application, the hub: it receives what the tables have under *You send*, and sends what they
have under *You hear*. A namespace is a channel, an event a message, an ack the reply of an operation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml
from attrs import evolve

from api_document import HEAR, ROOT, SEND, ApiDocument, Members, Row, Schema, acked, members, plain, wanted_ack
from newage import __version__

DOCUMENT = ROOT / "docs" / "asyncapi.yaml"
SOURCE = ROOT / "docs" / "api.md"
HEAD = "# Made of docs/api.md by `make asyncapi`: change that one.\n"
UNANSWERED = re.compile(r"\$|(CLIENT_)?STREAM_|CLIENT_DISCONNECTED$|CHAT_EVENT$")  # no acks on them
ACTIONS = {SEND: "receive", HEAR: "send"}
ROOM = re.compile(r"(?:^|, |; )(?:a )?room\b")
MEMBER = re.compile(r"(?:^|, |; )a member\b")
SAME = re.compile(r"(?:as on|see) `(/\w*)`")
SAME_EVENT = re.compile(r"the same as `(\w+)`")


class Writer:
    def __init__(self, api: ApiDocument) -> None:
        self._api = api
        self._rows = {(row.namespace, row.direction, row.event): row for row in api.rows}
        self._before = dict(zip(api.rows[1:], api.rows, strict=False))

    def document(self) -> Schema:
        return {
            "asyncapi": "3.0.0",
            "info": {
                "title": "newage",
                "version": __version__,
                "description": (
                    "A hub between SillyTavern and its clients, over Socket.IO (protocol 5, Engine.IO 4). Channels are "
                    "namespaces, which are joined with the auth object of components/schemas/Auth; messages are "
                    "events, with one payload; replies are acks. What the hub says may get more members and values."
                ),
                "license": {"name": "MIT"},
            },
            "defaultContentType": "application/json",
            "servers": {
                "local": {
                    "host": "localhost:4000",
                    "pathname": "/socket.io/",
                    "protocol": "socket.io",
                    "protocolVersion": "5",
                }
            },
            "channels": {key(path): self._channel(path, title) for path, title in self._api.titles.items()},
            "operations": dict(self._operations()),
            "components": {"messages": dict(self._messages()), "schemas": self._schemas()},
        }

    # ---- the parts

    def _channel(self, namespace: str, title: str) -> Schema:
        names = [name(row) for row in self._api.rows if row.namespace == namespace]
        names += [ack for row in self._api.rows if row.namespace == namespace and (ack := self._reply(row))]
        return {
            "address": namespace,
            "title": title,
            "messages": {short(each): ref("messages", each) for each in dict.fromkeys(names)},
        }

    def _operations(self) -> Iterator[tuple[str, Schema]]:
        for row in self._api.rows:
            channel = f"#/channels/{key(row.namespace)}"
            operation: Schema = {"action": ACTIONS[row.direction], "channel": {"$ref": channel}}
            if row.more:
                operation["description"] = words(row.more)
            operation["messages"] = [{"$ref": f"{channel}/messages/{short(name(row))}"}]
            if reply := self._reply(row):
                messages = [{"$ref": f"{channel}/messages/{short(reply)}"}]
                operation["reply"] = {"channel": {"$ref": channel}, "messages": messages}
            if row.failures:
                operation["x-failures"] = row.failures
            yield name(row), operation

    def _messages(self) -> Iterator[tuple[str, Schema]]:
        for row in self._api.rows:
            yield name(row), self._message(row)
            if (reply := self._reply(row)) and reply != "ack":
                yield reply, {"name": "ack", "title": f"The ack of {row.event}", "payload": self._ack(row)}
        yield "ack", {"name": "ack", "title": "An ack without members of its own", "payload": ref("schemas", "Ack")}

    def _message(self, row: Row) -> Schema:
        message: Schema = {"name": row.event}
        if row.said:
            message["description"] = words(row.said)
        of = self._origin(row)
        if of != row:
            message["payload"] = {"$ref": f"#/components/messages/{name(of)}/payload"}
        elif not row.event.startswith("$"):  # these have several arguments
            message["payload"] = payload(row)
        return message

    def _reply(self, row: Row) -> str:
        """The name of the ack's message, where there is one."""
        if row.direction == HEAR:
            return f"{name(row)}.ack" if wanted_ack(row) is not None else ""
        if UNANSWERED.match(row.event):
            return ""
        return f"{name(row)}.ack" if acked(self._origin(row)).properties else "ack"

    def _ack(self, row: Row) -> Schema:
        if (wanted := wanted_ack(row)) is not None:
            return wanted.schema()
        return {"allOf": [ref("schemas", "Ack"), shown(acked(self._origin(row))).schema()]}

    def _schemas(self) -> Schema:
        properties = {}
        for member, kind, meaning in self._api.auth:
            if member not in properties:
                properties[member] = {"description": words(f"{kind}: {meaning}")}
            else:
                properties[member]["description"] += words(f"; {kind}: {meaning}")
        failure = {"type": "object", "properties": {"message": {"type": "string"}, "code": {}}}
        return {
            "Auth": {"type": "object", "required": ["clientId"], "properties": properties},
            "Ack": {
                "type": "object",
                "required": ["status", "success"],
                "description": words(re.sub(r"^```.*?^```$", "", self._api.section("Acks"), flags=re.S | re.M)),
                "properties": {
                    "status": {"type": "string", "enum": ["ok", "warning", "error"]},
                    "success": {"type": "boolean"},
                    "message": {"type": "string"},
                    "error": failure,
                    "errorCode": {"type": "integer"},
                },
            },
            "RoomName": {"description": "Of a room; or called targetRoom or room."},
            "MemberName": {"description": "Of a member; or called identity, targetClientId or clientId."},
        }

    def _origin(self, row: Row) -> Row:
        """The row that says what this one has: it is the same."""
        if found := SAME.match(row.said):
            row = self._rows[found[1], row.direction, row.event]
        elif found := SAME_EVENT.match(row.said):
            row = self._rows[row.namespace, row.direction, found[1]]
        elif re.match(r"the same(?! ids)", row.said):
            row = self._before[row]
        else:
            return row
        return self._origin(row)


# ------------------------------------------------------------------------------------------------------------ and words


def payload(row: Row) -> Schema:
    found = members(row.said)
    prose = re.sub(r"`[^`]*`", "", plain(row.said))
    more = {"roomName": ref("schemas", "RoomName")} if ROOM.search(prose) else {}
    more |= {"targetIdentity": ref("schemas", "MemberName")} if MEMBER.search(prose) else {}
    found = evolve(found, properties=more | found.properties)
    if not found.properties:
        return {}
    return (shown(found) if row.direction == HEAR else found).schema()


def shown(said: Members) -> Members:
    """Of what the hub says, values are examples: there may be more."""
    properties = {}
    for member, schema in said.properties.items():
        schema = dict(schema)
        if "enum" in schema:
            schema["examples"] = schema.pop("enum")
        properties[member] = schema
    return evolve(said, properties=properties)


def key(namespace: str) -> str:
    return namespace.strip("/") or "root"


def name(row: Row) -> str:
    """Of its operation and its message."""
    return f"{key(row.namespace)}.{ACTIONS[row.direction]}.{row.event.replace('$', 'dollar-')}"


def short(message: str) -> str:
    """Within its channel."""
    return message.partition(".")[2] or message


def ref(kind: str, to: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{to}"}


def words(cell: str) -> str:
    """Without links, which lead nowhere from there."""
    return re.sub(r"\s+", " ", re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", cell)).strip()


def document(api: str) -> str:
    made = Writer(ApiDocument(api)).document()
    return HEAD + str(yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=120))


if __name__ == "__main__":
    DOCUMENT.write_text(document(SOURCE.read_text("utf-8")), "utf-8")
