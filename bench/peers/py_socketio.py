"""python-socketio at its fastest: aiohttp on uvloop, orjson, handlers awaited in the read loop.

usage: python peers/py_socketio.py PORT
"""

import asyncio
import sys
from typing import Any

import orjson
import socketio
import uvloop
from aiohttp import web


class Json:
    """orjson in the shape of the standard module."""

    loads = staticmethod(orjson.loads)
    JSONDecodeError = orjson.JSONDecodeError

    @staticmethod
    def dumps(value: Any, *args: Any, **options: Any) -> str:
        return orjson.dumps(value).decode()


sio = socketio.AsyncServer(
    async_mode="aiohttp", async_handlers=False, http_compression=False, cors_allowed_origins=[], json=Json
)


@sio.event
async def connect(sid: str, environ: Any, auth: Any) -> bool:
    return True


@sio.on("echo")
async def echo(sid: str, data: Any) -> Any:
    return data


@sio.on("join")
async def join(sid: str, body: Any) -> bool:
    await sio.enter_room(sid, body["room"])
    return True


@sio.on("relay")
async def relay(sid: str, body: Any) -> None:
    await sio.emit("relayed", body["data"], room=body["room"])


async def main(port: int) -> None:
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    print("ready", port, flush=True)
    await asyncio.Event().wait()


uvloop.run(main(int(sys.argv[1])))
