"""A bot: takes questions from somewhere (here: the command line or standard input), answers with what the room says.

    python bot.py "Tell me a story"        HUB=http://127.0.0.1:4000  CLIENT_ID=my-bot  KEY=...

Without arguments it answers line after line. Replace ``questions`` and ``say`` to make it a Discord or Telegram bot.
"""

from __future__ import annotations

import os
import sys
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import socketio

HUB = os.environ.get("HUB", "http://127.0.0.1:4000")
WHO = {
    "clientId": os.environ.get("CLIENT_ID", "python-bot"),
    "clientType": "bot",
    "key": os.environ.get("KEY"),  # not needed on the hub's own machine, unless networkSafe is off
    "streamMode": "plain",
    "sync": "incremental",
}
PATIENCE = 120.0  # seconds for one answer


class Hub:
    """One connection; answers are matched to questions by requestId, so several may run at once."""

    def __init__(self) -> None:
        self._client = socketio.Client()
        self._waiting: dict[str, tuple[threading.Event, list[str]]] = {}
        for event, handler in (
            ("LLM_RESPONSE", self._answered),
            ("REQUEST_STATUS_UPDATE", self._status),
            ("ERROR", self._refused),
        ):
            self._client.on(event, handler, namespace="/llm")

    def __enter__(self) -> Hub:
        self._client.connect(HUB, auth=WHO, namespaces=["/llm"], wait_timeout=10)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()

    def ask(self, question: str) -> str:
        """The answer.

        :raises RuntimeError: the hub or the extension said why not.
        """
        request_id = str(uuid.uuid4())
        done, answer = self._waiting[request_id] = threading.Event(), []
        try:
            ack = self._client.call(
                "LLM_REQUEST", {"requestId": request_id, "message": question}, namespace="/llm", timeout=10
            )
            if ack["status"] != "ok":
                raise RuntimeError(ack["message"])
            if not done.wait(PATIENCE):
                raise RuntimeError("no answer in time")
            return "\n".join(answer)
        finally:
            del self._waiting[request_id]

    def _answered(self, response: dict[str, Any]) -> None:
        if response["requestId"] in self._waiting:
            self._waiting[response["requestId"]][1].append(response["message"])

    def _status(self, update: dict[str, Any]) -> None:
        waiting = self._waiting.get(update["requestId"])
        if waiting is not None and update["status"] in ("completed", "failed", "expired"):
            if update["status"] != "completed":
                waiting[1].append(f"({update.get('message') or update['status']})")
            waiting[0].set()

    def _refused(self, error: dict[str, Any]) -> None:
        if "requestId" not in error:
            print(f"the hub refuses: {error['message']}", file=sys.stderr)


def questions() -> Iterator[str]:
    if len(sys.argv) > 1:
        yield " ".join(sys.argv[1:])
    else:
        yield from filter(None, map(str.strip, sys.stdin))


def say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    with Hub() as hub:
        for question in questions():
            try:
                say(hub.ask(question))
            except RuntimeError as reason:
                print(reason, file=sys.stderr)
