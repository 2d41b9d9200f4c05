"""A hub that a test plays: it lets every extension in, keeps all that it hears, and says whatever the test wants."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import socketio
from engineio.payload import Payload

Payload.max_decode_packets = 100_000  # of one POST: an extension answers many questions at once
PATIENCE = 30.0  # seconds
REFUSED_AFTER = 0.1  # seconds, in which it finds itself let in
ANSWERS = {
    "IDENTIFY_SILLYTAVERN": {"status": "ok", "success": True, "key": "played", "clientId": "?", "scope": "extension"},
    "GET_MESSAGES": {"status": "ok", "success": True, "messages": [], "hasMore": False, "seq": 0},
}


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is told of requests."""


class PlayedHub:
    """Listens from its making until ``close``, by long polling alone."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []  # event and payload
        self.answers: dict[str, Any] = dict(ANSWERS)
        self.sids: dict[str, str] = {}  # by namespace: who came last
        self.refuses = False  # the key of everybody who has come in
        self._changed = threading.Condition()
        self._server = socketio.Server(
            async_mode="threading",
            allow_upgrades=False,
            cors_allowed_origins="*",
            namespaces="*",
            always_connect=True,
            max_http_buffer_size=100_000_000,
        )
        self._server.on("connect", self._connect, namespace="*")
        self._server.on("*", self._hear, namespace="*")
        self._http = make_server("127.0.0.1", 0, socketio.WSGIApp(self._server), _Server, _Quiet)
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._server.shutdown()

    def say(self, event: str, *payload: Any) -> None:
        """To the extension's socket for requests."""
        self._server.emit(event, payload or None, to=self.sids["/llm"], namespace="/llm")

    def ask(self, event: str, payload: Any, timeout: float = PATIENCE) -> Any:
        """What it answers."""
        return self._server.call(event, payload, to=self.sids["/llm"], namespace="/llm", timeout=timeout)

    def drop(self) -> None:
        """Put it out of its namespaces."""
        for namespace, sid in list(self.sids.items()):
            self._server.disconnect(sid, namespace=namespace)

    def count(self, event: str) -> int:
        """How often it was heard."""
        return sum(name == event for name, _ in self.heard)

    def of(self, events: Sequence[str], request_id: str) -> bool:
        """Whether one of them was heard of that request."""
        return any(name in events and body.get("requestId") == request_id for name, body in reversed(self.heard[:]))

    def wait(self, condition: Callable[[], object], within: float = PATIENCE) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, within), f"in vain: {self.heard[-5:]}"

    def _connect(self, namespace: str, sid: str, *_: Any) -> None:
        with self._changed:
            self.sids[namespace] = sid
            self._changed.notify_all()

    def _refuse(self, sid: str) -> None:
        self._server.emit("ERROR", {"message": "Invalid key.", "errorCode": 5}, to=sid, namespace="/llm")
        self._server.disconnect(sid, namespace="/llm")

    def _hear(self, event: str, _namespace: str, sid: str, *payload: Any) -> Any:
        with self._changed:
            self.heard.append((event, payload[0] if payload else None))
            self._changed.notify_all()
        if self.refuses and event == "GET_MESSAGES":
            threading.Timer(REFUSED_AFTER, self._refuse, (sid,)).start()
        return self.answers.get(event, {"status": "ok", "success": True})
