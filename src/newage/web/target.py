"""The target in the first line of a request (RFC 9112, 3.2). Pure."""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

BAD: Final = b"400 Bad Request"
MISDIRECTED: Final = b"421 Misdirected Request"

_ABSOLUTE: Final = re.compile(rb"(https?)://([^/?#@]+)([/?#].*)?", re.IGNORECASE | re.DOTALL)


@frozen
class Target:
    """What is asked for.

    :param path: with its query, beginning with a slash; or ``*``.
    :param authority: the host that the target itself names, which stands instead of the Host header (RFC 9112, 3.2.2).
    """

    path: bytes
    authority: bytes | None = None


def read_target(target: bytes, *, secure: bool) -> Target | bytes:
    """Read a target in origin, absolute or asterisk form.

    :param secure: it came over TLS; what asks for ``https`` elsewhere does not mean us (RFC 9110, 7.4).
    :return: the status line's end of a refusal when it is none of these: no proxy is here, so no host alone.
    """
    if target[:1] == b"/" or target == b"*":
        return Target(target)
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        return BAD
    scheme, authority, rest = absolute.groups()
    if scheme.lower() == b"https" and not secure:
        return MISDIRECTED
    path = (rest or b"").partition(b"#")[0]
    return Target(path if path[:1] == b"/" else b"/" + path, authority)
