"""Pictures that somebody shows a model: only such as come with the question, for the hub fetches none for anybody."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from collections.abc import Mapping, Sequence
from typing import Any, Final

from newage.errors import InvalidRequest

PICTURE_TOKENS: Final = 800  # that one costs a model, about
REMOTE: Final = "A picture has to come with the question, as a data: URL: the hub fetches none."
STRANGE: Final = "A picture has to be a PNG, JPEG or WebP, as a data: URL in base64."
TOO_LARGE: Final = "A picture is too large: {most} bytes at most."
_KINDS: Final = ("image/png", "image/jpeg", "image/webp")


def pictures_of(content: str | Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The URLs of the pictures among the parts of a message."""
    if isinstance(content, str):
        return ()
    shown = (part.get("image_url", {}).get("url") for part in content)
    return tuple(url for url in shown if isinstance(url, str))


def check_picture(url: str, most: int) -> None:
    """:param most: bytes of it. :raises InvalidRequest: in words, without what was sent."""
    head, comma, data = url.partition(",")
    scheme, _, kind = head.partition(":")
    if scheme.lower() != "data":
        raise InvalidRequest(REMOTE)
    if not comma or kind.lower().removesuffix(";base64") not in _KINDS or not kind.lower().endswith(";base64"):
        raise InvalidRequest(STRANGE)
    if len(data) // 4 * 3 > most + 3:
        raise InvalidRequest(TOO_LARGE.format(most=most))
    try:
        found = b64decode(data, validate=True)
    except (Error, ValueError):
        raise InvalidRequest(STRANGE) from None
    if len(found) > most:
        raise InvalidRequest(TOO_LARGE.format(most=most))
    if _kind(found) != kind.lower().removesuffix(";base64"):
        raise InvalidRequest(STRANGE)


def _kind(data: bytes) -> str:
    """By its first bytes, "" for any other."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""
