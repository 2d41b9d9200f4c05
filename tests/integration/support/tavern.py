"""SillyTavern as a process, on a data folder of the test's own: settings, characters, chats, extensions.

SillyTavern is AGPL: npm installs it for the tests, nothing of it is copied or shipped. ``NEWAGE_SILLYTAVERN`` names
the folder of another installation, as the nightly's 1.13.0.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fake_model import MODEL
from harness import CHECKOUT, HERE, Lines, free_port
from remote import end_process

from nodekit import node_program

FOLDER = HERE / "sillytavern"
PACKAGE = Path(os.environ.get("NEWAGE_SILLYTAVERN", FOLDER / "node_modules" / "sillytavern"))
LISTENING = re.compile(r"SillyTavern is listening on")
START_SECONDS = 120
EXTENSION = CHECKOUT / "static" / "sillytavern-extension"
OUR_EXTENSION = "newage-extension"  # the folder that SillyTavern's own dialog would make


def merged(old: Any, new: Any) -> Any:
    """``new`` over ``old``, objects member by member."""
    if isinstance(old, dict) and isinstance(new, Mapping):
        return {**old, **{name: merged(old.get(name), value) for name, value in new.items()}}
    return new


def _png(card: Mapping[str, Any]) -> bytes:
    """A small grey picture that carries a character card, as SillyTavern keeps its characters."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 32, 48, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\x80" * 32) * 48)
    text = b"chara\0" + base64.b64encode(json.dumps(card).encode())
    parts = chunk(b"IHDR", head), chunk(b"IDAT", pixels), chunk(b"tEXt", text), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


class SillyTavern:
    """One ``node server.js``. Prepare its data before ``start``; ``stop`` ends it and everything it started.

    :param package: the installed SillyTavern.
    :param settings: laid over its first settings, member by member.
    :param path: in place of the PATH of the tests: which programs it finds.
    :param port: one of its own where none is given.
    """

    def __init__(
        self,
        data: Path,
        model_url: str,
        *,
        settings: Mapping[str, Any] | None = None,
        package: Path = PACKAGE,
        path: str = "",
        port: int = 0,
    ) -> None:
        assert (package / "server.js").is_file(), (
            f"no SillyTavern in {package}: run `npm ci --ignore-scripts` in {FOLDER}"
        )
        self.package = package
        self.path = path
        self.data = data
        self.user = data / "default-user"
        self.user.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.process: subprocess.Popen[str] | None = None
        self.log: Lines | None = None
        shutil.copy(package / "default" / "config.yaml", data)  # older versions make none by themselves
        self._write_settings(model_url, settings or {})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def version(self) -> str:
        return str(json.loads((self.package / "package.json").read_text("utf-8"))["version"])

    def _write_settings(self, model_url: str, settings: Mapping[str, Any]) -> None:
        first = json.loads((self.package / "default" / "content" / "settings.json").read_text("utf-8"))
        ours = {
            "firstRun": False,
            "username": "Desk",
            "main_api": "openai",
            "power_user": {"auto_connect": True, "auto_load_chat": False},
            "oai_settings": {
                "chat_completion_source": "custom",
                "custom_url": model_url,
                "custom_model": MODEL,
                "stream_openai": True,
                "openai_max_tokens": 60,
                "bypass_status_check": True,
            },
        }
        whole = merged(merged(first, ours), settings)
        (self.user / "settings.json").write_text(json.dumps(whole, indent=1), "utf-8")

    def stored_settings(self) -> dict[str, Any]:
        """What is on its disk now."""
        found: dict[str, Any] = json.loads((self.user / "settings.json").read_text("utf-8"))
        return found

    def add_character(self, name: str, **card: Any) -> str:
        """A short card, for short prompts; returns the name of its file, its id in SillyTavern."""
        data = {
            "name": name,
            "description": f"{name} is brief.",
            "personality": "",
            "scenario": "",
            "first_mes": f"I am {name}.",
            "mes_example": "",
            "creator_notes": "",
            "system_prompt": "",
            "post_history_instructions": "",
            "alternate_greetings": [],
            "tags": [],
            "creator": "",
            "character_version": "1",
            "extensions": {},
            **card,
        }
        whole = {
            "spec": "chara_card_v2",
            "spec_version": "2.0",
            "fav": False,
            "talkativeness": "0.5",
            **data,
            "data": data,
        }
        folder = self.user / "characters"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.png").write_bytes(_png({**whole, "chat": f"{name} - first", "create_date": "2026-1-1"}))
        return f"{name}.png"

    def add_book(self, name: str, entries: Mapping[str, str]) -> None:
        """World info: a text for each word that calls it."""
        usual = {"keysecondary": [], "selective": True, "order": 100, "position": 0, "probability": 100, "depth": 4}
        book = {
            str(uid): {"uid": uid, "key": [word], "content": text, "constant": False, "disable": False, **usual}
            for uid, (word, text) in enumerate(entries.items())
        }
        (self.user / "worlds").mkdir(exist_ok=True)
        (self.user / "worlds" / f"{name}.json").write_text(json.dumps({"entries": book}), "utf-8")

    def add_group(self, name: str, members: Sequence[str]) -> None:
        """A group in which everybody answers, one after the other."""
        group = {
            "id": name,
            "name": name,
            "members": list(members),
            "avatar_url": "",
            "allow_self_responses": False,
            "activation_strategy": 1,
            "generation_mode": 0,
            "disabled_members": [],
            "fav": False,
            "chat_id": name,
            "chats": [name],
            "auto_mode_delay": 5,
        }
        for folder in ("groups", "group chats"):
            (self.user / folder).mkdir(exist_ok=True)
        (self.user / "groups" / f"{name}.json").write_text(json.dumps(group), "utf-8")

    def add_extension(self, source: Path = EXTENSION, name: str = OUR_EXTENSION) -> None:
        """As SillyTavern's dialog would have installed it."""
        shutil.copytree(source, self.user / "extensions" / name, dirs_exist_ok=True)

    def add_probe(self) -> None:
        """The rig's extension, which remembers what SillyTavern says of generations: ``window.newageProbe``."""
        self.add_extension(FOLDER / "probe", "newage-probe")

    def chats(self, character: str) -> list[list[dict[str, Any]]]:
        """The messages of each chat of a character on the disk, the line of metadata left out."""
        return [self.read_chat(file) for file in sorted((self.user / "chats" / character).glob("*.jsonl"))]

    def read_chat(self, file: Path) -> list[dict[str, Any]]:
        """Its messages, the line of metadata left out."""
        return [json.loads(line) for line in file.read_text("utf-8").split("\n")[1:] if line]

    def start(self) -> SillyTavern:
        if not (self.data / "config.yaml").exists():  # 1.13 makes none where it is told of one
            shutil.copy(self.package / "default" / "config.yaml", self.data)
        options = {
            "port": self.port,
            "dataRoot": self.data,
            "configPath": self.data / "config.yaml",
            "browserLaunchEnabled": "false",
            "listen": "false",
        }
        arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        self.process = subprocess.Popen(
            [shutil.which(node_program()) or node_program(), "server.js", *arguments],
            cwd=self.package,
            # With git in reach it would take our checkout for its own, keep its compiled page under our commit, and a
            # second one, that has no git, would throw that page away.
            env={
                **os.environ,
                "GIT_CEILING_DIRECTORIES": str(self.package.resolve().parent),
                **({"PATH": self.path} if self.path else {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.log = Lines(self.process.stdout)
        if self.log.wait_for(LISTENING, START_SECONDS) is None:
            self.stop()
            raise AssertionError(f"SillyTavern did not come up:\n{self.log.join()[-3000:]}")
        return self

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        end_process(self.process, 10)
