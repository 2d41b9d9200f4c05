"""Makes the pictures of docs/pictures anew, of the real thing: ``make pictures``.

SillyTavern takes port 8000 and a hub port 4000, as they do where people install them, so both have to be free. What is
to be seen in a picture is the same each time; how letters are drawn is the machine's.
"""

from __future__ import annotations

import struct
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from asking import extension_id, wait_available
from desk import Desk
from fake_model import FakeModel
from harness import CHECKOUT, Daemon, Driver, Hub
from panel import Panel
from tab import Browser
from tavern import SillyTavern

FOLDER: Final = CHECKOUT / "docs" / "pictures"
HUB, SILLYTAVERN = 4000, 8000
ROOM: Final = "tavern"
COLOURS: Final = 256


class Scene:
    """A SillyTavern whose chat with Seraphina is linked with a room, and a hub."""

    def __init__(self, desk: Desk, hub: Hub, tavern: SillyTavern) -> None:
        self.desk = desk
        self.panel = Panel(desk).open()
        who = hub.client(ROOM)
        member = {"identity": extension_id(tavern), "roomName": ROOM}
        assert hub.client(ROOM, "/rooms").call("ADD_CLIENT_TO_ROOM", member)["status"] == "ok"
        desk.open_chat("Seraphina")
        self.panel.open().enter("Room", ROOM)
        self.panel.press("Link the open chat")
        desk.wait("() => !document.querySelector('#newage_settings .newage-linked').dataset.empty.includes('true')")
        self.panel.shows("Connected")
        who.fence()

    def extension(self, path: Path) -> None:
        """The drawer."""
        self.desk.do("screenshot", path=str(path), selector="#newage_drawer")


PICTURES: Final[Mapping[str, Callable[[Scene, Path], None]]] = {"extension.png": Scene.extension}


def make(folder: Path) -> None:
    """All of them."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = stack.enter_context(closing(FakeModel()))
        daemon = stack.enter_context(Daemon(home / "hub", port=HUB))
        tavern = SillyTavern(home / "data", model.url, port=SILLYTAVERN)
        tavern.add_character("Seraphina", first_mes="You wake in a glade full of light.")
        tavern.add_extension()
        stack.callback(tavern.stop)
        tavern.start()
        driver = stack.enter_context(closing(Driver()))
        browser = stack.enter_context(closing(Browser()))
        assert daemon.log is not None
        since = len(daemon.log.lines)
        desk = stack.enter_context(
            closing(Desk.sit_down(browser, tavern.url, viewport={"width": 1280, "height": 1700}))
        )
        wait_available(daemon, since)
        scene = Scene(desk, Hub(daemon, driver), tavern)
        for name, take in PICTURES.items():
            take(scene, folder / name)
            (folder / name).write_bytes(smaller((folder / name).read_bytes()))
            sys.stdout.write(f"{folder / name}: {(folder / name).stat().st_size} bytes\n")


def smaller(png: bytes) -> bytes:
    """The same picture with a palette of the colours that it has most of; others become the nearest of these.

    :param png: of 8 bits, RGB or RGBA without anything transparent, not interlaced, as Chromium writes it.
    """
    width, height, rows = _pixels(png)
    counted = Counter(pixel for row in rows for pixel in row)
    palette = [colour for colour, _ in counted.most_common(COLOURS)]
    index = {colour: number for number, colour in enumerate(palette)}
    for colour in counted:
        if colour not in index:
            index[colour] = min(
                range(len(palette)), key=lambda at: sum((a - b) ** 2 for a, b in zip(palette[at], colour, strict=True))
            )
    lines = b"".join(b"\0" + bytes(index[pixel] for pixel in row) for row in rows)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", head),
        (b"PLTE", b"".join(map(bytes, palette))),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    )
    return png[:8] + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _pixels(png: bytes) -> tuple[int, int, list[list[tuple[int, ...]]]]:
    """Width, height, and red, green and blue of each pixel, row by row."""
    at, data, head = 8, b"", b""
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12
        if kind == b"IHDR":
            head = body
        elif kind == b"IDAT":
            data += body
    width, height, depth, colours, _, _, interlaced = struct.unpack(">IIBBBBB", head)
    assert (depth, interlaced) == (8, 0)
    step = {2: 3, 6: 4}[colours]
    raw, rows = zlib.decompress(data), []
    above = bytearray(width * step)
    for number in range(height):
        start = number * (width * step + 1)
        line = bytearray(raw[start + 1 : start + 1 + width * step])
        _unfilter(raw[start], line, above, step)
        rows.append([tuple(line[x : x + 3]) for x in range(0, len(line), step)])
        above = line
    return width, height, rows


def _unfilter(kind: int, line: bytearray, above: bytearray, step: int) -> None:
    """One row as PNG's filters left it, in place."""
    for x in range(len(line)):
        left, up = (line[x - step] if x >= step else 0), above[x]
        corner = above[x - step] if x >= step else 0
        guess = left + up - corner
        nearest = min((left, up, corner), key=lambda one: abs(guess - one))
        line[x] = line[x] + (0, left, up, (left + up) // 2, nearest)[kind] & 0xFF


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
