"""What people write into files with whatever editor they have: configuration, settings, keys. Pure."""

from __future__ import annotations

import codecs
from typing import Final

# UTF-16 before UTF-8 would be wrong for nobody: no text begins with these bytes.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class NotText(ValueError):
    """The file is no text; the message says where and what to do."""


def read_text(content: bytes) -> str:
    """A file as text: without the mark that editors on Windows put before it, lines ended by a line feed.

    :raises NotText: it is neither UTF-8 nor UTF-16 with a mark.
    """
    mark, encoding = next(((mark, name) for mark, name in _MARKS if content.startswith(mark)), (b"", "utf-8"))
    body = content[len(mark) :]
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        line = body[: error.start].decode(encoding, "replace").count("\n") + 1
        raise NotText(f"line {line} is not {encoding.upper()}: save the file as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")
