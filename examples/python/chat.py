"""Ask one question and print the answer as it is written. Ctrl-C stops the answer; a lost line costs nothing of it.

python chat.py "Tell me a story"        HUB=http://127.0.0.1:4000  CLIENT_ID=my-terminal  KEY=...
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Any

from newage_client import Failure, StateChange, connect

HUB = os.environ.get("HUB", "http://127.0.0.1:4000")
CLIENT_ID = os.environ.get("CLIENT_ID", "python-example")
KEY = os.environ.get("KEY", "")  # not needed on the hub's own machine


def note(change: StateChange) -> None:
    if change.message and change.state != "closed":
        print(f"({change.state}: {change.message})", file=sys.stderr)


def waits(said: Mapping[str, Any]) -> None:
    if said.get("waitsFor"):
        print(f"(waits for {said['waitsFor']}: nobody answers yet)", file=sys.stderr)


async def main(question: str) -> None:
    hub = connect(HUB, client_id=CLIENT_ID, key=KEY, client_type="terminal")
    hub.on("state", note)
    hub.on("status", waits)
    async with hub, hub.ask(question) as answer:
        async for token in answer:
            print(token, end="", flush=True)
        print()


if __name__ == "__main__":
    try:
        asyncio.run(main(" ".join(sys.argv[1:]) or "Hello!"))
    except Failure as failure:
        sys.exit(str(failure))
    except KeyboardInterrupt:
        print(" cancelled")
