"""Debian's nginx in front of a hub, its workers under their own system user."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from harness import PATIENCE, Lines, free_port

USER = "www-data"
CURE = "(.ci/packages installs what is missing)"


class Nginx:
    """One nginx that passes everything on to a hub.

    :param directives: of its ``location /``, besides ``proxy_pass``.
    :param address: where it listens.
    """

    def __init__(self, folder: Path, hub_port: int, *directives: str, address: str = "127.0.0.1") -> None:
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        assert program, f"nginx is needed to see what a proxy makes of its guests {CURE}"
        assert os.geteuid() == 0, (
            "a proxy under another system user can only be started by root: run these tests as root, in a container "
            "for example (docker run --rm -v .:/newage -w /newage python:3.11 .ci/run)"
        )
        self.port = free_port(address)
        self.url = f"http://{address}:{self.port}"
        temporary = "".join(
            f"    {name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config = folder / "nginx.conf"
        config.write_text(
            f"user {USER};\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log stderr notice;\n"
            "events { worker_connections 64; }\n"
            f"http {{\n    access_log off;\n{temporary}    server {{\n        listen {address}:{self.port};\n"
            f"        location / {{\n            proxy_pass http://127.0.0.1:{hub_port};\n"
            + "".join(f"            {directive};\n" for directive in directives)
            + "        }\n    }\n}\n",
            "utf-8",
        )
        self._process = subprocess.Popen(
            [program, "-p", str(folder), "-c", str(config), "-g", "daemon off;"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        self._log = Lines(self._process.stderr)
        if self._log.wait_for(re.compile(r"start worker process \d+"), PATIENCE) is None:
            self.stop()
            raise AssertionError(f"nginx did not come up:\n{self._log.join()}")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
