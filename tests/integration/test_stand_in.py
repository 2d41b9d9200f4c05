"""The stand-in of the reference extension says what the real one said: packet for packet, with the captured texts.

``data/captured_extension.json`` holds every distinct packet that the real extension sent in one run, with its count;
changing ids are masked there. The stand-in is made to go through the same run.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any
from uuid import uuid4

from harness import HERE, Hub

UUIDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TOKENS = (
    ("MOCK-ANSWER to <MARK-STREAM>: 你好, th", "is is the mock model speaki", "ng.", ""),
    ("MOCK-ANSWER to <MARK-RECORD>: 你好, this is the", " mock model speaki", "ng.", ""),
)


def masked(value: Any) -> str:
    return UUIDS.sub("<uuid>", json.dumps(value, ensure_ascii=False))


def captured(label: str, nsp: str | None = None) -> Counter[str]:
    """Packets of that kind as the real extension sent them, with their counts."""
    rows = json.loads((HERE / "data" / "captured_extension.json").read_text("utf-8"))
    chosen = [row for row in rows if row["label"].startswith(label) and (nsp is None or row["nsp"] == nsp)]
    assert chosen, label
    return Counter({row["nsp"] + " " + masked(row.get("data")): row["count"] for row in chosen})


def test_its_start_is_the_captured_start(hub: Hub) -> None:
    extension = hub.extension("8000")
    extension.start()
    extension.function_call.wait("@connect")
    joined = Counter(f"{nsp} {masked(auth)}" for nsp, auth in (record.args for record in extension.all("@open")))
    connects = captured("CONNECT")
    assert joined == Counter({packet: count // 3 for packet, count in connects.items()})  # the capture has three runs
    sent = Counter(f"{nsp} {masked(packet)}" for nsp, packet in (record.args for record in extension.all("@sent")))
    expected = captured("IDENTIFY_SILLYTAVERN") + captured("GET_ALL_CLIENT_KEYS") + captured("UPDATE_CONNECTED_CLIENTS")
    reads = [packet for packet in captured("FUNCTION_CALL") if "readJsonFromFile" in packet]
    assert sent == Counter({*expected, *reads})


def test_its_tokens_are_the_captured_tokens(hub: Hub) -> None:
    extension = hub.extension().start_quickly()
    for tokens in TOKENS:
        extension.stream(tokens, live=str(uuid4()), knowsRequest=True)
    sent = Counter(f"{nsp} {masked(packet)}" for nsp, packet in (record.args for record in extension.all("@sent")))
    assert sent == captured("CLIENT_STREAM")


def test_its_answers_and_errors_are_the_captured_ones(hub: Hub) -> None:
    text = "MOCK-ANSWER to <MARK-PLAIN>: 你好, this is the mock model speaking."
    extension = hub.extension(kind="message", text=text).start_quickly()
    web = hub.client(hub.new_id())
    for request_id, kind in ((str(uuid4()), "message"), (str(uuid4()), "error")):
        extension.answers(kind, text=text)
        web.call("LLM_REQUEST", {"requestId": request_id, "target": extension.client_id, "message": "go"})
        extension.wait("@sent", lambda _nsp, packet, kind=kind: packet[0].lower() == kind)
    extension.llm.fence()
    sent = Counter(f"{nsp} {masked(packet)}" for nsp, packet in (record.args for record in extension.all("@sent")))
    fences = [packet for packet in sent if "Connection active?" in packet]
    answers = Counter({packet: count for packet, count in sent.items() if packet not in fences})
    captured_answers = {packet: n for packet, n in captured("message", "/llm").items() if "MOCK-ANSWER" in packet}
    assert answers == Counter(captured_answers) + captured("ERROR")
