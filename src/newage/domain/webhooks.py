"""Webhooks out, pure: what is to be told, how it is signed, and when it is tried again.

Signed as Standard Webhooks says (https://www.standardwebhooks.com): HMAC-SHA256 over id, time and body.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from attrs import define, field, frozen

from newage.domain.model import Message

MESSAGE_CREATED: Final = "message.created"
RESPONSE_COMPLETED: Final = "response.completed"
REQUEST_FAILED: Final = "request.failed"
SESSION_CONNECTED: Final = "session.connected"
SESSION_DISCONNECTED: Final = "session.disconnected"
OF_ROOMS: Final = (MESSAGE_CREATED, RESPONSE_COMPLETED, REQUEST_FAILED)
EVENTS: Final = (*OF_ROOMS, SESSION_CONNECTED, SESSION_DISCONNECTED)

LEAST_SECRET_BYTES: Final = 16
_ENCODED: Final = "whsec_"
_GONE: Final = 410
_MOST_DOUBLINGS: Final = 40  # beyond any time that somebody waits


@frozen(kw_only=True)
class Delivery:
    """One event for one webhook, as it waits in the queue.

    ``id`` is what the receiver knows it by; ``at`` the ISO time of the event, ``since`` when it was queued, in the
    hub's running time. Of a message it holds the ids alone: its text is read when it is sent. ``data`` is what is told
    of everything else. ``most``: how many of its webhook may wait.
    """

    id: str
    webhook: str
    event: str
    at: str
    since: float
    room_id: str = ""
    message_id: str = ""
    data: Mapping[str, Any] | None = None
    most: int = field(default=1, eq=False)


class Due(NamedTuple):
    """What is to be sent next. ``room`` is the name of its room now, "" for what is of none."""

    delivery: Delivery
    room: str = ""
    message: Message | None = None


class Queue(NamedTuple):
    """Of one webhook: how many wait, and the first of them."""

    length: int
    first: Due | None = None


def signing_key(secret: str) -> bytes:
    """What a secret stands for: ``whsec_`` and base64, else the bytes themselves.

    :raises ValueError: it says that it is base64 and is not, or it is so short that it could be guessed.
    """
    key = secret.encode()
    if secret.startswith(_ENCODED):
        try:
            key = b64decode(secret.removeprefix(_ENCODED), validate=True)
        except ValueError:
            raise ValueError(f"must be base64 after {_ENCODED}") from None
    if len(key) < LEAST_SECRET_BYTES:
        raise ValueError(f"must be {LEAST_SECRET_BYTES} bytes at least (openssl rand -base64 32)")
    return key


def signature(key: bytes, delivery_id: str, timestamp: int, body: bytes) -> str:
    """The header ``webhook-signature``. :param timestamp: of this try, in seconds since the epoch."""
    signed = b"%s.%d.%s" % (delivery_id.encode(), timestamp, body)
    return "v1," + b64encode(hmac.digest(key, signed, "sha256")).decode()


class Said(NamedTuple):
    """What came of one try: the status of an answer, or why there was none. ``retry_after`` in seconds."""

    status: int | None = None
    retry_after: float | None = None
    why: str = ""

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """The receiver wants no more, ever."""
        return self.status == _GONE

    @property
    def words(self) -> str:
        return self.why if self.status is None else f"answered with status {self.status}"


@define
class Patience:
    """How long to wait for a receiver that fails: twice as long each time, with chance, and not less than it asked for.

    :param first: seconds after the first failure. :param most: seconds. :param most_asked: seconds that a receiver may
        ask for.
    """

    _first: float
    _most: float
    _most_asked: float
    failures: int = field(default=0, init=False)

    def succeeded(self) -> None:
        self.failures = 0

    def failed(self, retry_after: float | None, chance: float) -> float:
        """:param chance: in [0, 1). :return: seconds until the next try: between the half and the whole of what is due,
        so that not all receivers are asked at once."""
        due = min(self._most, self._first * (1 << min(self.failures, _MOST_DOUBLINGS)))
        self.failures += 1
        return max(due * (1 + chance) / 2, min(retry_after or 0.0, self._most_asked))
