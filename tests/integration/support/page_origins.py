"""Pages of any origin in a real browser: page_origins.js asks its questions in them."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from harness import HERE, Daemon

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Names and addresses of others, all of them on this machine for the browser of these tests.
ELSEWHERE = ("evil.example", "nas.local", "192.168.77.7", "host.docker.internal", "desk.example")
RULES = ", ".join(f"MAP {name} 127.0.0.1" for name in ELSEWHERE)


class Page(BaseHTTPRequestHandler):
    """An empty page of somebody else's web server."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "15")
        self.end_headers()
        self.wfile.write(b"<!doctype html>")

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def web_server() -> Iterator[int]:
    """The port of another web server on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def ask(page: str, question: str, hub: str, **given: Any) -> Any:
    """What a question of page_origins.js finds out in this page."""
    node, browser = shutil.which("node"), next(filter(None, map(shutil.which, BROWSERS)), None)
    assert node, "Node 20 is needed for the tests of pages"
    assert browser, f"none of {', '.join(BROWSERS)} is installed; .ci/packages installs one"
    command = [node, str(HERE / "page_origins.js"), browser, RULES, page, question, hub, json.dumps(given)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def localhost(hub: Daemon) -> str:
    return f"http://localhost:{hub.port}"
